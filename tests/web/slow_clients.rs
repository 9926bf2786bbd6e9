//! Who brings a request octet by octet, to hold connections: the server closes them in the end.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{sleep, timeout},
};
use vestibule::server::Patience;

use crate::support::{PATIENCE, Site, say};

/// Between two octets, which are far fewer before the server's patience ends than a head or a body may have.
const PAUSE: Duration = Duration::from_millis(20);

/// What the server says until it has closed the connection of who begins with `start` and goes on octet by
/// octet.
async fn answer_to_dribble(site: &Site, start: &str) -> String {
    let mut connection = say(site.address(), start).await;
    let (mut from_server, mut to_server) = connection.split();
    let dribble = async {
        while to_server.write_all(b"a").await.is_ok() {
            sleep(PAUSE).await;
        }
    };
    let mut answer = Vec::new();
    // An octet that meets the closed connection breaks it off after the answer.
    let closed = async { tokio::join!(dribble, from_server.read_to_end(&mut answer)) };
    let _ = timeout(PATIENCE, closed).await.expect("the server was to close the connection");
    String::from_utf8(answer).expect("an answer in UTF-8")
}

#[tokio::test]
async fn a_head_that_does_not_end_costs_the_connection() {
    let head = Duration::from_millis(500);
    let site = Site::with_patience(&[], Patience { head, ..Patience::default() }).await;
    for start in ["G", "GET /login HTTP/1.1\r\nhost: localhost\r\ncookie: "] {
        let answer = answer_to_dribble(&site, start).await;
        assert_eq!(answer, "");
    }
    // One request that was answered buys the next no more time.
    let next = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\nGET /healthz HTTP/1.1\r\nx: ";
    let answer = answer_to_dribble(&site, next).await;
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 1, "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_end_is_answered_and_costs_the_connection() {
    let request = Duration::from_millis(500);
    let site = Site::with_patience(&[], Patience { request, ..Patience::default() }).await;
    for form in ["/login", "/support"] {
        let head = format!(
            "POST {form} HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: same-origin\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: 16000\r\n\r\nemail="
        );
        let answer = answer_to_dribble(&site, &head).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{form}: {answer}");
        assert!(answer.contains("The site is not able to answer just now"), "{form}: {answer}");
    }
}
