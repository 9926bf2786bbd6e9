//! `/profile`: what the account shows, to its owner alone.

use crate::support::Site;

#[tokio::test]
async fn it_shows_the_account_to_its_owner_and_is_kept_by_nobody() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let page = ann.open("/profile").await;
    page.is(200).says("Your artist account");
    assert!(page.texts(".facts dd").iter().any(|text| text == "Bavaria, Germany"));
    page.says("ann@example.com");
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(page.text("header .here").contains("artist"));
}

#[tokio::test]
async fn whoever_is_not_logged_in_logs_in_first() {
    let site = Site::start().await;
    let page = site.visitor().get("/profile").await;
    assert_eq!(page.is(303).header("location"), "/login?because=log-in-first&next=%2Fprofile");
}

#[tokio::test]
async fn what_somebody_is_called_is_shown_as_text() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    site.sql("update accounts set display_name = '<script>alert(1)</script>', phone = '+49 1&2'").await;
    let page = ann.open("/profile").await;
    page.says("<script>alert(1)</script>");
    page.says("+49 1&2");
    page.does_not_say("<script>alert");
}
