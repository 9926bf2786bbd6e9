//! `/not-me` where the address was changed: the undo, and what thieves try against it.

use time::Duration;
use vestibule::accounts::{deletion, notices};

use crate::support::{NEW_PASSWORD, PASSWORD, Site, THIEFS_PASSWORD};

const ADDRESS_NOTICE: &str = "Your email address was changed";
const PASSWORD_NOTICE: &str = "Your password was changed";
const DELETION_NOTICE: &str = "All your data here are to be deleted";
const WRONG: &str = "This is not the password that the account had just before.";

#[tokio::test]
async fn a_change_of_address_is_undone_by_the_password_that_held_before() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut thief = site.thief_of("ann@example.com").await;
    site.change_email(&mut thief, "thief@example.com").await;
    let link = site.notice("ann@example.com", ADDRESS_NOTICE).await;
    let mut ann = site.visitor();
    let page = ann.open(&link).await;
    page.says("gets ann@example.com back");
    page.does_not_say("thief@example.com");
    let form = page.form("/not-me");
    let page = ann.submit(form.clone()).await;
    assert_eq!(page.is(422).complaints(), [("password".to_owned(), "Enter the password.".to_owned())]);
    let page = ann.submit(form.clone().fill("password", "NOT THE ONE")).await;
    assert_eq!(page.is(422).complaints()[0].0, "password");
    page.says(WRONG);
    page.says("use the earliest notice that you got");
    page.says("look whether Caps Lock is on");
    page.does_not_say("NOT THE ONE");
    let letters = site.count("letters").await;
    ann.submit(form.fill("password", PASSWORD)).await.is_disowned();
    assert_eq!(site.count("letters").await, letters + 2, "a new password, and a word to the other address");
    let left = site.letter("thief@example.com", "This address is no longer in use here", 0).await;
    assert!(!left.text().contains("token="), "{}", left.text());
    assert_eq!(site.sql("select email from users").await, ["(ann@example.com)"]);
    assert_eq!(site.count("notices").await, 0);
    assert_eq!(site.count("activity where kind = 'email_change_undone'").await, 1);
    assert_eq!(thief.open("/profile").await.path(), "/login");
    site.is_the_owners_again("ann@example.com", &[PASSWORD]).await;
}

#[tokio::test]
async fn where_the_thief_changed_the_password_first_the_earliest_notice_helps() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut thief = site.thief_with_password_of("ann@example.com").await;
    site.change_email_with(&mut thief, "thief@example.com", THIEFS_PASSWORD).await;
    let later = site.notice("ann@example.com", ADDRESS_NOTICE).await;
    let mut ann = site.visitor();
    let page = ann.press_not_me(&later, PASSWORD).await;
    page.is(422).says("use the earliest notice that you got");
    let earliest = site.notice("ann@example.com", PASSWORD_NOTICE).await;
    ann.open(&earliest).await.says("gets ann@example.com back");
    ann.press_not_me(&earliest, PASSWORD).await.is_disowned();
    ann.open(&later).await.is(404);
    site.is_the_owners_again("ann@example.com", &[PASSWORD, THIEFS_PASSWORD]).await;
}

