//! `/auth/check`: who is logged in, for the reverse proxy.

use time::Duration;

use crate::support::{NEW_PASSWORD, PASSWORD, Page, Site, Visitor};

const CHECK: &str = "/auth/check";
const HEADERS: [&str; 4] = ["x-user-id", "x-account-id", "x-account-type", "x-counterpart-id"];

/// What the proxy passes on.
fn told(page: &Page) -> [&str; 4] {
    HEADERS.map(|name| page.header(name))
}

#[track_caller]
fn tells_nothing(page: &Page) {
    assert_eq!(told(page.is(401)), [""; 4]);
    assert_eq!((page.body.as_str(), page.header("cache-control")), ("", "no-store"));
}

#[tokio::test]
async fn it_tells_who_is_logged_in_and_as_which_account() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let (user, account) =
        (site.value("select id from users").await, site.value("select id from accounts").await);
    let page = ann.get(CHECK).await;
    assert_eq!(told(page.is(204)), [user.as_str(), &account, "artist", ""]);
    assert_eq!((page.body.as_str(), page.header("cache-control")), ("", "no-store"));
    site.give_customer_account("ann@example.com").await;
    let customer = site.value("select id from accounts where account_type = 'customer'").await;
    assert_eq!(told(&ann.get(CHECK).await), [user.as_str(), &account, "artist", &customer]);
    let form = ann.open("/profile").await.forms("/profile/accounts/switch").remove(0);
    ann.send(form).await;
    assert_eq!(told(&ann.get(CHECK).await), [user.as_str(), &customer, "customer", &account]);

    // What is being deleted is hidden at once.
    site.sql("update accounts set deletion_due_at = '2100-01-01' where account_type = 'artist'").await;
    assert_eq!(told(&ann.get(CHECK).await), [user.as_str(), &customer, "customer", ""]);
}

#[tokio::test]
async fn whoever_is_not_or_no_longer_logged_in_gets_401() {
    let site = Site::start().await;
    tells_nothing(&site.visitor().get(CHECK).await);
    let mut ann = site.user("ann@example.com").await;
    ann.log_out().await;
    tells_nothing(&ann.get(CHECK).await);

    ann.log_in("ann@example.com").await;
    ann.get(CHECK).await.is(204);
    site.sql("update users set locked_at = '2026-01-01'").await;
    tells_nothing(&ann.get(CHECK).await);
    site.sql("update users set locked_at = null").await;
    site.let_pass(Duration::hours(25)).await;
    tells_nothing(&ann.get(CHECK).await);
}

#[tokio::test]
async fn whoever_is_not_is_led_to_log_in_and_back_to_where_they_were_going() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    for (wanted, location) in [
        ("/market/a?b=1&c=%C3%A4", "/login?because=log-in-first&next=%2Fmarket%2Fa%3Fb%3D1%26c%3D%25C3%25A4"),
        ("//evil.example/", "/login?because=log-in-first"),
        ("https://evil.example/", "/login?because=log-in-first"),
    ] {
        let headers = vec![("x-forwarded-uri", wanted.to_owned())];
        let request =
            crate::support::Request { method: "GET", path: CHECK.to_owned(), headers, body: Vec::new() };
        assert_eq!(ann.request(request).await.is(401).header("location"), location);
    }
}

#[tokio::test]
async fn what_a_client_says_of_itself_is_not_repeated() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let forged = || HEADERS.map(|name| (name, "forged".to_owned())).to_vec();
    let ask = async |visitor: &mut Visitor| {
        let request = crate::support::Request {
            method: "GET",
            path: CHECK.to_owned(),
            headers: forged(),
            body: Vec::new(),
        };
        visitor.request(request).await
    };
    assert!(!told(ask(&mut ann).await.is(204)).contains(&"forged"));
    tells_nothing(&ask(&mut site.visitor()).await);
}

#[tokio::test]
async fn a_password_that_must_be_changed_opens_nothing_here() {
    let site = Site::with(&[("GENERATED_PASSWORD_MUST_CHANGE", "true")]).await;
    site.user("ann@example.com").await;
    site.visitor().recover("ann@example.com").await;
    let generated = site.letter("ann@example.com", NEW_PASSWORD, 0).await.password();
    let mut ann = site.visitor();
    ann.try_password("ann@example.com", &generated).await;
    let page = ann.get(CHECK).await;
    tells_nothing(&page);
    assert_eq!(page.header("location"), "/profile/password", "the log in page would only lead back");
    ann.change_password(&generated, PASSWORD).await;
    ann.get(CHECK).await.is(204);
}

#[tokio::test]
async fn it_writes_no_more_than_when_somebody_was_last_seen_once_a_minute() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let before = site.dump().await;
    for _ in 0..3 {
        ann.get(CHECK).await.is(204);
    }
    assert_eq!(site.dump().await, before);
    site.let_pass(Duration::minutes(2)).await;
    ann.get(CHECK).await.is(204);
    let seen = site.value("select last_seen_at from sessions").await;
    ann.get(CHECK).await.is(204);
    assert_eq!(site.value("select last_seen_at from sessions").await, seen);
    assert_ne!(site.dump().await, before);
}
