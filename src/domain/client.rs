use std::{fmt, net::IpAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

/// Who asks, as far as the network tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// The address that the request came from, by way of trusted proxies.
    pub address: IpAddr,
    /// What the browser says of itself, cut to a length that we keep.
    pub user_agent: String,
}

/// What a `User-Agent` calls a browser, and what people call it; the first that is found counts, since
/// most browsers also name those that they descend from.
const BROWSERS: [(&str, &str); 12] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex Browser"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];

/// The same of systems.
const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
    ("X11", "Unix"),
];

impl Client {
    /// One as the database keeps it.
    pub fn of(address: IpNet, user_agent: String) -> Self {
        Self { address: address.addr(), user_agent }
    }

    /// What budgets count as one client: the IPv4 address, or the /64 that a household has in IPv6.
    pub fn network(&self) -> IpNet {
        match self.address {
            IpAddr::V4(address) => Ipv4Net::from(address).into(),
            IpAddr::V6(address) => Ipv6Net::new_assert(address, 64).trunc().into(),
        }
    }

    /// Browser and system in words, as in “Firefox on Windows”. Browsers say no more than that of
    /// themselves any longer, so a short table serves.
    pub fn browser(&self) -> String {
        let named = |table: &[(&str, &'static str)]| {
            table.iter().find(|(mark, _)| self.user_agent.contains(mark)).map(|(_, name)| *name)
        };
        match (named(&BROWSERS), named(&SYSTEMS)) {
            (Some(browser), Some(system)) => format!("{browser} on {system}"),
            (Some(browser), None) => browser.to_owned(),
            (None, Some(system)) => format!("a browser on {system}"),
            (None, None) => "an unknown browser".to_owned(),
        }
    }
}

/// Browser, system and address, as in “Firefox on Windows, 192.0.2.1”.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.browser(), self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str, user_agent: &str) -> Client {
        Client { address: address.parse().unwrap(), user_agent: user_agent.to_owned() }
    }

    #[test]
    fn browsers_and_systems_are_named_as_people_call_them() {
        let windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)";
        let webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (user_agent, words) in [
            (format!("{windows} {webkit} Chrome/156.0.0.0 Safari/537.36"), "Chrome on Windows"),
            (format!("{windows} {webkit} Chrome/156.0.0.0 Safari/537.36 Edg/156.0.0.0"), "Edge on Windows"),
            (format!("{windows} Gecko/20100101 Firefox/150.0"), "Firefox on Windows"),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/26.0 Mobile/15E148 Safari/604.1"
                    .to_owned(),
                "Safari on iPhone",
            ),
            (
                format!("Mozilla/5.0 (Linux; Android 10; K) {webkit} Chrome/156.0.0.0 Mobile Safari/537.36"),
                "Chrome on Android",
            ),
            ("curl/8.5.0".to_owned(), "curl"),
            ("Mozilla/5.0 (X11; Linux x86_64)".to_owned(), "a browser on Linux"),
            (String::new(), "an unknown browser"),
        ] {
            assert_eq!(client("192.0.2.1", &user_agent).browser(), words);
        }
        assert_eq!(client("2001:db8::1", "curl/8").to_string(), "curl, 2001:db8::1");
    }

    #[test]
    fn a_household_is_one_client() {
        assert_eq!(client("192.0.2.1", "").network().to_string(), "192.0.2.1/32");
        assert_eq!(client("2001:db8:1:2:3::4", "").network().to_string(), "2001:db8:1:2::/64");
    }
}