#[tokio::test]
async fn two_changes_are_undone_at_once_and_nothing_of_the_thiefs_works_afterwards() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut thief = site.thief_of("ann@example.com").await;
    site.change_email(&mut thief, "b@example.com").await;
    site.change_email(&mut thief, "c@example.com").await;
    thief.ask_for_email("d@example.com").await.is(303);
    let pending = site.email_link("d@example.com", 0).await;
    let pressed = thief.open(&pending).await.form("/profile/email/confirm");
    site.visitor().recover("c@example.com").await;
    let mailed = site.letter("c@example.com", NEW_PASSWORD, 0).await.password();
    let theirs = site.notice("b@example.com", ADDRESS_NOTICE).await;
    let hers = site.notice("ann@example.com", ADDRESS_NOTICE).await;
    let their_form = thief.open(&theirs).await.form("/not-me").fill("password", PASSWORD);
    site.visitor().press_not_me(&hers, PASSWORD).await.is_disowned();
    thief.submit(their_form).await.is(404);
    thief.open(&theirs).await.is(404);
    thief.submit(pressed).await.is(404);
    thief.open(&pending).await.is(404);
    assert_eq!(thief.open("/profile").await.path(), "/login");
    for address in ["ann@example.com", "b@example.com", "c@example.com"] {
        thief.try_password(address, &mailed).await.is(422);
        thief.try_password(address, PASSWORD).await.is(422);
    }
    assert_eq!(site.sql("select email from users").await, ["(ann@example.com)"]);
    site.is_the_owners_again("ann@example.com", &[PASSWORD]).await;
    // What the thief's changes had reserved is free.
    let (mut bob, before) = (site.visitor(), site.sink.letters().len());
    bob.register("b@example.com", PASSWORD).await;
    let his = site.letter("b@example.com", "Confirm your registration", before).await.link();
    assert_eq!(bob.confirm(&his).await.path(), "/profile");
}

#[tokio::test]
async fn a_letter_of_recovery_to_the_thief_that_has_not_left_yet_brings_nothing() {
    let site = Site::with(&[("MAIL_WORKERS", "1")]).await;
    site.user("ann@example.com").await;
    let mut thief = site.thief_of("ann@example.com").await;
    site.change_email(&mut thief, "thief@example.com").await;
    let hers = site.notice("ann@example.com", ADDRESS_NOTICE).await;
    let to_thief = || {
        let letters = site.sink.letters();
        letters.iter().filter(|l| l.to == "thief@example.com" && l.subject() == NEW_PASSWORD).count()
    };
    site.hold_letters_up().await;
    site.visitor().recover("thief@example.com").await;
    assert_eq!(site.count("letters where kind = 'generated_password' and state = 'queued'").await, 1);
    site.visitor().press_not_me(&hers, PASSWORD).await.is_disowned();
    site.let_letters_go().await;
    assert_eq!(to_thief(), 0);
    site.is_the_owners_again("ann@example.com", &[PASSWORD]).await;
}

#[tokio::test]
async fn an_address_that_is_given_back_by_hand_leaves_nobody_an_undo_who_had_it_in_between() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut thief = site.thief_of("ann@example.com").await;
    site.change_email(&mut thief, "b@example.com").await;
    // Who gets the letters of b@example.com may say that a change of the password was not them.
    assert_eq!(thief.change_password(PASSWORD, THIEFS_PASSWORD).await.path(), "/profile");
    let theirs = site.notice("b@example.com", PASSWORD_NOTICE).await;
    thief.open(&theirs).await.is(200);
    site.change_email_with(&mut thief, "ann@example.com", THIEFS_PASSWORD).await;
    let left = site.letter("b@example.com", "This address is no longer in use here", 0).await;
    assert!(!left.text().contains("token="), "{}", left.text());
    thief.open(&theirs).await.is(404);
    assert_eq!(site.count("notices where email = 'b@example.com'").await, 0);
    let hers = site.notice("ann@example.com", ADDRESS_NOTICE).await;
    let mut ann = site.visitor();
    assert!(!ann.open(&hers).await.form("/not-me").has("password"), "the account has her address");
    ann.press_not_me(&hers, "").await.is_disowned();
    site.is_the_owners_again("ann@example.com", &[PASSWORD, THIEFS_PASSWORD]).await;
}

