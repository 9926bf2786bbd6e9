//! `/profile/password`: another password, by proving the current one.

use time::Duration;
use tokio::task::JoinSet;

use crate::support::{Form, PASSWORD, Page, Site, Visitor, blind};

const PATH: &str = "/profile/password";
const NEW: &str = "blue Giraffe 8";

/// The form as the page shows it, filled in.
async fn form(visitor: &mut Visitor, current: &str, new: &str) -> Form {
    let form = visitor.open(PATH).await.form(PATH);
    form.fill("current_password", current).fill("new_password", new)
}

/// Tries a current password as often as told, by bare requests.
async fn guess(visitor: &mut Visitor, times: u32) -> Page {
    let body = format!("current_password=wrong&new_password={}", NEW.replace(' ', "+"));
    let mut page = visitor.post(PATH, &body).await;
    for _ in 1..times {
        page = visitor.post(PATH, &body).await;
    }
    page
}

fn fields(page: &Page) -> Vec<String> {
    page.is(422).complaints().into_iter().map(|(field, _)| field).collect()
}

#[tokio::test]
async fn the_new_one_opens_and_the_old_one_does_not() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let page = ann.change_password(PASSWORD, NEW).await;
    assert_eq!(page.address, "/profile?because=password-changed");
    page.says("Your password is changed, and you are logged out everywhere else.");
    site.visitor().try_password("ann@example.com", PASSWORD).await.is(422);
    assert_eq!(site.visitor().try_password("ann@example.com", NEW).await.path(), "/profile");
    assert_eq!(
        site.count("activity where kind = 'password_changed' and client_address is not null").await,
        1
    );
    assert_eq!(
        site.count("users where password_changed_at is not null and not password_is_generated").await,
        1
    );
}

#[tokio::test]
async fn other_sessions_end_and_other_browsers_are_unknown_again() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let mut phone = site.visitor();
    phone.log_in("ann@example.com").await;
    assert_eq!(site.count("known_devices").await, 2);
    let own = ann.cookie("session");
    ann.change_password(PASSWORD, NEW).await;
    assert_eq!(phone.open("/profile").await.path(), "/login");
    assert_eq!(ann.open("/profile").await.path(), "/profile");
    assert_eq!(ann.cookie("session"), own);
    assert_eq!(site.count("sessions").await, 1);
    assert_eq!(site.count("known_devices").await, 1);
}

#[tokio::test]
async fn what_was_mailed_before_is_void() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let mailed = site.recovered("ann@example.com").await;
    assert_eq!(site.count("generated_passwords").await, 1);
    ann.change_password(PASSWORD, NEW).await;
    assert_eq!(site.count("generated_passwords").await, 0);
    site.visitor().try_password("ann@example.com", &mailed).await.is(422);
}

#[tokio::test]
async fn a_letter_tells_of_it() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    ann.change_password(PASSWORD, NEW).await;
    let letter = site.sink.letters_to("ann@example.com", 2).await.remove(1);
    insta::assert_snapshot!(blind(&letter, &site));
}

#[tokio::test]
async fn what_is_wrong_with_either_is_said_and_no_page_carries_a_password_back() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let page = ann.change_password("wrong one", NEW).await;
    assert_eq!(
        page.is(422).complaints(),
        [("current_password".to_owned(), "This is not your current password.".to_owned())]
    );
    page.does_not_say(NEW);
    page.does_not_say("wrong one");
    for (new, words) in [
        ("ab", "This password has 2 characters. It must have at least 3."),
        (&"x".repeat(21), "This password has 21 characters. It must have no more than 20."),
        ("Password", "This is one of the passwords that are tried first. Choose another."),
        ("ANN@example.com", "This password is your email address, which others know. Choose another."),
        (PASSWORD, "This is your current password. Choose another."),
        ("", "Choose a password."),
    ] {
        let page = ann.change_password(PASSWORD, new).await;
        assert_eq!(page.is(422).complaints(), [("new_password".to_owned(), words.to_owned())]);
        page.does_not_say(PASSWORD);
    }
    assert_eq!(fields(&ann.change_password("", "").await), ["current_password", "new_password"]);
    assert_eq!(fields(&ann.post(PATH, "").await), ["current_password", "new_password"]);
    assert_eq!(site.visitor().log_in("ann@example.com").await.path(), "/profile");
    assert_eq!(site.count("notices").await, 0);
}

