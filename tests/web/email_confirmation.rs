//! `/profile/email/confirm`: the answer to the letter, by which an address becomes somebody's.

use vestibule::accounts::{email_changes, notices};

use crate::support::{PASSWORD, Site, blind};

const CONFIRM: &str = "/profile/email/confirm";
const WRONG: &str = "This is not your current password.";

#[tokio::test]
async fn the_address_changes_when_its_letter_is_answered_and_the_old_one_is_told() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let page = ann.open("/profile/email").await;
    page.says("a change may confuse those users who have already noticed you");
    let page = ann.ask_for_email("ann@new.example").await;
    assert_eq!(page.is(303).header("location"), "/profile/email?because=letter");
    let page = ann.follow(page).await;
    page.says("A letter goes to the new address.");
    page.says("No more than 5 such letters a day go to one address.");
    assert!(page.text(".facts dd").contains("ann@new.example"));
    assert!(ann.open("/profile").await.words().contains("The change to ann@new.example waits"));
    let link = site.email_link("ann@new.example", 0).await;
    let page = ann.open(&link).await;
    page.says("become ann@new.example instead of ann@example.com");
    assert_eq!(site.addresses().await, ["(ann@example.com)"], "following the link changes nothing");
    assert!(!page.form(CONFIRM).has("current_password"));
    let page = ann.send(page.form(CONFIRM)).await;
    assert_eq!(page.path(), "/profile");
    page.says("Your email address is changed");
    assert!(page.text("header .here").contains("ann@new.example"));
    assert!(!page.words().contains("waits for the answer"));
    let notice = site.letter("ann@example.com", "Your email address was changed", 0).await;
    insta::assert_snapshot!(blind(&notice, &site));
    assert_eq!(site.visitor().log_in("ann@new.example").await.path(), "/profile");
    site.visitor().log_in("ann@example.com").await.is(422);
    let kinds = site.sql("select kind from activity where kind like 'email%' order by happened_at").await;
    assert_eq!(kinds, ["(email_change_asked)", "(email_changed)"]);
}

#[tokio::test]
async fn any_other_browser_needs_the_password_and_is_not_told_the_present_address() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    ann.ask_for_email("ann@new.example").await;
    let link = site.email_link("ann@new.example", 0).await;
    let mut phone = site.visitor();
    let page = phone.open(&link).await;
    page.does_not_say("ann@example.com");
    let form = page.form(CONFIRM);
    for (typed, words) in [("", "Enter your current password."), ("wrong", WRONG)] {
        let page = phone.submit(form.clone().fill("current_password", typed)).await;
        assert_eq!(page.is(422).complaints(), [("current_password".to_owned(), words.to_owned())]);
        assert_eq!(page.form(CONFIRM).value("current_password"), "");
        page.does_not_say("ann@example.com");
    }
    assert_eq!(site.addresses().await, ["(ann@example.com)"]);
    let page = phone.submit(form.fill("current_password", PASSWORD)).await;
    assert_eq!(page.is(303).header("location"), "/login?because=email-changed");
    assert_eq!(site.addresses().await, ["(ann@new.example)"]);
    assert!(!phone.cookies.contains_key("session"), "a password and a link are no log in");
}

#[tokio::test]
async fn whoever_owns_a_mistyped_address_cannot_take_the_account() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let mut owner = site.user_with("eve@example.com", "eve's own one").await;
    ann.ask_for_email("eve@other.example").await;
    let link = site.email_link("eve@other.example", 0).await;
    let page = owner.open(&link).await;
    page.says("It is another account than yours here.");
    let form = page.form(CONFIRM);
    for typed in ["", "eve's own one", "abcd-efgh-jkmn-pqrs"] {
        owner.submit(form.clone().fill("current_password", typed)).await.is(422);
    }
    for _ in 0..3 {
        site.visitor().open(&link).await.is(200);
    }
    let token = link.rsplit_once('=').expect("a token").1;
    site.visitor().post(CONFIRM, &format!("token={token}")).await.is(422);
    assert_eq!(site.addresses().await, ["(ann@example.com)", "(eve@example.com)"]);
}