#[tokio::test]
async fn an_address_that_was_given_up_is_reserved_until_its_undo_has_run_out() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    site.change_email(&mut ann, "ann@new.example").await;
    let undo = site.notice("ann@example.com", ADDRESS_NOTICE).await;
    // Anybody who registers gets a letter that says so, and no link.
    let mut bob = site.visitor();
    bob.register("ann@example.com", PASSWORD).await;
    let told = site.letter("ann@example.com", "This address is not free yet", 0).await;
    assert!(told.text().contains("kept for them until "), "{}", told.text());
    assert!(told.link().ends_with("/help/registration"));
    // Another user cannot have it either.
    let mut eve = site.user("eve@example.com").await;
    eve.ask_for_email("ann@example.com").await.is(303);
    site.all_settled().await;
    assert_eq!(site.count("email_change_tokens").await, 0);
    // Recovery finds nobody there.
    let before = site.sink.letters().len();
    site.visitor().recover("ann@example.com").await;
    site.letter("ann@example.com", "This address is not free yet", before).await;
    assert_eq!(site.count("generated_passwords").await, 0);
    site.all_settled().await;
    site.let_pass(notices::LIFETIME).await;
    bob.open(&undo).await.is(404);
    let before = site.sink.letters().len();
    bob.register("ann@example.com", PASSWORD).await;
    let link = site.letter("ann@example.com", "Confirm your registration", before).await.link();
    assert_eq!(bob.confirm(&link).await.path(), "/profile");
}

#[tokio::test]
async fn a_registration_from_before_does_not_become_a_user_of_a_reserved_address() {
    let site = Site::start().await;
    let mut bob = site.visitor();
    bob.register("ann@example.com", PASSWORD).await;
    let his = site.letter("ann@example.com", "Confirm your registration", 0).await.link();
    let form = bob.open(&his).await.form("/confirm");
    let mut ann = site.user("old@example.com").await;
    site.change_email(&mut ann, "ann@example.com").await;
    site.change_email(&mut ann, "ann@new.example").await;
    bob.submit(form).await.is(410);
    bob.open(&his).await.is(410);
    assert_eq!(site.count("users").await, 1);
}

#[tokio::test]
async fn a_deletion_by_the_thief_is_taken_back_by_the_undo_and_waits_for_it() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut thief = site.thief_of("ann@example.com").await;
    thief.ask_for_deletion().await.is(303);
    thief.log_in("ann@example.com").await;
    site.change_email(&mut thief, "thief@example.com").await;
    thief.ask_for_deletion().await.is(303);
    site.all_settled().await;
    // The grace is over before the undo is: as if the deletion had been asked for earlier.
    site.let_pass(deletion::GRACE - Duration::minutes(5)).await;
    site.sql("update users set deletion_due_at = deletion_due_at - interval '1 hour'").await;
    assert_eq!(site.purge_deletions().await, 0);
    let hers = site.notice("ann@example.com", ADDRESS_NOTICE).await;
    site.visitor().press_not_me(&hers, PASSWORD).await.is_disowned();
    assert_eq!(site.count("users where deletion_due_at is null").await, 1);
    assert_eq!(site.count("activity where kind = 'deletion_taken_back'").await, 2);
    assert_eq!(site.purge_deletions().await, 0);
    site.is_the_owners_again("ann@example.com", &[PASSWORD]).await;
}

#[tokio::test]
async fn a_deletion_that_nobody_takes_back_is_done_when_the_undo_has_run_out() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    ann.ask_for_deletion().await.is(303);
    ann.log_in("ann@example.com").await;
    site.let_pass(Duration::days(1)).await;
    ann.log_in("ann@example.com").await;
    site.change_email(&mut ann, "ann@new.example").await;
    site.all_settled().await;
    ann.ask_for_deletion().await.is(303);
    site.sql("update users set deletion_due_at = deletion_due_at - interval '1 day'").await;
    site.all_settled().await;
    let hers = site.notice("ann@example.com", ADDRESS_NOTICE).await;
    site.let_pass(Duration::days(6) + Duration::hours(1)).await;
    assert_eq!(site.purge_deletions().await, 0);
    site.let_pass(Duration::days(1)).await;
    assert_eq!(site.purge_deletions().await, 1);
    ann.open(&hers).await.is(404);
}

