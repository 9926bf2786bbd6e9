//! `/profile/email`: another address is asked for, by a letter to it.

use time::Duration;

use crate::support::{PASSWORD, Site, blind};

const CONFIRM: &str = "/profile/email/confirm";
const WRONG: &str = "This is not your current password.";

#[tokio::test]
async fn a_change_that_is_cancelled_leaves_a_dead_link() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    ann.ask_for_email("ann@new.example").await;
    let link = site.email_link("ann@new.example", 0).await;
    let form = ann.open(&link).await.form(CONFIRM);
    let cancel = ann.open("/profile/email").await.form("/profile/email/cancel");
    for _ in 0..2 {
        let page = ann.submit(cancel.clone()).await;
        assert_eq!(page.is(303).header("location"), "/profile/email?because=cancelled");
    }
    assert!(!ann.open("/profile/email?because=cancelled").await.has(".facts"));
    let page = ann.open(&link).await;
    page.is(404).says("This link is not good");
    assert_eq!(page.attributes(".ways a", "href"), ["/profile", "/profile/email"]);
    ann.submit(form).await.is(404);
    assert_eq!(site.addresses().await, ["(ann@example.com)"]);
    assert_eq!(site.count("activity where kind = 'email_change_cancelled'").await, 1);
}

#[tokio::test]
async fn nobody_cancels_what_is_somebody_elses() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let mut bob = site.user("bob@example.com").await;
    ann.ask_for_email("ann@new.example").await;
    bob.ask_for_email("bob@new.example").await;
    let hers = ann.open("/profile/email").await.form("/profile/email/cancel").value("change");
    let form = bob.open("/profile/email").await.form("/profile/email/cancel");
    bob.submit(form.clone().forge("change", &hers)).await.is(303);
    bob.submit(form.forge("change", "nonsense").forge("form_id", "")).await.is(404);
    assert_eq!(site.count("email_changes").await, 2);
    assert_eq!(bob.get("/profile/email/cancel").await.is(303).header("location"), "/profile/email");
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once_and_a_slip_is_only_pointed_out() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let form = ann.open("/profile/email").await.form("/profile/email");
    let page = ann.submit(form.clone().fill("email", "ab")).await;
    let fields: Vec<_> = page.is(422).complaints().into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["email", "current_password"]);
    assert_eq!(page.form("/profile/email").value("email"), "ab");
    for (typed, words) in [
        ("", "Enter your email address."),
        ("ANN@Example.COM", "This is your address already. Enter another one."),
        ("a-long-one@example.com", "This address has 22 characters. It must have no more than 20."),
    ] {
        let page = ann.submit(form.clone().fill("email", typed).fill("current_password", PASSWORD)).await;
        assert_eq!(page.is(422).complaints(), [("email".to_owned(), words.to_owned())]);
    }
    let slip = form.fill("email", "ann@gmial.com");
    let page = ann.submit(slip.clone().fill("current_password", "wrong")).await;
    assert_eq!(page.is(422).complaints(), [("current_password".to_owned(), WRONG.to_owned())]);
    page.says("Did you mean an address that ends in gmail.com?");
    assert_eq!(site.count("email_changes").await, 0);
    ann.submit(slip.fill("current_password", PASSWORD)).await.is(303);
    assert_eq!(site.count("email_changes").await, 1);
}

#[tokio::test]
async fn the_site_answers_alike_whoever_has_the_address() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let mut bob = site.user("bob@example.com").await;
    site.user("eva@example.com").await;
    site.change_email(&mut bob, "bob@new.example").await;
    site.all_settled().await;
    let mut pages = Vec::new();
    for email in ["eva@example.com", "bob@example.com", "new@example.com"] {
        let page = ann.ask_for_email(email).await;
        assert_eq!(page.is(303).header("location"), "/profile/email?because=letter");
        site.all_settled().await;
        let page = ann.follow(page).await;
        let words = page.words().replace(email, "ADDRESS");
        pages.push(page.texts("main time").iter().fold(words, |words, time| words.replace(time, "TIME")));
        let cancel = page.form("/profile/email/cancel");
        ann.submit(cancel).await.is(303);
    }
    assert_eq!(pages[0], pages[2]);
    assert_eq!(pages[1], pages[2]);
    assert_eq!(site.sink.letters().iter().filter(|letter| letter.to == "new@example.com").count(), 1);
}

