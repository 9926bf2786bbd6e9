//! `/dev/mailbox`: the letters that a site on one's own machine has delivered into a folder.
//!
//! They hold links that log in, so the page must never be reachable from elsewhere. It exists only
//! where letters go to the folder (no `SMTP_URL`, a loopback listener, localhost in `PUBLIC_URL`),
//! and answers only requests that name localhost and that no proxy has forwarded; all others get
//! 404, as if it were not there.

use askama::Template;
use axum::{
    Extension, Router,
    extract::{Path, Request},
    http::{HeaderMap, HeaderName, Uri, Version, header},
    middleware::{Next, from_fn},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use time::{OffsetDateTime, macros::format_description};

use crate::{
    domain::LetterId,
    mail::{LocalLetter, LocalMailbox},
    platform::config::Config,
    web::{
        error::PageError,
        page::{Frame, Page},
        state::App,
    },
};

/// How many letters the list shows.
const SHOWN: usize = 100;

/// The pages, where there is such a mailbox.
pub fn routes(config: &Config) -> Router<App> {
    let Some(mailbox) = LocalMailbox::from_config(config) else { return Router::new() };
    Router::new()
        .route("/dev/mailbox", get(list))
        .route("/dev/mailbox/{id}", get(show))
        .route("/dev/mailbox/{id}/html", get(show_html))
        .route_layer(Extension(mailbox))
        .route_layer(from_fn(only_from_this_machine))
}

#[derive(Template)]
#[template(path = "dev_mailbox/list.html")]
struct ListPage {
    frame: Frame,
    letters: Vec<LocalLetter>,
}

#[derive(Template)]
#[template(path = "dev_mailbox/show.html")]
struct LetterPage {
    frame: Frame,
    letter: LocalLetter,
}

/// `GET /dev/mailbox`: the newest letters.
async fn list(frame: Frame, Extension(mailbox): Extension<LocalMailbox>) -> Result<Response, PageError> {
    let letters = mailbox.newest(SHOWN).await.map_err(|error| PageError::Internal(error.into()))?;
    Ok(ListPage { frame, letters }.ok())
}

/// `GET /dev/mailbox/{id}`: one letter's text, its links to be clicked.
async fn show(
    frame: Frame,
    Extension(mailbox): Extension<LocalMailbox>,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    Ok(LetterPage { frame, letter: find(&mailbox, &id).await? }.ok())
}

/// `GET /dev/mailbox/{id}/html`: its HTML part as a mail program would show it, with styles, but
/// without scripts and without anything from elsewhere.
async fn show_html(
    Extension(mailbox): Extension<LocalMailbox>,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let policy =
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";
    let letter = find(&mailbox, &id).await?;
    Ok(([(header::CONTENT_SECURITY_POLICY, policy)], Html(letter.html)).into_response())
}

async fn find(mailbox: &LocalMailbox, id: &str) -> Result<LocalLetter, PageError> {
    let id = id.parse::<LetterId>().map_err(|_| PageError::NotFound)?;
    let letter = mailbox.letter(id).await.map_err(|error| PageError::Internal(error.into()))?;
    letter.ok_or(PageError::NotFound)
}

async fn only_from_this_machine(request: Request, next: Next) -> Response {
    if is_from_this_machine(request.version(), request.uri(), request.headers()) {
        next.run(request).await
    } else {
        PageError::NotFound.into_response()
    }
}

/// Whether the request names localhost, once, and bears no mark of a proxy: a header that browsers
/// do not send, an address with a host in it, or HTTP/1.0, which proxies speak that are set up no
/// further.
fn is_from_this_machine(version: Version, uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    host.is_some_and(names_localhost)
        && hosts.next().is_none()
        && version >= Version::HTTP_11
        && uri.authority().is_none()
        && !headers.keys().any(is_of_a_proxy)
}

fn names_localhost(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, ""));
    name.eq_ignore_ascii_case("localhost") && port.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_of_a_proxy(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("x-")
        || name.starts_with("cf-")
        || ["forwarded", "via", "true-client-ip"].contains(&name)
}

/// A stretch of a letter's text.
#[derive(Debug, PartialEq, Eq)]
enum Stretch<'a> {
    Words(&'a str),
    Link(&'a str),
}

impl LetterPage {
    /// The text, cut where links begin and end.
    fn stretches(&self) -> Vec<Stretch<'_>> {
        stretches(&self.letter.text)
    }
}

fn stretches(text: &str) -> Vec<Stretch<'_>> {
    let is_link = |word: &str| word.starts_with("http://") || word.starts_with("https://");
    text.split_inclusive(char::is_whitespace)
        .flat_map(|word| {
            let bare = word.trim_end();
            let (link, rest) = if is_link(bare) { word.split_at(bare.len()) } else { ("", word) };
            [Stretch::Link(link), Stretch::Words(rest)]
        })
        .filter(|stretch| !matches!(stretch, Stretch::Link("") | Stretch::Words("")))
        .collect()
}

/// Date and clock time, in UTC.
fn moment(at: &OffsetDateTime) -> String {
    at.format(format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn request(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        is_from_this_machine(Version::HTTP_11, &Uri::from_static("/dev/mailbox"), &headers)
    }

    #[test]
    fn only_a_request_that_names_localhost_and_came_without_a_proxy_sees_it() {
        assert!(request(&[("host", "localhost:3000")]));
        assert!(request(&[("host", "LocalHost"), ("accept", "text/html")]));
        for host in
            ["", "example.com", "localhost.example.com", "localhost:3000.evil", "127.0.0.1:3000", "[::1]"]
        {
            assert!(!request(&[("host", host)]), "{host}");
        }
        assert!(!request(&[]));
        assert!(!request(&[("host", "localhost"), ("host", "example.com")]));
        for mark in
            ["x-forwarded-for", "x-forwarded-proto", "forwarded", "via", "x-real-ip", "cf-connecting-ip"]
        {
            assert!(!request(&[("host", "localhost"), (mark, "x")]), "{mark}");
        }
        let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("localhost"))]);
        let absolute = Uri::from_static("http://example.com/dev/mailbox");
        assert!(!is_from_this_machine(Version::HTTP_10, &Uri::from_static("/dev/mailbox"), &headers));
        assert!(!is_from_this_machine(Version::HTTP_11, &absolute, &headers));
    }

    #[test]
    fn links_in_the_text_can_be_clicked_and_nothing_else_is_one() {
        use Stretch::{Link, Words};
        assert_eq!(
            stretches("See\nhttp://localhost/c?t=a_b-1\nor javascript:x https://b"),
            [
                Words("See\n"),
                Link("http://localhost/c?t=a_b-1"),
                Words("\n"),
                Words("or "),
                Words("javascript:x "),
                Link("https://b")
            ]
        );
    }

    #[test]
    fn a_letter_is_shown_escaped() {
        let letter = LocalLetter {
            id: LetterId::new(),
            to: "a@b".to_owned(),
            subject: "<b>".to_owned(),
            text: "<script> https://x/\"><script>".to_owned(),
            html: String::new(),
            at: time::macros::datetime!(2026-01-02 03:04:05 UTC),
        };
        let shown = LetterPage { frame: Frame::default(), letter }.render().unwrap();
        assert!(!shown.contains("<script> ") && !shown.contains("<b>"));
        assert!(shown.contains("2026-01-02 03:04:05 UTC") && shown.contains("only on this machine"));
    }
}
