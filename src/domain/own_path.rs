use std::fmt;

use url::Url;

/// An address on this site, path and query: where somebody was going before they had to log in.
/// What would lead to another site is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPath(String);

/// Longer ones would not fit into the headers that proxies take, in octets.
const LONGEST: usize = 2_000;

impl OwnPath {
    /// The path, as a browser would read it (WHATWG URL), or `None` where it leads elsewhere or is
    /// longer than 2,000 octets.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let here = Url::parse("http://here.invalid/").ok()?;
        let there = here.join(text).ok().filter(|_| text.starts_with('/'))?;
        let own = there.origin() == here.origin()
            && there.username().is_empty()
            && there.password().is_none()
            // A path of two slashes is an address without a scheme where it is used again.
            && !there.path().starts_with("//");
        let path = &there[url::Position::BeforePath..url::Position::AfterQuery];
        // What is no ASCII has become longer.
        (own && path.len() <= LONGEST).then(|| Self(path.to_owned()))
    }

    /// The path and query, beginning with one slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OwnPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_leads_to_another_site_is_none() {
        for bad in [
            "",
            "x",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "https://evil.example",
            "/..//evil.example",
            &format!("/{}", "a".repeat(2_000)),
            &format!("/{}", "ä".repeat(900)),
        ] {
            assert_eq!(OwnPath::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_path_of_ours_keeps_its_query_and_loses_its_fragment() {
        assert_eq!(OwnPath::parse("/confirm?token=a%20b#x").unwrap().as_str(), "/confirm?token=a%20b");
        assert_eq!(OwnPath::parse("/a\r\nb").unwrap().as_str(), "/ab");
    }

    proptest! {
        #[test]
        fn wherever_it_leads_it_leads_to_this_site(
            text in prop_oneof!["(?s).{0,60}", "/[/\\\\\\t\\n.:@?#%a-z0-9]{0,40}", "[/\\\\]{1,3}(?s).{0,30}"],
        ) {
            if let Some(path) = OwnPath::parse(&text) {
                let site = Url::parse("https://site.example/login").expect("an address");
                let there = site.join(path.as_str()).expect("a browser goes somewhere");
                prop_assert_eq!(there.origin(), site.origin());
                let is_header = |c: char| c.is_ascii_graphic();
                prop_assert!(path.as_str().chars().all(is_header), "{:?}", path.as_str());
                prop_assert_eq!(OwnPath::parse(path.as_str()), Some(path));
            }
        }
    }
}