#[tokio::test]
async fn the_letter_to_a_free_address() {
    let site = Site::start().await;
    site.user("ann@example.com").await.ask_for_email("ann@new.example").await;
    let letter = site.letter("ann@new.example", "Confirm your new email address", 0).await;
    insta::assert_snapshot!(blind(&letter, &site));
}

#[tokio::test]
async fn the_letter_to_somebody_elses_address_goes_to_the_stored_one() {
    let site = Site::start().await;
    site.user("Bob@example.com").await;
    site.user("ann@example.com").await.ask_for_email("bOB@example.com").await;
    let letter = site.letter("Bob@example.com", "This address belongs to your account already", 0).await;
    insta::assert_snapshot!(blind(&letter, &site));
}

#[tokio::test]
async fn the_letter_to_a_reserved_address() {
    let site = Site::start().await;
    site.change_email(&mut site.user("bob@example.com").await, "bob@new.example").await;
    site.all_settled().await;
    site.user("ann@example.com").await.ask_for_email("bob@example.com").await;
    let letter = site.letter("bob@example.com", "This address is not free yet", 0).await;
    insta::assert_snapshot!(blind(&letter, &site));
}

#[tokio::test]
async fn each_form_that_is_sent_twice_is_answered_as_the_first_time() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let form = ann.open("/profile/email").await.form("/profile/email");
    let form = form.fill("email", "ann@new.example").fill("current_password", PASSWORD);
    let mut again = ann.clone();
    let (one, other) = tokio::join!(ann.submit(form.clone()), again.submit(form.clone()));
    for page in [one, other, ann.submit(form).await] {
        assert_eq!(page.is(303).header("location"), "/profile/email?because=letter");
    }
    assert_eq!(site.count("letters where kind = 'email_change'").await, 1);
    let link = site.email_link("ann@new.example", 0).await;
    let form = ann.open(&link).await.form(CONFIRM);
    let (one, other) = tokio::join!(ann.submit(form.clone()), again.submit(form.clone()));
    for page in [one, other, ann.submit(form).await] {
        assert_eq!(page.is(303).header("location"), "/profile?because=email-changed");
    }
    assert_eq!(site.count("notices").await, 1);
}

#[tokio::test]
async fn an_old_tab_changes_nothing_of_somebody_elses() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    ann.ask_for_email("ann@new.example").await;
    let link = site.email_link("ann@new.example", 0).await;
    let asking = ann.open("/profile/email").await;
    let confirming = ann.open(&link).await.form(CONFIRM);
    site.user("bob@example.com").await;
    ann.log_out().await;
    ann.log_in("bob@example.com").await;
    let form = asking.form("/profile/email").fill("email", "b@new.example");
    for form in
        [form.fill("current_password", PASSWORD), asking.form("/profile/email/cancel"), confirming.clone()]
    {
        ann.submit(form).await.is(409).says("Nothing was changed");
    }
    assert_eq!(site.count("email_changes").await, 1);
    // Logged out, the form of who was logged in asks for the password.
    ann.log_out().await;
    let page = ann.submit(confirming).await;
    assert_eq!(page.is(422).complaints()[0].0, "current_password");
    page.does_not_say("ann@example.com");
    assert_eq!(site.addresses().await, ["(ann@example.com)", "(bob@example.com)"]);
}

#[tokio::test]
async fn whoever_is_logged_out_logs_in_first_and_comes_back_to_the_form() {
    let site = Site::start().await;
    for path in ["/profile/email", "/profile/email/cancel"] {
        let page = site.visitor().post(path, "email=a%40b").await;
        let next = path.replace('/', "%2F");
        assert_eq!(page.is(303).header("location"), format!("/login?because=nothing-saved&next={next}"));
    }
}

