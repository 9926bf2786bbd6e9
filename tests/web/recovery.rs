//! Recovering a password: what the letter brings, and what a stranger who asks can do.

use time::Duration;
use tokio::task::JoinSet;

use crate::support::{Act, PASSWORD, Site, Stage};

const ADDRESS: &str = "ann@example.com";

/// How many letters of a kind are promised or were sent.
async fn promised(site: &Site, kind: &str) -> i64 {
    site.count(&format!("letters where kind = '{kind}'")).await
}

#[tokio::test]
async fn the_button_on_the_log_in_page_leads_to_a_new_password_that_logs_in() {
    let site = Site::start().await;
    site.user(ADDRESS).await;
    let mut ann = site.visitor();
    let page = ann.open("/login").await;
    assert!(page.texts("button").contains(&"Have you forgotten your password?".to_owned()));
    let form = ann.send(page.form("/recover")).await.form("/recover");
    let page = ann.send(form.fill("email", "ANN@Example.COM")).await;
    assert_eq!(page.is(200).path(), "/recover/sent");
    assert!(page.has("main a[href='/login']"));
    let password = site.generated_passwords(ADDRESS, 1).await.remove(0);
    let page = ann.try_password(ADDRESS, &password).await;
    assert_eq!(page.is(200).path(), "/profile");
    page.says("Your password is a generated one.");
    assert!(page.has(".notice a[href='/profile/password']"));
    // It is the password now, and the suggestion stays.
    ann.log_out().await;
    ann.try_password(ADDRESS, &password).await.is(200).says("Your password is a generated one.");
}

#[tokio::test]
async fn the_whole_way_in_a_browser_pressing_twice() {
    let site = Site::start().await;
    site.user(ADDRESS).await;
    let browser = site.browser("/login").await;
    browser.click("form[action='/recover'] button").await;
    browser.is_at("/recover").await;
    browser.type_into("#email", ADDRESS).await;
    let button = browser.find("main button.main").await;
    browser.driver().action_chain().double_click_element(&button).perform().await.expect("a double click");
    browser.is_at("/recover/sent").await;
    assert_eq!(promised(&site, "generated_password").await, 1);
    let password = site.generated_passwords(ADDRESS, 1).await.remove(0);
    browser.click("main a[href='/login']").await;
    browser.log_in(ADDRESS, &password).await;
    browser.is_at("/profile").await;
    browser.says("main", "Your password is a generated one.").await;
}

#[tokio::test]
async fn asked_by_a_stranger_five_times_and_ignored_it_changes_nothing() {
    let site = Site::start().await;
    let mut ann = site.user(ADDRESS).await;
    let state = "select users.password_hash, password_is_generated, password_changed_at, id_hash, since
                 from users, sessions, known_devices";
    let before = site.sql(state).await;
    let mut stranger = site.visitor().at("192.0.2.66");
    let mut answers = Vec::new();
    for _ in 0..7 {
        answers.push(stranger.recover(ADDRESS).await.body);
        site.let_pass(Duration::minutes(15)).await;
    }
    answers.push(stranger.recover("nobody@example.com").await.body);
    answers.push(site.visitor().open("/recover/sent").await.body);
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    assert_eq!(site.generated_passwords(ADDRESS, 5).await.len(), 5);
    assert_eq!(promised(&site, "generated_password").await, 5, "no more than five a day");

    assert_eq!(site.sql(state).await, before);
    ann.open("/profile").await.is(200).does_not_say("generated");
    assert_eq!(site.visitor().log_in(ADDRESS).await.path(), "/profile");
    assert_eq!(ann.log_out().await.path(), "/login");
    assert_eq!(ann.log_in(ADDRESS).await.path(), "/profile");
    site.let_pass(Duration::hours(24)).await;
    stranger.recover(ADDRESS).await;
    assert_eq!(promised(&site, "generated_password").await, 6, "a day later there are letters again");
}

#[tokio::test]
async fn letters_are_a_quarter_of_an_hour_apart_also_when_they_are_asked_at_once() {
    let site = Site::start().await;
    site.user(ADDRESS).await;
    let mut requests = JoinSet::new();
    for _ in 0..8 {
        let mut stranger = site.visitor();
        requests.spawn(async move { stranger.post("/recover", "email=ann%40example.com").await });
    }
    for page in requests.join_all().await {
        assert_eq!(page.is(303).header("location"), "/recover/sent");
    }
    assert_eq!(promised(&site, "generated_password").await, 1);
    site.let_pass(Duration::minutes(14)).await;
    site.visitor().recover(ADDRESS).await;
    assert_eq!(promised(&site, "generated_password").await, 1);
    site.let_pass(Duration::minutes(1)).await;
    site.visitor().recover(ADDRESS).await;
    assert_eq!(promised(&site, "generated_password").await, 2);
}

#[tokio::test]
async fn an_unknown_address_is_told_once_a_day_that_there_is_no_such_user() {
    let site = Site::start().await;
    let mut bob = site.visitor();
    bob.recover("bob@example.com").await;
    let letter = site.sink.letter_to("bob@example.com").await;
    assert_eq!(letter.subject(), "There is no user with this address");
    assert!(letter.link().ends_with("/register"));
    site.let_pass(Duration::hours(23)).await;
    bob.recover("BOB@example.com").await;
    assert_eq!(promised(&site, "no_such_user").await, 1);
    site.let_pass(Duration::hours(1)).await;
    bob.recover("bob@example.com").await;
    assert_eq!(promised(&site, "no_such_user").await, 2);
}

