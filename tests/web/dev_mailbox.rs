//! `/dev/mailbox`: on one's own machine, and nowhere else.

use crate::support::{PASSWORD, Page, Request, Site, Visitor, ask, until};

async fn site() -> Site {
    Site::with(&[("SMTP_URL", "")]).await
}

/// The newest letter, once it is there.
async fn newest(visitor: &mut Visitor) -> Page {
    let letter = until("a letter in the mailbox", async || {
        let page = visitor.open("/dev/mailbox").await;
        page.attributes(".letters a", "href").into_iter().next()
    })
    .await;
    visitor.open(&letter).await
}

#[tokio::test]
async fn a_letter_lies_there_and_its_link_works() {
    let site = site().await;
    let mut ann = site.visitor();
    ann.open("/dev/mailbox").await.says("No letters yet.");
    ann.register("ann@example.com", PASSWORD).await;
    let page = newest(&mut ann).await;
    page.says("This page exists only on this machine.");
    page.says("ann@example.com");
    let link = page.attribute("pre a", "href");
    assert_eq!(ann.confirm(&link).await.path(), "/profile");

    let html = ann.open(&page.attribute("a[href$='/html']", "href")).await;
    assert!(html.body.contains("Confirm the registration"));
    assert!(html.header("content-security-policy").starts_with("sandbox; default-src 'none'"));
}

#[tokio::test]
async fn what_came_by_a_proxy_or_names_another_host_finds_nothing() {
    let site = site().await;
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    let letter = newest(&mut ann).await.address;
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "localhost"),
        ("forwarded", "for=127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("x-anything", "1"),
        ("via", "1.1 proxy"),
        ("host", "evil.example"),
        ("host", "localhost.evil.example"),
    ] {
        for path in ["/dev/mailbox".to_owned(), letter.clone(), format!("{letter}/html")] {
            let headers = vec![(name, value.to_owned())];
            let page = ann.request(Request { method: "GET", path, headers, body: Vec::new() }).await;
            page.is(404).does_not_say("ann@example.com");
        }
    }
}

#[tokio::test]
async fn what_is_asked_for_as_only_proxies_do_is_not_found() {
    let site = site().await;
    for (line, status) in [
        ("GET /dev/mailbox HTTP/1.1", "200"),
        ("GET /dev/mailbox HTTP/1.0", "404"),
        ("GET http://localhost/dev/mailbox HTTP/1.1", "404"),
    ] {
        let answer =
            ask(site.address(), &format!("{line}\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{line}: {answer}");
    }
}

#[tokio::test]
async fn with_a_mail_service_there_is_no_such_page() {
    let site = Site::start().await;
    site.visitor().open("/dev/mailbox").await.is(404);
}

#[tokio::test]
async fn what_is_no_letter_is_not_found() {
    let site = site().await;
    for path in [
        "/dev/mailbox/x",
        "/dev/mailbox/..%2f..%2fpostgres",
        "/dev/mailbox/00000000-0000-0000-0000-000000000000/html",
    ] {
        site.visitor().open(path).await.is(404);
    }
}