#[tokio::test]
async fn the_sixth_letter_of_a_day_to_one_address_is_left_out_and_nothing_tells() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let mut bob = site.user("bob@example.com").await;
    for _ in 0..5 {
        ann.ask_for_email("new@example.com").await.is(303);
    }
    let page = bob.ask_for_email("NEW@example.com").await;
    assert_eq!(page.is(303).header("location"), "/profile/email?because=letter");
    site.all_settled().await;
    assert_eq!(site.sink.letters_to("new@example.com", 5).await.len(), 5);
    assert_eq!(site.count("email_changes").await, 2, "one for each user");
    site.let_pass(Duration::days(1)).await;
    let mut bob = site.visitor();
    bob.log_in("bob@example.com").await;
    bob.ask_for_email("NEW@example.com").await.is(303);
    site.sink.letter_to("NEW@example.com").await;
}

/// Lets so many letters of this hour have been asked for already.
async fn letters_were_asked_for(site: &Site, count: i64) {
    let more = count - site.count("budget_events where budget = 'client_letters'").await;
    let rows = "select budget, subject, until from (select * from budget_events where budget = 'client_letters' limit 1) as one";
    site.sql(&format!("insert into budget_events {rows}, generate_series(1, {more})")).await;
}

#[tokio::test]
async fn after_twenty_letters_within_an_hour_a_captcha_is_wanted() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let unasked = ann.open("/profile/email").await.form("/profile/email");
    assert!(!unasked.has("captcha_id"));
    letters_were_asked_for(&site, 20).await;
    let unasked = unasked.fill("email", "ann@new.example").fill("current_password", PASSWORD);
    let page = ann.submit(unasked).await;
    assert_eq!(page.is(422).complaints()[0].0, "captcha_answer");
    page.says("Many letters were asked for");
    let form = page.form("/profile/email").press("new_captcha");
    let page = ann.submit(form).await;
    assert_eq!(page.is(200).form("/profile/email").value("email"), "ann@new.example");
    let form = ann.solve(page.form("/profile/email")).await;
    let page = ann.submit(form.clone().fill("current_password", "wrong")).await;
    assert_eq!(page.is(422).complaints()[0].0, "current_password");
    let again = ann.submit(form.fill("current_password", PASSWORD)).await;
    assert_eq!(again.is(422).complaints()[0].0, "captcha_answer", "one answer lets one try through");
    let form = ann.solve(page.form("/profile/email")).await.fill("current_password", PASSWORD);
    ann.submit(form).await.is(303);
    assert!(ann.open("/profile/email").await.form("/profile/email").has("captcha_id"));
    site.let_pass(Duration::hours(1)).await;
    assert!(!ann.open("/profile/email").await.form("/profile/email").has("captcha_id"));
}

#[tokio::test]
async fn one_captcha_serves_the_letter_and_the_password() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let mut page = ann.open("/profile/email").await;
    // Ten as a browser that is known, and ten as one that is not any more.
    for _ in 0..20 {
        let form = page.form("/profile/email").fill("email", "ann@new.example");
        page = ann.submit(form.fill("current_password", "wrong")).await;
    }
    letters_were_asked_for(&site, 20).await;
    let form = ann.solve(page.form("/profile/email")).await.fill("current_password", PASSWORD);
    ann.submit(form).await.is(303);
}

#[tokio::test]
async fn where_there_are_no_captchas_the_letters_wait() {
    let site = Site::with(&[("CAPTCHA", "off")]).await;
    let mut ann = site.user("ann@example.com").await;
    letters_were_asked_for(&site, 20).await;
    let page = ann.ask_for_email("ann@new.example").await;
    assert!(!page.is(429).header("retry-after").is_empty());
    site.let_pass(Duration::hours(1)).await;
    ann.ask_for_email("ann@new.example").await.is(303);
}

#[tokio::test]
async fn a_password_that_looks_generated_gets_no_letter_past_the_captcha() {
    let site = Site::start().await;
    let mut ann = site.user_with("ann@example.com", "abcd-efgh-jkmn-pqrs").await;
    letters_were_asked_for(&site, 20).await;
    let form = ann.open("/profile/email").await.form("/profile/email").fill("email", "ann@new.example");
    let page = ann.submit(form.fill("current_password", "abcd-efgh-jkmn-pqrs")).await;
    assert_eq!(page.is(422).complaints()[0].0, "captcha_answer");
    assert_eq!(site.count("email_changes").await, 0);
}