#[tokio::test]
async fn passwords_on_the_confirming_form_are_slowed_like_any_other() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    ann.ask_for_email("ann@new.example").await;
    let link = site.email_link("ann@new.example", 0).await;
    let mut phone = site.visitor();
    let mut page = phone.open(&link).await;
    for _ in 0..10 {
        let form = page.form(CONFIRM);
        assert!(!form.has("captcha_id"));
        page = phone.submit(form.fill("current_password", "wrong")).await;
    }
    let page = phone.submit(page.form(CONFIRM).fill("current_password", PASSWORD)).await;
    assert_eq!(page.is(422).complaints()[0].0, "captcha_answer");
    let page = phone.submit(page.form(CONFIRM).press("new_captcha")).await;
    let form = phone.solve(page.is(200).form(CONFIRM)).await;
    phone.submit(form.fill("current_password", PASSWORD)).await.is(303);
    assert_eq!(site.addresses().await, ["(ann@new.example)"]);
}

#[tokio::test]
async fn an_address_that_somebody_took_meanwhile_is_not_had() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    ann.ask_for_email("new@example.com").await;
    let link = site.email_link("new@example.com", 0).await;
    let form = ann.open(&link).await.form(CONFIRM);
    let mut bob = site.user("bob@example.com").await;
    site.change_email(&mut bob, "new@example.com").await;
    for page in [ann.submit(form.clone()).await, ann.open(&link).await] {
        page.is(410).says("This address is no longer free");
        assert_eq!(page.attributes(".ways a", "href"), ["/profile", "/profile/email"]);
    }
    // Given up again, it is kept for who had it.
    site.change_email(&mut bob, "bob@new.example").await;
    ann.submit(form.clone()).await.is(410);
    assert_eq!(site.addresses().await, ["(ann@example.com)", "(bob@new.example)"]);
    site.all_settled().await;
    // When the undo has run out it is free, and Ann's own letter has run out as well.
    site.let_pass(notices::LIFETIME).await;
    ann.log_in("ann@example.com").await;
    ann.submit(form).await.is(404);
    site.change_email(&mut ann, "new@example.com").await;
}

#[tokio::test]
async fn whoever_gave_an_address_up_may_have_it_back() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    site.change_email(&mut ann, "ann@new.example").await;
    site.change_email(&mut ann, "ann@example.com").await;
    assert_eq!(site.addresses().await, ["(ann@example.com)"]);
}

#[tokio::test]
async fn two_users_who_confirm_one_address_at_once_do_not_both_get_it() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let mut bob = site.user("bob@example.com").await;
    ann.ask_for_email("new@example.com").await;
    let hers = site.email_link("new@example.com", 0).await;
    let before = site.sink.letters().len();
    bob.ask_for_email("new@example.com").await;
    let his = site.email_link("new@example.com", before).await;
    let (hers, his) = (ann.open(&hers).await.form(CONFIRM), bob.open(&his).await.form(CONFIRM));
    let (one, other) = tokio::join!(ann.submit(hers), bob.submit(his));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 410]);
    assert_eq!(site.count("users where email_key = 'new@example.com'").await, 1);
}

#[tokio::test]
async fn a_change_and_a_registration_that_are_confirmed_at_once_do_not_both_get_the_address() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    ann.ask_for_email("new@example.com").await;
    let hers = site.email_link("new@example.com", 0).await;
    let mut bob = site.visitor();
    bob.register("new@example.com", PASSWORD).await;
    let his = site.letter("new@example.com", "Confirm your registration", 0).await.link();
    let (hers, his) = (ann.open(&hers).await.form(CONFIRM), bob.open(&his).await.form("/confirm"));
    let (one, other) = tokio::join!(ann.submit(hers), bob.submit(his));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 410]);
    assert_eq!(site.count("users where email_key = 'new@example.com'").await, 1);
}