#[tokio::test]
async fn the_longest_passwords_that_settings_can_allow_fit_into_the_form() {
    let site = Site::with(&[("PASSWORD_MAX", "512")]).await;
    let (one, other) = ("😀".repeat(512), "🐘".repeat(512));
    let mut ann = site.user_with("ann@example.com", &one).await;
    ann.change_password(&one, &other).await.is(200);
    assert_eq!(site.visitor().try_password("ann@example.com", &other).await.path(), "/profile");
}

#[tokio::test]
async fn a_current_password_is_not_tried_for_a_new_one_that_cannot_be_taken() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    assert_eq!(fields(&ann.change_password("wrong", "ab").await), ["new_password"]);
    assert_eq!(site.count("budget_events where budget like '%failures%'").await, 0);
}

#[tokio::test]
async fn ten_wrong_ones_are_free_in_a_known_browser_and_after_ten_more_a_captcha_is_wanted() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    guess(&mut ann, 10).await;
    assert_eq!(site.count("budget_events where budget = 'device_failures'").await, 10);
    let page = guess(&mut ann, 10).await;
    assert_eq!(site.count("budget_events where budget = 'address_failures'").await, 10);
    assert!(page.form(PATH).has("captcha_id"));
    let page = ann.change_password(PASSWORD, NEW).await;
    assert_eq!(fields(&page), ["captcha_answer"]);
    let another = ann.send(page.form(PATH).press("new_captcha")).await;
    assert_ne!(another.is(200).form(PATH).value("captcha_id"), page.form(PATH).value("captcha_id"));
    let form = ann.solve(another.form(PATH)).await;
    let page = ann.send(form.fill("current_password", PASSWORD).fill("new_password", NEW)).await;
    assert_eq!(page.path(), "/profile");
}

#[tokio::test]
async fn a_solved_captcha_holds_while_another_new_one_is_chosen() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let page = guess(&mut ann, 20).await;
    let form = ann.solve(page.form(PATH)).await;
    let page = ann.send(form.fill("current_password", PASSWORD).fill("new_password", "ab")).await;
    assert_eq!(fields(&page), ["new_password"]);
    let form = ann.solve(page.form(PATH)).await;
    let page = ann.send(form.fill("current_password", PASSWORD).fill("new_password", NEW)).await;
    assert_eq!(page.path(), "/profile");
}

#[tokio::test]
async fn fifty_wrong_ones_shut_the_client_out_until_a_clock_time() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await.at("192.0.2.1");
    for guessed in 0..50 {
        let body = format!("email=a{guessed}%40example.com&password=wrong");
        site.visitor().at("192.0.2.1").post("/login", &body).await.is(422);
    }
    let page = ann.change_password(PASSWORD, NEW).await;
    page.is(429).says("You can try again at ");
    site.let_pass(Duration::minutes(15)).await;
    assert_eq!(ann.change_password(PASSWORD, NEW).await.path(), "/profile");
}

#[tokio::test]
async fn a_form_that_is_sent_twice_is_answered_as_the_first_time() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let form = form(&mut ann, PASSWORD, NEW).await;
    for _ in 0..2 {
        let page = ann.submit(form.clone()).await;
        assert_eq!(page.is(303).header("location"), "/profile?because=password-changed");
    }
    assert_eq!(site.count("notices").await, 1);
}

#[tokio::test]
async fn also_when_it_is_sent_twice_at_once() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let form = form(&mut ann, PASSWORD, NEW).await;
    let (mut one, mut other) = (ann.clone(), ann.clone());
    let (one, other) = tokio::join!(one.submit(form.clone()), other.submit(form));
    assert_eq!(one.is(303).header("location"), other.is(303).header("location"));
    assert_eq!(site.count("notices").await, 1);
}

