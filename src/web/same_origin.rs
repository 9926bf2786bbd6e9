use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{error::PageError, state::App};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses every request that could change something and that a foreign page could have sent.
/// There are no tokens to lose: browsers say where a request comes from (W3C, Fetch Metadata), and
/// where one does not, its `Origin` (RFC 6454) must be ours.
pub async fn check(State(app): State<App>, request: Request, next: Next) -> Response {
    if request.method().is_safe() || is_own(request.headers(), &app.config.public_url.origin()) {
        next.run(request).await
    } else {
        PageError::Forbidden.into_response()
    }
}

fn is_own(headers: &HeaderMap, own_origin: &str) -> bool {
    match (headers.get(SEC_FETCH_SITE), headers.get(header::ORIGIN)) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => origin == own_origin,
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(headers: &[(HeaderName, &str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        is_own(&headers, "https://accounts.example")
    }

    #[test]
    fn only_our_own_pages_may_change_something() {
        assert!(own(&[(SEC_FETCH_SITE, "same-origin")]));
        assert!(own(&[(header::ORIGIN, "https://accounts.example")]));
        for foreign in ["same-site", "cross-site", "none", ""] {
            assert!(
                !own(&[(SEC_FETCH_SITE, foreign), (header::ORIGIN, "https://accounts.example")]),
                "{foreign}"
            );
        }
        for foreign in
            ["null", "http://accounts.example", "https://accounts.example:8443", "https://evil.example"]
        {
            assert!(!own(&[(header::ORIGIN, foreign)]), "{foreign}");
        }
        assert!(!own(&[]));
    }
}
