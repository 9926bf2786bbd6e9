//! `/profile/accounts`: which accounts somebody has, and how one that is being deleted is taken back.

use time::Duration;
use vestibule::accounts::deletion;

use crate::support::{Site, Visitor};

const PAGE: &str = "/profile/accounts";
const TAKE_BACK: &str = "/profile/accounts/take-back";

/// Somebody who is here as artist, and whose customer account is being deleted.
async fn user_who_loses_one(site: &Site) -> Visitor {
    let ann = site.user("ann@example.com").await;
    let due = site.clock.now() + deletion::GRACE;
    site.give_customer_account("ann@example.com").await;
    site.sql(&format!("update accounts set deletion_due_at = '{due}' where account_type = 'customer'")).await;
    ann
}

#[tokio::test]
async fn it_shows_each_account_and_which_one_i_am_here_as() {
    let site = Site::start().await;
    let mut ann = user_who_loses_one(&site).await;
    let page = ann.open(PAGE).await;
    assert_eq!(page.is(200).header("cache-control"), "no-store");
    assert_eq!(page.texts("main h2"), ["Your artist account", "Your customer account"]);
    let sections = page.texts("main section");
    assert!(
        sections[0].contains("Bavaria, Germany")
            && sections[0].contains("It is the one that you are here as.")
    );
    assert!(sections[1].contains("Saxony, Germany") && sections[1].contains("It is being deleted."));
    assert_eq!(page.texts("form button.main"), ["Take back"]);
}

#[tokio::test]
async fn nothing_is_said_of_what_is_not_there() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let page = ann.open(PAGE).await;
    let titles = ["Your artist account", "Add a customer account", "Link a customer account that you have"];
    assert_eq!(page.texts("main h2"), titles);
    assert!(!page.has(&format!("form[action='{TAKE_BACK}']")));
    let page = site.visitor().get(PAGE).await;
    assert_eq!(page.is(303).header("location"), "/login?because=log-in-first&next=%2Fprofile%2Faccounts");
}

#[tokio::test]
async fn the_button_takes_a_deletion_back_once() {
    let site = Site::start().await;
    let mut ann = user_who_loses_one(&site).await;
    let form = ann.open(PAGE).await.form(TAKE_BACK);
    for _ in 0..2 {
        let page = ann.send(form.clone()).await;
        assert_eq!(page.address, "/profile/accounts?because=taken-back");
        page.says("The account stays, and is shown again.");
        assert!(!page.has(&format!("main form[action='{TAKE_BACK}']")));
    }
    assert_eq!(site.count("accounts where deletion_due_at is null").await, 2);
    assert_eq!(site.count("activity where kind = 'account_deletion_taken_back'").await, 1);
    ann.open("/profile/activity").await.says("The deletion of your customer account was taken back.");
}

#[tokio::test]
async fn what_is_gone_is_not_said_to_be_taken_back() {
    let site = Site::start().await;
    let mut ann = user_who_loses_one(&site).await;
    let form = ann.open(PAGE).await.form(TAKE_BACK);
    site.clock.advance(deletion::GRACE + Duration::minutes(1));
    assert_eq!(site.purge_deletions().await, 1);
    ann.log_in("ann@example.com").await;
    let page = ann.send(form).await;
    assert_eq!(page.address, PAGE);
    assert_eq!(page.texts("main h2")[0], "Your artist account");
    assert!(!page.has(&format!("form[action='{TAKE_BACK}']")));
}

#[tokio::test]
async fn an_old_tab_takes_nothing_back_for_somebody_else() {
    let site = Site::start().await;
    let mut ann = user_who_loses_one(&site).await;
    site.user("bob@example.com").await;
    let form = ann.open(PAGE).await.form(TAKE_BACK);
    ann.log_out().await;
    let page = ann.submit(form.clone()).await;
    let to_page = "/login?because=nothing-saved&next=%2Fprofile%2Faccounts%2Ftake-back";
    assert_eq!(page.is(303).header("location"), to_page);
    ann.log_in("bob@example.com").await;
    ann.submit(form).await.is(409);
    assert_eq!(ann.open(TAKE_BACK).await.path(), PAGE);
    assert_eq!(site.count("accounts where deletion_due_at is not null").await, 1);
}
