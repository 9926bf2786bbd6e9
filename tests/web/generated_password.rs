//! The password that recovery mails: what using it ends, and where it opens nothing.

use time::Duration;
use tokio::task::JoinSet;

use crate::support::{Act, NEW_PASSWORD, PASSWORD, Page, Site, Stage, Visitor};

const FAILED: &str = "The email address or the password is wrong.";
const ADDRESS: &str = "ann@example.com";

/// Sends wrong passwords until a captcha is wanted.
async fn slow_down(stranger: &mut Visitor) -> Page {
    let mut page = stranger.try_password(ADDRESS, "wrong").await;
    while !page.form("/login").has("captcha_id") {
        page = stranger.try_password(ADDRESS, "wrong").await;
    }
    page
}

#[tokio::test]
async fn using_it_retires_the_old_password_ends_other_sessions_and_is_told() {
    let site = Site::start().await;
    let mut ann = site.user(ADDRESS).await;
    let password = site.recovered(ADDRESS).await;
    assert_eq!(ann.open("/profile").await.path(), "/profile");
    let mut phone = site.visitor().at("192.0.2.7");
    assert_eq!(phone.try_password(ADDRESS, &password).await.path(), "/profile");
    assert_eq!(ann.open("/profile").await.path(), "/login", "the other session is over");
    assert_eq!(phone.open("/profile").await.path(), "/profile");
    ann.try_password(ADDRESS, PASSWORD).await.is(422).says(FAILED);
    assert_eq!(site.count("known_devices").await, 1, "the other browser is unknown again");

    let notice = site.sink.letters_to(ADDRESS, 3).await.remove(2);
    assert_eq!(notice.subject(), "Your new password was used");
    assert!(notice.text().contains("192.0.2.7"), "{}", notice.text());
    let told = "select kind from activity order by happened_at, id";
    let kinds =
        ["(registered)", "(logged_in)", "(generated_password_sent)", "(password_recovered)", "(logged_in)"];
    assert_eq!(site.sql(told).await, kinds);
    let from = "select host(client_address) from activity where kind = 'password_recovered'";
    assert_eq!(site.sql(from).await, ["(192.0.2.7)"]);
}

#[tokio::test]
async fn several_are_good_until_one_is_used() {
    let site = Site::start().await;
    site.user(ADDRESS).await;
    let first = site.recovered(ADDRESS).await;
    site.let_pass(Duration::minutes(15)).await;
    let second = site.recovered(ADDRESS).await;
    site.let_pass(Duration::minutes(15)).await;
    let third = site.recovered(ADDRESS).await;
    assert_eq!(site.visitor().try_password(ADDRESS, &second).await.path(), "/profile");
    for void in [&first, &third] {
        site.visitor().try_password(ADDRESS, void).await.is(422).says(FAILED);
    }
    assert_eq!(site.visitor().try_password(ADDRESS, &second).await.path(), "/profile");
    assert_eq!(site.count("generated_passwords").await, 0);
}

#[tokio::test]
async fn one_that_is_used_in_two_browsers_at_once_recovers_once() {
    let site = Site::start().await;
    site.user(ADDRESS).await;
    let password = site.recovered(ADDRESS).await;
    let mut browsers = JoinSet::new();
    for _ in 0..3 {
        let (mut ann, password) = (site.visitor(), password.clone());
        browsers.spawn(async move { ann.try_password(ADDRESS, &password).await });
    }
    for page in browsers.join_all().await {
        assert_eq!(page.path(), "/profile");
    }
    assert_eq!(site.count("activity where kind = 'password_recovered'").await, 1);
    assert_eq!(site.count("letters where kind = 'notice'").await, 1);
}

#[tokio::test]
async fn unused_it_dies_a_day_after_its_letter_was_handed_over() {
    let site = Site::start().await;
    for email in [ADDRESS, "bob@example.com"] {
        site.user(email).await;
        site.sink.once(Stage::Rcpt, Act::Say("450 4.2.1 come back later"));
        site.visitor().recover(email).await;
        site.letters_are(email, &["handed_over", "delayed"]).await;
    }
    site.let_pass(Duration::hours(23)).await;
    let [anns, bobs] = [ADDRESS, "bob@example.com"].map(|email| site.generated_passwords(email, 1));
    let (anns, bobs) = (anns.await.remove(0), bobs.await.remove(0));
    for email in [ADDRESS, "bob@example.com"] {
        site.letters_are(email, &["handed_over", "handed_over"]).await;
    }
    site.let_pass(Duration::hours(24) - Duration::minutes(2)).await;
    assert_eq!(site.visitor().try_password(ADDRESS, &anns).await.path(), "/profile");
    site.let_pass(Duration::minutes(3)).await;
    site.visitor().try_password("bob@example.com", &bobs).await.is(422).says(FAILED);
    assert_eq!(site.visitor().log_in("bob@example.com").await.path(), "/profile");
    // The attempts at one letter are one event to its owner.
    assert_eq!(site.count("activity where kind = 'generated_password_sent'").await, 2);
}

