use std::fmt;

use serde::{Deserialize, Serialize};

/// A region's stable id: ISO 3166-1 (`DE`) or ISO 3166-2 (`DE-BY`). Whether a region of that id
/// exists is the gazetteer's to say.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct RegionId(String);

impl RegionId {
    /// The id, or `None` for what has not the shape of one (two capital letters, and where a
    /// hyphen follows, one to three capital letters or digits).
    pub fn parse(text: &str) -> Option<Self> {
        let (country, subdivision) = match text.split_once('-') {
            Some((country, subdivision)) => (country, Some(subdivision)),
            None => (text, None),
        };
        let shaped = country.len() == 2
            && country.bytes().all(|byte| byte.is_ascii_uppercase())
            && subdivision.is_none_or(|code| {
                (1..=3).contains(&code.len())
                    && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
            });
        shaped.then(|| Self(text.to_owned()))
    }

    /// Its country's id (ISO 3166-1).
    pub fn country(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RegionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_shape_of_an_iso_code_is_an_id() {
        for good in ["DE", "DE-BY", "FR-2A", "GB-KEN", "NO-30"] {
            assert!(RegionId::parse(good).is_some(), "{good}");
        }
        for bad in ["", "D", "de", "DE-", "DE-BYXX", "DE_BY", "DE-B Y", "ÄÖ", "DE-BY-X"] {
            assert!(RegionId::parse(bad).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn an_id_has_one_spelling_and_nothing_but_capitals_digits_and_a_hyphen(
            text in prop_oneof!["(?s).{0,8}", "[A-Za-z]{2}(-[A-Z0-9a-zé-]{0,4})?"],
        ) {
            if let Some(id) = RegionId::parse(&text) {
                prop_assert_eq!(id.as_str(), text);
                prop_assert!((2..=6).contains(&id.as_str().len()) && id.country().len() == 2, "{}", id);
                let is_known = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
                prop_assert!(id.as_str().chars().all(is_known), "{}", id);
            }
        }
    }
}