#[tokio::test]
async fn who_has_registered_meanwhile_is_not_told_that_there_is_no_such_user() {
    let site = Site::start().await;
    site.sink.once(Stage::Rcpt, Act::Say("450 4.2.1 come back later"));
    site.visitor().recover(ADDRESS).await;
    site.letters_are(ADDRESS, &["delayed"]).await;
    site.user(ADDRESS).await;
    site.let_pass(Duration::minutes(2)).await;
    site.letters_are(ADDRESS, &["handed_over"]).await;
    assert_eq!(site.sink.count(), 1);
}

#[tokio::test]
async fn a_registration_that_waits_is_no_user() {
    let site = Site::start().await;
    site.visitor().register(ADDRESS, PASSWORD).await;
    site.sink.letter_to(ADDRESS).await;
    site.visitor().recover(ADDRESS).await;
    let letter = site.sink.letters_to(ADDRESS, 2).await.remove(1);
    assert_eq!(letter.subject(), "There is no user with this address");
}

#[tokio::test]
async fn it_can_be_asked_for_while_logged_in_and_nothing_ends_until_it_is_used() {
    let site = Site::start().await;
    let mut ann = site.user(ADDRESS).await;
    let page = ann.open("/recover").await;
    page.is(200).says("You are logged in as ann@example.com");
    let form = page.form("/recover");
    assert_eq!(form.value("email"), ADDRESS);
    assert_eq!(ann.send(form).await.path(), "/recover/sent");
    let password = site.generated_passwords(ADDRESS, 1).await.remove(0);
    assert_eq!(ann.open("/profile").await.path(), "/profile");
    assert_eq!(site.visitor().try_password(ADDRESS, &password).await.path(), "/profile");
    assert_eq!(ann.open("/profile").await.path(), "/login");
}

#[tokio::test]
async fn what_is_no_address_is_said_and_a_long_one_is_none_the_less_one() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    for (typed, words) in [
        ("", "Enter your email address."),
        ("  ", "Enter your email address."),
        ("ann", "Enter an email address like name@example.com."),
        ("ann@", "Enter an email address like name@example.com."),
    ] {
        let page = ann.ask_for_recovery(typed).await;
        assert_eq!(page.is(422).complaints(), [("email".to_owned(), words.to_owned())]);
        assert_eq!(page.form("/recover").value("email"), typed);
    }
    let domain = [&*"d".repeat(61); 3].join(".");
    let longest = format!("{}@{domain}.ex", "a".repeat(64));
    assert_eq!(longest.len(), 253);
    ann.recover(&longest).await;
    assert_eq!(ann.ask_for_recovery(&format!("a{longest}a")).await.status, 422);
    assert_eq!(site.count("letters").await, 1);
}

#[tokio::test]
async fn after_twenty_letters_in_an_hour_a_client_solves_captchas() {
    let site = Site::start().await;
    site.user(ADDRESS).await;
    let mut stranger = site.visitor().at("192.0.2.66");
    for asked in 0..20 {
        stranger.recover(&format!("a{asked}@example.com")).await;
    }
    let page = stranger.open("/recover").await;
    page.says("Many letters were asked for from your network.");
    let form = page.form("/recover").fill("email", ADDRESS);
    let page = stranger.send(form.clone()).await;
    assert_eq!(page.is(422).complaints()[0].0, "captcha_answer");
    let page = stranger.send(form.clone().fill("email", "ann").fill("captcha_answer", "0")).await;
    let fields: Vec<_> = page.is(422).complaints().into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["email", "captcha_answer"]);
    // A form that was shown before it came to that.
    let page = stranger.post("/recover", "email=ann%40example.com").await;
    assert_eq!(page.is(422).complaints()[0].0, "captcha_answer");
    let id = page.form("/recover").value("captcha_id");
    let page = stranger.send(page.form("/recover").press("new_captcha")).await;
    assert_ne!(page.is(200).form("/recover").value("captcha_id"), id);
    assert_eq!(page.form("/recover").value("email"), ADDRESS);
    assert_eq!(promised(&site, "generated_password").await, 0);

    let form = stranger.solve(page.form("/recover")).await;
    assert_eq!(stranger.send(form.clone()).await.path(), "/recover/sent");
    assert_eq!(site.generated_passwords(ADDRESS, 1).await.len(), 1);
    assert_eq!(stranger.send(form).await.is(422).complaints()[0].0, "captcha_answer", "it is good once");
    site.visitor().at("192.0.2.67").recover(ADDRESS).await;
    site.let_pass(Duration::hours(1)).await;
    stranger.recover(ADDRESS).await;
}

#[tokio::test]
async fn where_there_are_no_captchas_such_a_client_waits() {
    let site = Site::with(&[("CAPTCHA", "off")]).await;
    let mut stranger = site.visitor();
    for asked in 0..20 {
        stranger.recover(&format!("a{asked}@example.com")).await;
    }
    let page = stranger.ask_for_recovery(ADDRESS).await;
    let seconds: u32 = page.is(429).header("retry-after").parse().expect("seconds");
    assert!((1..=3_601).contains(&seconds), "{seconds}");
    page.says("You can try again at ");
}

#[tokio::test]
async fn the_letters_of_registering_and_of_recovery_count_together() {
    let site = Site::start().await;
    let mut stranger = site.visitor();
    stranger.register(ADDRESS, PASSWORD).await;
    for asked in 0..19 {
        assert!(!stranger.open("/recover").await.form("/recover").has("captcha_id"));
        stranger.recover(&format!("a{asked}@example.com")).await;
    }
    assert!(stranger.open("/recover").await.form("/recover").has("captcha_id"));
}