#[tokio::test]
async fn a_slowed_address_opens_with_the_generated_password_without_a_captcha() {
    let site = Site::start().await;
    site.user(ADDRESS).await;
    let password = site.recovered(ADDRESS).await;
    let mut ann = site.visitor();
    let form = slow_down(&mut ann).await.form("/login");
    // What has not its shape is not even compared.
    let page = ann.send(form.clone().fill("password", PASSWORD)).await;
    assert_eq!(page.is(422).complaints()[0].0, "captcha_answer");
    ann.send(form.clone().fill("password", "aaaa-bbbb-cccc-dddd")).await.is(422).says(FAILED);
    assert_eq!(ann.send(form.fill("password", &password)).await.path(), "/profile");
}

#[tokio::test]
async fn a_shut_address_opens_with_the_generated_password() {
    let site = Site::start().await;
    site.user(ADDRESS).await;
    let mut stranger = site.visitor();
    for _ in 0..10 {
        slow_down(&mut stranger).await;
        site.let_pass(Duration::minutes(15)).await;
    }
    let page = stranger.log_in(ADDRESS).await;
    page.is(422).says("Anywhere else, press “Have you forgotten your password?”");
    let password = site.recovered(ADDRESS).await;
    let page = stranger.try_password(ADDRESS, &password.to_uppercase()).await;
    page.is(422).says("type it as it stands there");
    assert_eq!(stranger.try_password(ADDRESS, &password).await.path(), "/profile");
    assert_eq!(site.count("budget_events where budget = 'address_failures_in_a_row'").await, 0);
}

#[tokio::test]
async fn it_opens_only_as_it_stands_in_the_letter_and_log_in_says_so() {
    let site = Site::start().await;
    site.user(ADDRESS).await;
    let password = site.recovered(ADDRESS).await;
    for typed in [password.replace('-', ""), password.to_uppercase(), password.replace('-', " ")] {
        let page = site.visitor().try_password(ADDRESS, &typed).await;
        page.is(422)
            .says("A password from our letter has hyphens and small letters: type it as it stands there.");
    }
    let page = site.visitor().try_password(ADDRESS, "wrong").await;
    page.does_not_say("as it stands there");
    assert_eq!(site.visitor().try_password(ADDRESS, &password).await.path(), "/profile");
}

#[tokio::test]
async fn it_is_its_users_alone_and_confirms_nothing() {
    let site = Site::start().await;
    site.user(ADDRESS).await;
    site.user("bob@example.com").await;
    let password = site.recovered(ADDRESS).await;
    site.visitor().try_password("bob@example.com", &password).await.is(422).says(FAILED);
    site.visitor().register("new@example.com", PASSWORD).await;
    let link = site.sink.letter_to("new@example.com").await.link();
    let mut stranger = site.visitor();
    let form = stranger.open(&link).await.form("/confirm");
    stranger.send(form.fill("password", &password)).await.is(422);
}

#[tokio::test]
async fn a_locked_user_is_told_so_and_the_generated_password_is_not_used_up() {
    let site = Site::start().await;
    site.user(ADDRESS).await;
    let password = site.recovered(ADDRESS).await;
    site.sql("update users set locked_at = created_at").await;
    let page = site.visitor().try_password(ADDRESS, &password).await;
    page.is(422).says("You are locked out of this site.");
    assert_eq!(site.count("generated_passwords").await, 1);
}

#[tokio::test]
async fn who_is_being_deleted_recovers_and_stays() {
    let site = Site::start().await;
    site.user(ADDRESS).await;
    site.sql("update users set deletion_due_at = created_at + interval '7 days'").await;
    let password = site.recovered(ADDRESS).await;
    assert_eq!(site.visitor().try_password(ADDRESS, &password).await.path(), "/profile");
    assert_eq!(site.count("users where deletion_due_at is null").await, 1);
}

#[tokio::test]
async fn where_it_must_be_changed_it_opens_nothing_else() {
    let site = Site::with(&[("GENERATED_PASSWORD_MUST_CHANGE", "true")]).await;
    let mut ann = site.user(ADDRESS).await;
    ann.get("/profile").await.is(200);
    let password = site.recovered(ADDRESS).await;
    ann.get("/profile").await.is(200);
    let mut ann = site.visitor();
    assert_eq!(ann.try_password(ADDRESS, &password).await.path(), "/profile/password");
    assert_eq!(ann.get("/profile").await.is(303).header("location"), "/profile/password");
    ann.open("/help").await.is(200);
    ann.open("/recover").await.is(200);
    let form = ann.open("/help").await.form("/logout");
    assert_eq!(ann.send(form).await.path(), "/login");
}