#[tokio::test]
async fn a_change_that_is_confirmed_while_it_is_undone_does_not_stay() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut thief = site.thief_of("ann@example.com").await;
    site.change_email(&mut thief, "b@example.com").await;
    thief.ask_for_email("c@example.com").await.is(303);
    let pending = site.email_link("c@example.com", 0).await;
    let form = thief.open(&pending).await.form("/profile/email/confirm");
    let hers = site.notice("ann@example.com", ADDRESS_NOTICE).await;
    let mut ann = site.visitor();
    let (undone, confirmed) = tokio::join!(ann.press_not_me(&hers, PASSWORD), thief.submit(form));
    undone.is_disowned();
    assert!([303, 404].contains(&confirmed.status.as_u16()), "{}", confirmed.status);
    assert_eq!(site.sql("select email from users").await, ["(ann@example.com)"]);
    assert_eq!(site.count("notices").await + site.count("email_changes").await, 0);
}

#[tokio::test]
async fn a_button_that_was_shown_before_the_address_changed_asks_for_the_password() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut thief = site.thief_of("ann@example.com").await;
    thief.ask_for_deletion().await.is(303);
    let link = site.notice("ann@example.com", DELETION_NOTICE).await;
    let mut ann = site.visitor();
    let form = ann.open(&link).await.form("/not-me");
    thief.log_in("ann@example.com").await;
    site.change_email(&mut thief, "thief@example.com").await;
    let page = ann.submit(form).await;
    assert_eq!(page.is(422).complaints(), [("password".to_owned(), "Enter the password.".to_owned())]);
    ann.submit(page.form("/not-me").fill("password", PASSWORD)).await.is_disowned();
    assert_eq!(site.sql("select email from users").await, ["(ann@example.com)"]);
}

#[tokio::test]
async fn guessing_is_slowed_and_no_stranger_shuts_the_owner_out() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    site.change_email(&mut ann, "ann@new.example").await;
    let link = site.notice("ann@example.com", ADDRESS_NOTICE).await;
    // As many as would shut the address at log in.
    let failures =
        "select 'address_failures_in_a_row', subject, until from budget_events, generate_series(1, 100)";
    site.visitor().try_password("ann@example.com", "wrong").await.is(422);
    site.sql(&format!("insert into budget_events {failures} where budget = 'address_failures'")).await;
    let mut owner = site.visitor();
    for _ in 0..9 {
        owner.press_not_me(&link, "wrong").await.is(422).says(WRONG);
    }
    let page = owner.open(&link).await;
    let page = owner.submit(page.form("/not-me").press("new_captcha")).await;
    let form = page.is(200).form("/not-me").fill("password", PASSWORD);
    let page = owner.submit(form.clone()).await;
    assert_eq!(page.is(422).complaints()[0].0, "captcha_answer");
    let form = owner.solve(page.form("/not-me")).await.fill("password", PASSWORD);
    owner.submit(form).await.is_disowned();
    assert_eq!(site.sql("select email from users").await, ["(ann@example.com)"]);
}

#[tokio::test]
async fn an_address_that_is_another_users_by_now_cannot_be_given_back() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    site.change_email(&mut ann, "ann@new.example").await;
    let link = site.notice("ann@example.com", ADDRESS_NOTICE).await;
    // Cannot come about while it is reserved; a notice that outlives the reservation could bring it.
    site.sql("update notices set kind = 'password_changed'").await;
    let mut bob = site.visitor();
    bob.register("ann@example.com", "bob's own one").await;
    let his = site.letter("ann@example.com", "Confirm your registration", 1).await.link();
    bob.confirm(&his).await;
    site.visitor().press_not_me(&link, PASSWORD).await.is(410).says("This address is somebody else’s");
    assert_eq!(ann.open("/profile").await.path(), "/profile", "nothing was changed");
}
