use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Once,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, HeaderName, header, request::Parts},
};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::state::App;
use crate::domain::Client;

/// Longer ones are cut: they are kept with the session.
const USER_AGENT_CHARACTERS: usize = 300;

/// What proxies write their clients' addresses into, where they do not write `Forwarded` (RFC 7239).
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl FromRequestParts<App> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let user_agent =
            parts.headers.get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
        Ok(Self {
            address: seen(peer_address(parts), &parts.headers, &app.config.trusted_proxies).address,
            user_agent: user_agent.unwrap_or_default().chars().take(USER_AGENT_CHARACTERS).collect(),
        })
    }
}

/// What the site makes of a request's forwarding headers, for whoever sets a proxy up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forwarding {
    /// It has none.
    None,
    /// They come from a trusted proxy.
    Believed,
    /// They come from somebody else, or contradict each other.
    NotBelieved,
}

/// For whom the site takes a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The address that the client counts as.
    pub address: IpAddr,
    /// How that was found out.
    pub forwarding: Forwarding,
}

impl FromRequestParts<App> for Seen {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        Ok(seen(peer_address(parts), &parts.headers, &app.config.trusted_proxies))
    }
}

fn peer_address(parts: &Parts) -> IpAddr {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::from([0, 0, 0, 0]), |ConnectInfo(peer)| peer.ip().to_canonical())
}

/// Whether an address is a proxy of ours, whose forwarding headers are believed.
pub fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// The client is whoever connected, or whom proxies of ours name in the one forwarding header or in both alike.
fn seen(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Seen {
    let believed = |address| Seen { address, forwarding: Forwarding::Believed };
    let not_believed = Seen { address: peer, forwarding: Forwarding::NotBelieved };
    let hops = [(X_FORWARDED_FOR, forwarded_for(headers)), (header::FORWARDED, forwarded(headers))];
    let named =
        hops.map(|(name, hops)| headers.contains_key(name).then(|| client_behind(peer, hops, trusted)));
    match named {
        [None, None] => Seen { address: peer, forwarding: Forwarding::None },
        _ if !is_trusted(peer, trusted) => {
            warn_of_forwarding();
            not_believed
        }
        [Some(address), None] | [None, Some(address)] => believed(address),
        [Some(one), Some(other)] if one == other => believed(one),
        // A proxy that writes one of them lets the other through as its client wrote it.
        [Some(_), Some(_)] => not_believed,
    }
}

/// The first address, read from the right, that is no proxy of ours: the last of ours saw it. Everything to its
/// left may have been written by anybody.
fn client_behind(peer: IpAddr, hops: Vec<Option<IpAddr>>, trusted: &[IpNet]) -> IpAddr {
    let mut client = peer;
    for hop in hops.into_iter().rev() {
        // A hop that cannot be read (`unknown`, RFC 7239) hides all before it.
        let Some(hop) = hop else { break };
        client = hop;
        if !is_trusted(client, trusted) {
            break;
        }
    }
    client
}

/// The addresses that proxies wrote into `X-Forwarded-For`, the nearest last.
fn forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    elements(headers, &X_FORWARDED_FOR).iter().map(|element| node_address(element)).collect()
}

/// The same in `Forwarded` (RFC 7239).
fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let hop = |element: &String| {
        let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
        let (_, node) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
        node_address(node.trim().trim_matches('"'))
    };
    elements(headers, &header::FORWARDED).iter().map(hop).collect()
}

fn elements(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    values
        .flat_map(|value| value.split(',').map(|element| element.trim().to_owned()).collect::<Vec<_>>())
        .collect()
}