#[tokio::test]
async fn of_changes_at_once_one_wins_and_the_others_hear_of_it() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let mut changes = JoinSet::new();
    for new in ["one Giraffe 1", "two Giraffes 2", "three Giraffes 3"] {
        let (form, mut ann) = (form(&mut ann, PASSWORD, new).await, ann.clone());
        changes.spawn(async move { (new, ann.submit(form).await) });
    }
    let (won, lost): (Vec<_>, Vec<_>) =
        changes.join_all().await.into_iter().partition(|(_, page)| page.status == 303);
    assert_eq!((won.len(), lost.len()), (1, 2));
    for (_, page) in lost {
        assert_eq!(fields(&page), ["current_password"]);
    }
    assert_eq!(site.visitor().try_password("ann@example.com", won[0].0).await.path(), "/profile");
    assert_eq!(site.count("notices").await, 1);
}

#[tokio::test]
async fn an_old_tab_of_somebody_else_changes_nothing() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    site.user("eve@example.com").await;
    let old = form(&mut ann, PASSWORD, NEW).await;
    ann.log_out().await;
    ann.log_in("eve@example.com").await;
    ann.send(old).await.is(409).says("Nothing was changed");
    assert_eq!(site.count("notices").await, 0);
}

#[tokio::test]
async fn who_logged_out_meanwhile_logs_in_and_comes_back_to_the_form() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let form = form(&mut ann, PASSWORD, NEW).await;
    ann.log_out().await;
    let page = ann.submit(form).await;
    let to_log_in = "/login?because=nothing-saved&next=%2Fprofile%2Fpassword";
    assert_eq!(page.is(303).header("location"), to_log_in);
    let form = ann.open(to_log_in).await.form("/login");
    let page = ann.send(form.fill("email", "ann@example.com").fill("password", PASSWORD)).await;
    assert_eq!(page.path(), PATH);
}

#[tokio::test]
async fn a_generated_password_is_called_one_until_another_is_chosen() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    site.sql("update users set password_is_generated = true").await;
    ann.open("/profile").await.says("Your password is a generated one.");
    ann.open(PATH).await.says("Your current password is a generated one.");
    let page = ann.change_password(PASSWORD, NEW).await;
    assert_eq!(page.path(), "/profile");
    page.does_not_say("generated");
    ann.open(PATH).await.does_not_say("generated");
}

#[tokio::test]
async fn where_a_generated_password_must_be_changed_it_opens_this_page_alone() {
    let site = Site::with(&[("GENERATED_PASSWORD_MUST_CHANGE", "true")]).await;
    let mut ann = site.user("ann@example.com").await;
    site.sql("update users set password_is_generated = true").await;
    for path in ["/profile", "/profile/details"] {
        let page = ann.open(path).await;
        assert_eq!(page.path(), PATH);
        page.is(200).says("Choose a password of your own first.");
    }
    let details = ann.post("/profile/details", "display_name=Ann").await;
    assert_eq!(details.is(303).header("location"), PATH);
    ann.change_password(PASSWORD, NEW).await.is(200).says("Your password is changed");
    assert_eq!(ann.open("/profile/details").await.path(), "/profile/details");
}

#[tokio::test]
async fn password_managers_find_the_page() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    for visitor in [&mut ann, &mut site.visitor()] {
        let page = visitor.get("/.well-known/change-password").await;
        assert_eq!(page.is(303).header("location"), PATH);
        visitor
            .get("/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200")
            .await
            .is(404);
    }
    let page = site.visitor().open("/.well-known/change-password").await;
    assert_eq!(page.address, "/login?because=log-in-first&next=%2Fprofile%2Fpassword");
    let page = ann.open(PATH).await;
    assert_eq!(page.attribute("#current_password", "autocomplete"), "current-password");
    assert_eq!(page.attribute("#new_password", "autocomplete"), "new-password");
    assert_eq!(page.attribute("[autocomplete=username]", "value"), "ann@example.com");
}

#[tokio::test]
async fn any_length_is_proved_and_only_the_new_one_has_bounds() {
    let mut site = Site::with(&[("PASSWORD_MAX", "72")]).await;
    let long = "a long and winding password";
    site.user_with("ann@example.com", long).await;
    site.restart_with(&[("PASSWORD_MAX", "20")]).await;
    let mut ann = site.visitor();
    ann.try_password("ann@example.com", long).await;
    ann.open(PATH).await.says("3 to 20 characters.");
    assert_eq!(ann.change_password(long, NEW).await.path(), "/profile");
}