#[tokio::test]
async fn every_letter_stays_good_until_one_is_used_which_voids_all_others() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    ann.ask_for_email("new@example.com").await;
    let first = site.email_link("new@example.com", 0).await;
    let before = site.sink.letters().len();
    ann.ask_for_email("new@example.com").await;
    let second = site.email_link("new@example.com", before).await;
    ann.ask_for_email("ann@other.example").await;
    let other = site.email_link("ann@other.example", 0).await;
    site.visitor().recover("ann@example.com").await;
    site.letter("ann@example.com", "Your new password", 0).await;
    assert_eq!(ann.open("/profile/email").await.texts(".facts dd").len(), 2);
    let form = ann.open(&first).await.form(CONFIRM);
    ann.submit(form).await.is(303);
    for link in [first, second, other] {
        ann.open(&link).await.is(404);
    }
    assert_eq!(site.count("email_changes").await + site.count("generated_passwords").await, 0);
}

#[tokio::test]
async fn a_link_runs_out_after_seven_days_and_asking_again_does_not_revive_it() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    ann.ask_for_email("new@example.com").await;
    let link = site.email_link("new@example.com", 0).await;
    site.all_settled().await;
    ann.open(&link).await.is(200);
    site.let_pass(email_changes::LIFETIME).await;
    site.visitor().open(&link).await.is(404).says("waits 7 days");
    ann.log_in("ann@example.com").await;
    assert!(!ann.open("/profile/email").await.has(".facts"));
    let before = site.sink.letters().len();
    ann.ask_for_email("new@example.com").await;
    let new = site.email_link("new@example.com", before).await;
    ann.open(&link).await.is(404);
    ann.open(&new).await.is(200);
}

#[tokio::test]
async fn what_never_was_a_link_is_a_page_with_ways_on() {
    let site = Site::start().await;
    let never = "A".repeat(43);
    for token in ["", "abc", never.as_str()] {
        let page = site.visitor().open(&format!("{CONFIRM}?token={token}")).await;
        page.is(404).says("This link is not good");
        assert_eq!(page.attributes(".ways a", "href"), ["/profile", "/profile/email"]);
        site.visitor().post(CONFIRM, &format!("token={token}")).await.is(404);
    }
}

#[tokio::test]
async fn whoever_is_locked_or_being_deleted_changes_nothing_though_the_password_is_right() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    ann.ask_for_email("new@example.com").await;
    let link = site.email_link("new@example.com", 0).await;
    let mut phone = site.visitor();
    let form = phone.open(&link).await.form(CONFIRM);
    for (state, words) in [
        ("locked_at = now()", "You are locked out of this site."),
        ("locked_at = null, deletion_due_at = now() + interval '7 days'", "This account is being deleted."),
    ] {
        site.sql(&format!("update users set {state}")).await;
        phone.submit(form.clone().fill("current_password", "wrong")).await.is(422).says(WRONG);
        phone.submit(form.clone().fill("current_password", PASSWORD)).await.is(422).says(words);
    }
    assert_eq!(site.addresses().await, ["(ann@example.com)"]);
}

#[tokio::test]
async fn where_a_generated_password_must_be_changed_it_changes_no_address_first() {
    let mut site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    ann.ask_for_email("new@example.com").await;
    let link = site.email_link("new@example.com", 0).await;
    site.sql("update users set password_is_generated = true").await;
    site.restart_with(&[("GENERATED_PASSWORD_MUST_CHANGE", "true")]).await;
    ann.go_to_instance(site.address());
    let link = link.split_once("/profile").expect("a path").1;
    let link = format!("/profile{link}");
    assert_eq!(ann.get(&link).await.is(303).header("location"), "/profile/password");
    assert_eq!(ann.get("/profile/email").await.is(303).header("location"), "/profile/password");
    let mut phone = site.visitor();
    let form = phone.open(&link).await.form(CONFIRM).fill("current_password", PASSWORD);
    phone.submit(form).await.is(422).says("This password is a generated one.");
    assert_eq!(site.addresses().await, ["(ann@example.com)"]);
}