#[tokio::test]
async fn an_older_hash_is_not_renewed_while_a_generated_password_is_alive() {
    let mut site = Site::start().await;
    site.user(ADDRESS).await;
    let first = site.recovered(ADDRESS).await;
    site.restart_with(&[("ARGON2_PASSES", "3")]).await;
    let hash = "select password_hash from users";
    assert_eq!(site.visitor().log_in(ADDRESS).await.path(), "/profile");
    assert!(site.sql(hash).await[0].contains("t=2"));
    site.let_pass(Duration::minutes(15)).await;
    let second = site.recovered(ADDRESS).await;
    assert_eq!(site.visitor().try_password(ADDRESS, &first).await.path(), "/profile");
    assert!(site.sql(hash).await[0].contains("t=2"), "it was made alike");
    site.visitor().try_password(ADDRESS, &second).await.is(422).says(FAILED);
    assert_eq!(site.visitor().try_password(ADDRESS, &first).await.path(), "/profile");
    assert!(site.sql(hash).await[0].contains("t=3"), "none is alive any more");
}

#[tokio::test]
async fn it_is_made_when_its_letter_leaves_and_not_before() {
    let site = Site::with(&[("MAIL_WORKERS", "1")]).await;
    site.user(ADDRESS).await;
    site.hold_letters_up().await;
    site.visitor().recover(ADDRESS).await;
    assert_eq!(site.count("letters where kind = 'generated_password' and state = 'queued'").await, 1);
    assert_eq!(site.count("generated_passwords").await, 0);
    site.let_letters_go().await;
    assert_eq!(site.count("generated_passwords").await, 1);
    let password = site.generated_passwords(ADDRESS, 1).await.remove(0);
    assert_eq!(site.visitor().try_password(ADDRESS, &password).await.path(), "/profile");
}

#[tokio::test]
async fn a_change_of_password_or_address_while_it_is_being_sent_voids_it() {
    let site = Site::start().await;
    for email in [ADDRESS, "bob@example.com"] {
        let mut user = site.user(email).await;
        if email != ADDRESS {
            user.ask_for_email("bob@new.example").await.is(303);
        }
        site.all_settled().await;
        // It has arrived, and we do not know yet.
        site.sink.once(Stage::Dot, Act::Slow(std::time::Duration::from_secs(2)));
        let password = site.recovered(email).await;
        assert_eq!(site.count("letters where state = 'sending'").await, 1);
        let now_at = match email {
            ADDRESS => {
                user.change_password(PASSWORD, "blue Giraffe 8").await.is(200);
                ADDRESS
            }
            _ => {
                let link = site.email_link("bob@new.example", 0).await;
                let form = user.open(&link).await.form("/profile/email/confirm");
                user.submit(form).await.is(303);
                "bob@new.example"
            }
        };
        assert_eq!(site.count("letters where state = 'sending' and kind = 'generated_password'").await, 1);
        site.visitor().try_password(now_at, &password).await.is(422).says(FAILED);
        site.all_settled().await;
        site.visitor().try_password(now_at, &password).await.is(422).says(FAILED);
        assert_eq!(site.count("generated_passwords").await, 0);
    }
}

#[tokio::test]
async fn a_change_of_address_while_its_letter_waits_leaves_it_nothing_to_bring() {
    let site = Site::with(&[("MAIL_WORKERS", "1")]).await;
    let mut ann = site.user(ADDRESS).await;
    ann.ask_for_email("ann@new.example").await.is(303);
    let link = site.email_link("ann@new.example", 0).await;
    site.hold_letters_up().await;
    site.visitor().recover(ADDRESS).await;
    let form = ann.open(&link).await.form("/profile/email/confirm");
    ann.submit(form).await.is(303);
    site.let_letters_go().await;
    site.letter(ADDRESS, "This address is not free yet", 0).await;
    assert_eq!(site.count("generated_passwords").await, 0);
    assert!(site.sink.letters().iter().all(|letter| letter.subject() != NEW_PASSWORD));
}

#[tokio::test]
async fn unused_it_proves_nothing_on_the_forms_of_who_is_logged_in() {
    let site = Site::start().await;
    let mut ann = site.user(ADDRESS).await;
    ann.recover(ADDRESS).await;
    let password = site.generated_passwords(ADDRESS, 1).await.remove(0);
    let state = "select * from users, activity order by activity.id";
    let before = site.sql(state).await;
    for (path, field, text) in [
        ("/profile/password", "new_password", "blue Giraffe 8"),
        ("/profile/email", "email", "ann@new.example"),
        ("/profile/export", "", ""),
        ("/profile/delete", "", ""),
    ] {
        let form = ann.open(path).await.form(path).fill("current_password", &password);
        let form = if field.is_empty() { form } else { form.fill(field, text) };
        let page = ann.submit(form).await;
        let complaint = "This is not your current password.".to_owned();
        assert_eq!(page.is(422).complaints(), [("current_password".to_owned(), complaint)], "{path}");
    }
    assert_eq!(site.sql(state).await, before);
    assert_eq!(site.count("email_changes").await, 0);
    // It was right all the time.
    assert_eq!(site.visitor().try_password(ADDRESS, &password).await.path(), "/profile");
}
