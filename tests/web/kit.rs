//! What all pages share: their headers, the page of errors, the static files, and the check that a
//! form came from here.

use crate::support::{PASSWORD, Request, Site};

#[tokio::test]
async fn the_whole_way_from_registration_to_log_out_and_in_again() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let page = ann.open("/").await;
    assert!(page.has("main a[href='/register']") && page.has("main a[href='/login']"));
    ann.register("ann@example.com", PASSWORD).await;
    let link = site.sink.letter_to("ann@example.com").await.link();
    let page = ann.confirm(&link).await;
    page.says("Bavaria, Germany");
    let page = ann.log_out().await;
    page.says("You are logged out.");
    let page = ann.log_in("ann@example.com").await;
    assert_eq!(page.path(), "/profile");
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_protect_it() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    for path in [
        "/",
        "/help",
        "/login",
        "/register",
        "/register/letter",
        "/confirm?token=x",
        "/profile",
        "/nothing",
        "/regions?q=a",
        "/healthz",
    ] {
        let page = ann.get(path).await;
        let policy = page.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(page.header("referrer-policy"), "same-origin", "{path}");
        assert!(!page.header("x-request-id").is_empty(), "{path}");
        if !path.starts_with("/regions") {
            assert_eq!(page.header("cache-control"), "no-store", "{path}");
        }
        assert_eq!(page.header("strict-transport-security"), "", "{path}");
    }
    let site = Site::with(&[("PUBLIC_URL", "https://accounts.example")]).await;
    assert!(site.visitor().get("/").await.header("strict-transport-security").starts_with("max-age="));
}

#[tokio::test]
async fn pages_hold_no_script_or_style_of_their_own() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    for path in ["/help", "/register", "/register/letter", "/profile", "/nothing"] {
        let page = ann.open(path).await;
        assert!(!page.has("style") && !page.has("[style]") && !page.has("script:not([src])"), "{path}");
        assert!(!page.body.contains(" onclick=") && !page.body.contains("javascript:"), "{path}");
        assert_eq!(page.attribute("html", "lang"), "en");
    }
}

#[tokio::test]
async fn a_page_that_is_not_there_says_so_with_its_number_and_a_way_back() {
    let site = Site::start().await;
    let page = site.visitor().open("/nothing/here").await;
    page.is(404).says("There is no such page");
    assert_eq!(page.text("main code"), page.header("x-request-id"));
    assert!(page.has("main a[href='/']"));
}

#[tokio::test]
async fn who_is_logged_in_is_named_on_it_and_can_log_out() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let page = ann.open("/nothing/here").await;
    assert!(page.is(404).text("header .here").contains("ann@example.com"));
    assert_eq!(ann.send(page.form("/logout")).await.path(), "/login");
}

#[tokio::test]
async fn what_is_sent_to_a_page_that_is_not_there_must_come_from_here_too() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let headers = vec![("origin", "https://evil.example".to_owned())];
    let foreign = Request { method: "POST", path: "/nothing".to_owned(), headers, body: Vec::new() };
    ann.request(foreign).await.is(403).says("Nothing was changed.");
    ann.post("/nothing", "").await.is(404).says("There is no such page");
}

#[tokio::test]
async fn static_files_are_kept_for_ever_under_their_hash() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let page = ann.open("/register").await;
    let mut files = page.attributes("link, script[src]", "href");
    files.extend(page.attributes("script[src]", "src"));
    assert!(files.len() >= 6, "{files:?}");
    for file in files {
        let answer = ann.get(&file).await;
        assert_eq!(answer.is(200).header("cache-control"), "public, max-age=31536000, immutable");
        assert!(answer.set_cookies().is_empty());
        let zipped = Request {
            method: "GET",
            path: file.clone(),
            headers: vec![("accept-encoding", "gzip, br".to_owned())],
            body: Vec::new(),
        };
        assert_eq!(ann.request(zipped).await.is(200).header("content-encoding"), "gzip");
    }
    ann.get("/static/style.css").await.is(404);
}

#[tokio::test]
async fn only_a_page_of_ours_can_change_something() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let form = ("content-type", "application/x-www-form-urlencoded".to_owned());
    let foreign: [Vec<(&'static str, String)>; 6] = [
        vec![],
        vec![("sec-fetch-site", "cross-site".to_owned()), ("origin", site.url())],
        vec![("sec-fetch-site", "same-site".to_owned())],
        vec![("sec-fetch-site", "none".to_owned())],
        vec![("origin", "https://evil.example".to_owned())],
        vec![("origin", "null".to_owned())],
    ];
    for headers in foreign {
        for path in ["/login", "/logout", "/register", "/confirm"] {
            let headers = headers.iter().cloned().chain([form.clone()]).collect();
            let body = b"email=ann%40example.com&password=green+Elephant+7".to_vec();
            let page = ann.request(Request { method: "POST", path: path.to_owned(), headers, body }).await;
            page.is(403).says("Nothing was changed.");
            assert!(page.set_cookies().iter().all(|cookie| !cookie.starts_with("session=")));
        }
    }
    assert_eq!(ann.open("/profile").await.path(), "/profile", "nobody was logged out");
    let headers = vec![("origin", site.url()), form];
    let body = Vec::new();
    let own = Request { method: "POST", path: "/logout".to_owned(), headers, body };
    ann.request(own).await.is(303);
}

#[tokio::test]
async fn health_is_told_to_whoever_asks_and_numbers_only_at_their_own_door() {
    let site = Site::with(&[("METRICS_LISTEN", "127.0.0.1:0")]).await;
    let mut ann = site.visitor();
    assert_eq!(ann.get("/healthz").await.is(200).body, "alive\n");
    assert_eq!(ann.get("/readyz").await.is(200).body, "ready\n");
    ann.get("/metrics").await.is(404);
    ann.try_password("ann@example.com", "wrong").await;
    ann.go_to_instance(site.metrics_address());
    let numbers = ann.get("/metrics").await;
    assert!(numbers.is(200).body.contains("/login"), "{}", numbers.body);
    for line in
        ["vestibule_database_up 1", "vestibule_pool_wait_seconds 0.", "vestibule_letters_overdue_seconds "]
    {
        assert!(numbers.body.contains(line), "{line}: {}", numbers.body);
    }
    assert!(!numbers.body.contains("ann@example.com"));
}

#[tokio::test]
async fn a_proxy_that_is_not_trusted_is_not_believed() {
    let site = Site::with(&[("TRUSTED_PROXIES", "")]).await;
    for guessed in 0..50 {
        let mut stranger = site.visitor().at(&format!("192.0.2.{guessed}"));
        stranger.post("/login", &format!("email=a{guessed}%40example.com&password=wrong")).await.is(422);
    }
    let mut stranger = site.visitor().at("192.0.2.200");
    stranger.post("/login", "email=b%40example.com&password=wrong").await.is(429);
}
