//! `/not-me`: “This was not me”, the answer to a notice.

use time::Duration;
use vestibule::accounts::notices;

use crate::support::{NEW_PASSWORD, PASSWORD, Site, THIEFS_PASSWORD};

const ADDRESS_NOTICE: &str = "Your email address was changed";
const PASSWORD_NOTICE: &str = "Your password was changed";
const DELETION_NOTICE: &str = "All your data here are to be deleted";
const ACCOUNT_DELETION_NOTICE: &str = "Your artist account is to be deleted";

#[tokio::test]
async fn it_shows_what_happened_and_following_the_link_does_nothing() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    site.thief_with_password_of("ann@example.com").await;
    let link = site.notice("ann@example.com", PASSWORD_NOTICE).await;
    for _ in 0..3 {
        let page = ann.open(&link).await;
        let facts = page.is(200).texts(".facts dd");
        assert_eq!(facts[0], PASSWORD_NOTICE);
        assert_eq!(facts[2..], ["Firefox on Windows, 192.0.2.66", "ann@example.com"]);
        assert!(!page.form("/not-me").has("password"));
        assert!(!page.words().contains("which has another address by now"));
    }
    let page = site.visitor().try_password("ann@example.com", THIEFS_PASSWORD).await;
    assert_eq!(page.path(), "/profile");
}

#[tokio::test]
async fn the_button_shuts_everybody_out_and_sends_a_new_password() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let mut thief = site.thief_with_password_of("ann@example.com").await;
    let link = site.notice("ann@example.com", PASSWORD_NOTICE).await;
    thief.ask_for_email_with("thief@evil.example", THIEFS_PASSWORD).await.is(303);
    let pending = site.email_link("thief@evil.example", 0).await;
    site.visitor().recover("ann@example.com").await;
    let recovered = site.letter("ann@example.com", NEW_PASSWORD, 0).await.password();
    let before = site.sink.letters().len();
    ann.press_not_me(&link, "").await.is_disowned();
    site.letter("ann@example.com", NEW_PASSWORD, before).await;
    thief.open(&pending).await.is(404);
    assert_eq!(thief.open("/profile").await.path(), "/login");
    site.is_the_owners_again("ann@example.com", &[PASSWORD, THIEFS_PASSWORD, &recovered]).await;
    assert_eq!(site.count("activity where kind = 'disowned_by_notice'").await, 1);
    ann.open(&link).await.is(404);
}

#[tokio::test]
async fn a_deletion_alone_is_taken_back_by_the_button() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    site.thief_of("ann@example.com").await.ask_for_deletion().await.is(303);
    let link = site.notice("ann@example.com", DELETION_NOTICE).await;
    site.visitor().press_not_me(&link, "").await.is_disowned();
    assert_eq!(site.count("users where deletion_due_at is null").await, 1);
    site.is_the_owners_again("ann@example.com", &[PASSWORD]).await;
}

#[tokio::test]
async fn so_is_the_deletion_of_one_account() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    site.give_customer_account("ann@example.com").await;
    let mut thief = site.thief_of("ann@example.com").await;
    let form = thief.open("/profile/delete").await.form("/profile/delete").choose("scope", "account");
    thief.submit(form.fill("current_password", PASSWORD)).await.is(303);
    assert_eq!(site.count("accounts where deletion_due_at is not null").await, 1);
    let link = site.notice("ann@example.com", ACCOUNT_DELETION_NOTICE).await;
    site.visitor().press_not_me(&link, "").await.is_disowned();
    assert_eq!(site.count("accounts where deletion_due_at is null").await, 2);
    assert_eq!(site.count("activity where kind = 'account_deletion_taken_back'").await, 1);
    assert_eq!(thief.open("/profile").await.path(), "/login");
    site.is_the_owners_again("ann@example.com", &[PASSWORD]).await;
}

#[tokio::test]
async fn a_stranger_with_a_stolen_link_gets_nothing() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    site.change_email(&mut ann, "ann@new.example").await;
    let link = site.notice("ann@example.com", ADDRESS_NOTICE).await;
    let mut stranger = site.user_with("eve@example.com", "eve's own one").await;
    for typed in ["", "eve's own one", "abcd-efgh-jkmn-pqrs"] {
        stranger.press_not_me(&link, typed).await.is(422);
    }
    let token = link.rsplit_once('=').expect("a token").1;
    stranger.post("/not-me", &format!("token={token}")).await.is(422);
    assert_eq!(ann.open("/profile").await.path(), "/profile");
    // Where the button needs no password, all that it brings goes to the address of the notice.
    ann.change_password(PASSWORD, "another one").await;
    let link = site.notice("ann@new.example", PASSWORD_NOTICE).await;
    stranger.press_not_me(&link, "").await.is_disowned();
    assert_eq!(stranger.open("/profile").await.path(), "/profile", "their own session stays");
    site.letter("ann@new.example", NEW_PASSWORD, 0).await;
    assert_eq!(site.count("letters where kind = 'generated_password'").await, 1);
}

#[tokio::test]
async fn it_is_done_once_however_often_the_form_is_sent() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    site.thief_with_password_of("ann@example.com").await;
    let link = site.notice("ann@example.com", PASSWORD_NOTICE).await;
    let mut ann = site.visitor();
    let form = ann.open(&link).await.form("/not-me");
    let mut again = ann.clone();
    let (one, other) = tokio::join!(ann.submit(form.clone()), again.submit(form.clone()));
    for page in [one, other, ann.submit(form.clone()).await] {
        page.is_disowned();
    }
    assert_eq!(site.count("letters where kind = 'generated_password'").await, 1);
    ann.open(&link).await.is(404);
    site.let_pass(Duration::minutes(15)).await;
    ann.submit(form).await.is(404);
}

#[tokio::test]
async fn two_notices_that_are_answered_at_once_are_one_after_the_other() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut thief = site.thief_with_password_of("ann@example.com").await;
    let form = thief.open("/profile/delete").await.form("/profile/delete");
    thief.submit(form.fill("current_password", THIEFS_PASSWORD)).await.is(303);
    let earlier = site.notice("ann@example.com", PASSWORD_NOTICE).await;
    let later = site.notice("ann@example.com", DELETION_NOTICE).await;
    let (mut ann, mut other) = (site.visitor(), site.visitor());
    let (one, two) = tokio::join!(ann.press_not_me(&earlier, ""), other.press_not_me(&later, ""));
    one.is_disowned();
    assert!([303, 404].contains(&two.status.as_u16()), "{}", two.status);
    assert_eq!(site.count("notices").await, 0);
}

#[tokio::test]
async fn a_dead_link_is_a_page_with_ways_on() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    site.thief_with_password_of("ann@example.com").await;
    let link = site.notice("ann@example.com", PASSWORD_NOTICE).await;
    let form = site.visitor().open(&link).await.form("/not-me");
    site.let_pass(notices::LIFETIME).await;
    let never = format!("/not-me?token={}", "A".repeat(43));
    for link in [link.as_str(), "/not-me", "/not-me?token=abc", &never] {
        let page = site.visitor().open(link).await;
        page.is(404).says("a notice can be answered for 7 days");
        assert_eq!(page.attributes(".ways a", "href"), ["/recover", "/support"]);
    }
    site.visitor().submit(form).await.is(404);
    site.visitor().post("/not-me", "token=").await.is(404);
    site.visitor().post("/not-me", "token=a%00").await.is(400);
}