/// An address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn node_address(node: &str) -> Option<IpAddr> {
    let bare = node.trim_matches(['[', ']']);
    let address = bare.parse().ok().or_else(|| node.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// Said once: behind a proxy that is not trusted, everybody counts as one client.
fn warn_of_forwarding() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::warn!("a forwarding header came from an address that is not in VESTIBULE_TRUSTED_PROXIES");
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(peer: &str, headers: &[(HeaderName, &str)]) -> String {
        let trusted = ["127.0.0.1/32", "10.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap());
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        seen(peer.parse().unwrap(), &headers, &trusted).address.to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let forwarded = [(X_FORWARDED_FOR, "192.0.2.7")];
        assert_eq!(address("127.0.0.1", &forwarded), "192.0.2.7");
        assert_eq!(address("198.51.100.1", &forwarded), "198.51.100.1");
        assert_eq!(address("127.0.0.1", &[]), "127.0.0.1");
    }

    #[test]
    fn what_the_client_wrote_itself_counts_for_nothing() {
        assert_eq!(address("127.0.0.1", &[(X_FORWARDED_FOR, "1.2.3.4, 192.0.2.7, 10.0.0.2")]), "192.0.2.7");
        assert_eq!(address("127.0.0.1", &[(X_FORWARDED_FOR, "1.2.3.4, nonsense, 10.0.0.2")]), "10.0.0.2");
    }

    #[test]
    fn the_standard_header_is_read_with_ports_and_brackets() {
        let standard = "for=1.2.3.4, For=\"[2001:db8::7]:4711\";proto=https;by=10.0.0.2";
        assert_eq!(address("::1", &[(header::FORWARDED, standard)]), "2001:db8::7");
        assert_eq!(address("::1", &[(header::FORWARDED, "for=unknown")]), "::1");
    }

    #[test]
    fn where_the_two_headers_disagree_the_client_is_whoever_connected() {
        let (theirs, proxys) = ((X_FORWARDED_FOR, "6.6.6.6"), (header::FORWARDED, "for=192.0.2.7"));
        assert_eq!(address("127.0.0.1", &[theirs, proxys.clone()]), "127.0.0.1");
        assert_eq!(address("127.0.0.1", &[(X_FORWARDED_FOR, "192.0.2.7"), proxys]), "192.0.2.7");
    }

    proptest! {
        #[test]
        fn no_address_counts_that_no_trusted_proxy_vouches_for(
            values in proptest::collection::vec(prop_oneof!["[ -~]{0,60}", "(for=)?\"?\\[?[0-9a-f.:]{1,20}\\]?\"?(, 10\\.0\\.0\\.[0-9])?"], 0..4),
            is_standard in any::<bool>(),
        ) {
            let name = if is_standard { header::FORWARDED } else { X_FORWARDED_FOR };
            let headers: Vec<_> = values.iter().map(|value| (name.clone(), value.as_str())).collect();
            // Who is not trusted is who they are, whatever they say of themselves.
            prop_assert_eq!(address("198.51.100.1", &headers), "198.51.100.1");
            // What the nearest proxy wrote, last, is believed before anything that stands to its left.
            let proxys = if is_standard { "for=192.0.2.7" } else { "192.0.2.7" };
            let headers: Vec<_> = headers.into_iter().chain([(name.clone(), proxys)]).collect();
            prop_assert_eq!(address("127.0.0.1", &headers), "192.0.2.7");
        }
    }

    proptest! {
        #[test]
        fn where_both_headers_come_they_agree_or_neither_counts(
            one in hops(), other in hops(), is_one_twice in any::<bool>(),
        ) {
            let standard: Vec<_> = match is_one_twice {
                true => one.iter().map(|hop| format!("for=\"{hop}\"")).collect(),
                false => other,
            };
            let both = [(X_FORWARDED_FOR, &*one.join(", ")), (header::FORWARDED, &*standard.join(", "))];
            let alone = both.clone().map(|header| address("127.0.0.1", &[header]));
            let together = address("127.0.0.1", &both);
            let agreed = if alone[0] == alone[1] { &alone[0] } else { "127.0.0.1" };
            prop_assert_eq!(&together, agreed);
            let names = |(_, value): &(HeaderName, &str)| {
                let nodes = value.split(|c| ",;=\" ".contains(c));
                nodes.filter_map(node_address).any(|node| node.to_string() == together)
            };
            prop_assert!(together == "127.0.0.1" || both.iter().all(names), "{}", together);
        }
    }

    /// What proxies write, and what is nearly that.
    fn hops() -> impl Strategy<Value = Vec<String>> {
        let address = prop_oneof![
            "10\\.0\\.0\\.[1-3]",
            "192\\.0\\.2\\.[1-3](:80)?",
            "2001:db8::[1-3]",
            "\\[2001:db8::[1-3]\\](:80)?"
        ];
        let pair = address.prop_flat_map(|address| {
            prop_oneof![
                Just(address.clone()),
                Just(format!("for={address}")),
                Just(format!("for=\"{address}\";proto=https")),
            ]
        });
        proptest::collection::vec(
            prop_oneof![6 => pair, 1 => Just("unknown".to_owned()), 1 => "[ -~]{0,20}"],
            0..4,
        )
    }

    #[test]
    fn what_became_of_the_headers_is_told() {
        let header = |value: &str| HeaderMap::from_iter([(X_FORWARDED_FOR, value.parse().unwrap())]);
        let trusted = ["127.0.0.1/32".parse().unwrap()];
        let told =
            |peer: &str, headers: &HeaderMap| seen(peer.parse().unwrap(), headers, &trusted).forwarding;
        assert_eq!(told("127.0.0.1", &HeaderMap::new()), Forwarding::None);
        assert_eq!(told("198.51.100.1", &HeaderMap::new()), Forwarding::None);
        assert_eq!(told("127.0.0.1", &header("192.0.2.7")), Forwarding::Believed);
        assert_eq!(told("198.51.100.1", &header("192.0.2.7")), Forwarding::NotBelieved);
    }
}
