//! The letters themselves, as they arrive.

use crate::support::{PASSWORD, Request, Site, blind};

#[tokio::test]
async fn the_letter_to_a_new_address() {
    let site = Site::start().await;
    site.visitor().register("ann@example.com", PASSWORD).await;
    let letter = site.sink.letter_to("ann@example.com").await;
    insta::assert_snapshot!(blind(&letter, &site));
}

#[tokio::test]
async fn the_letter_to_a_known_address() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    site.visitor().register("ann@example.com", PASSWORD).await;
    let letter = site.sink.letters_to("ann@example.com", 2).await.remove(1);
    insta::assert_snapshot!(blind(&letter, &site));
}

#[tokio::test]
async fn the_letter_with_a_generated_password() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    site.visitor().recover("ann@example.com").await;
    let letter = site.sink.letters_to("ann@example.com", 2).await.remove(1);
    insta::assert_snapshot!(blind(&letter, &site));
    assert!(letter.html().contains(&letter.password()));
}

#[tokio::test]
async fn the_letter_to_an_address_that_nobody_has() {
    let site = Site::start().await;
    site.visitor().recover("ann@example.com").await;
    let letter = site.sink.letter_to("ann@example.com").await;
    insta::assert_snapshot!(blind(&letter, &site));
}

#[tokio::test]
async fn both_parts_hold_the_same_link_and_nothing_comes_from_elsewhere() {
    let site = Site::start().await;
    site.visitor().register("ann@example.com", PASSWORD).await;
    let letter = site.sink.letter_to("ann@example.com").await;
    assert!(letter.html().contains(&letter.link()));
    let html = letter.html();
    assert!(!html.contains("src=") && !html.contains("url(") && !html.contains("<script"), "{html}");
}

#[tokio::test]
async fn links_begin_with_the_public_address_whatever_the_request_says() {
    let site = Site::with(&[("PUBLIC_URL", "https://accounts.example"), ("CAPTCHA", "off")]).await;
    let mut ann = site.visitor();
    let form = ann.registration_form("ann@example.com", PASSWORD).await.forge("region_id", "DE-BY");
    let headers = vec![
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ("sec-fetch-site", "same-origin".to_owned()),
        ("host", "evil.example".to_owned()),
        ("x-forwarded-host", "evil.example".to_owned()),
    ];
    let body = form.encoded().into_bytes();
    ann.request(Request { method: "POST", path: "/register".to_owned(), headers, body }).await.is(303);
    let letter = site.sink.letter_to("ann@example.com").await;
    assert!(letter.link().starts_with("https://accounts.example/confirm?token="), "{}", letter.link());
    assert!(!String::from_utf8_lossy(&letter.raw).contains("evil.example"));
}

#[tokio::test]
async fn its_headers_say_whose_it_is_and_that_a_machine_wrote_it() {
    let settings =
        [("MAIL_FROM", "Vestibule <hello@vestibule.example>"), ("MAIL_REPLY_TO", "help@vestibule.example")];
    let site = Site::with(&settings).await;
    site.visitor().register("ann@example.com", PASSWORD).await;
    let letter = site.sink.letter_to("ann@example.com").await;
    assert_eq!((letter.from.as_str(), letter.to.as_str()), ("hello@vestibule.example", "ann@example.com"));
    assert_eq!(letter.header("From"), "Vestibule <hello@vestibule.example>");
    assert_eq!(letter.header("Reply-To"), "help@vestibule.example");
    assert_eq!(letter.header("To"), "ann@example.com");
    assert_eq!(letter.header("Auto-Submitted"), "auto-generated");
    assert!(letter.header("Message-ID").ends_with("@localhost>"));
    assert!(!letter.header("Date").is_empty());
}
