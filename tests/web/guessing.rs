//! How guessing at passwords is slowed.

use time::Duration;
use tokio::task::JoinSet;

use crate::support::{PASSWORD, Page, Site, Visitor, say, until};

const FAILED: &str = "The email address or the password is wrong.";

#[tokio::test]
async fn nine_failures_are_free_and_after_the_tenth_a_captcha_is_wanted() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut stranger = site.visitor();
    let mut page = stranger.open("/login").await;
    for _ in 0..10 {
        let form = page.form("/login");
        assert!(!form.has("captcha_id"));
        page = stranger.send(form.fill("email", "ann@example.com").fill("password", "wrong")).await;
    }
    let form = page.form("/login").fill("password", PASSWORD);
    let page = stranger.send(form).await;
    assert_eq!(page.is(422).complaints()[0].0, "captcha_answer");
    page.does_not_say(FAILED);
    let form = stranger.solve(page.form("/login")).await.fill("password", PASSWORD);
    assert_eq!(stranger.send(form).await.path(), "/profile");
}

#[tokio::test]
async fn an_unknown_address_is_slowed_like_a_known_one_and_free_again_after_a_quarter_of_an_hour() {
    let site = Site::start().await;
    let mut stranger = site.visitor();
    for _ in 0..10 {
        stranger.submit_password("nobody@example.com", "wrong").await.is(422);
    }
    let page = stranger.submit_password("nobody@example.com", "wrong").await;
    assert_eq!(page.complaints()[0].0, "captcha_answer");
    site.let_pass(Duration::minutes(15)).await;
    stranger.submit_password("nobody@example.com", "wrong").await.says(FAILED);
}

#[tokio::test]
async fn guesses_that_come_all_at_once_get_no_further_than_one_after_the_other() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut guesses = JoinSet::new();
    for stranger in 1..=40 {
        let mut stranger = site.visitor().at(&format!("192.0.2.{stranger}"));
        guesses.spawn(async move { stranger.submit_password("ann@example.com", "wrong").await });
    }
    let pages = guesses.join_all().await;
    let complaints: Vec<_> = pages.iter().map(|page| page.is(422).complaints().remove(0).0).collect();
    let compared = complaints.iter().filter(|field| *field == "password").count();
    let slowed = complaints.iter().filter(|field| *field == "captcha_answer").count();
    assert!((1..=10).contains(&compared) && compared + slowed == 40, "{complaints:?}");
    let failures = site.count("budget_events where budget = 'address_failures'").await;
    assert_eq!(usize::try_from(failures).expect("a count"), compared);
}

#[tokio::test]
async fn who_hangs_up_in_the_middle_has_tried_as_well() {
    // One hash at a time, and each takes long enough to hang up while it waits.
    let settings = [("HASH_WORKERS", "1"), ("ARGON2_PASSES", "20"), ("METRICS_LISTEN", "127.0.0.1:0")];
    let site = Site::with(&settings).await;
    let guess = "POST /login HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: same-origin\r\n\
                 content-type: application/x-www-form-urlencoded\r\ncontent-length: 36\r\n\r\n\
                 email=ann%40example.com&password=abc";
    let mut operator = site.visitor();
    operator.go_to_instance(site.metrics_address());
    let mut waiting = async |wanted: u8| {
        let line = format!("\nvestibule_hash_queue {wanted}\n");
        until(&format!("{wanted} hashes that wait"), async || {
            operator.get("/metrics").await.body.contains(&line).then_some(())
        })
        .await;
    };
    let _patient = [say(site.address(), guess).await, say(site.address(), guess).await];
    waiting(1).await;
    let hasty = say(site.address(), guess).await;
    waiting(2).await;
    drop(hasty);
    until("three failures", async || {
        (site.count("budget_events where budget = 'client_failures'").await == 3).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_log_in_that_succeeds_leaves_no_trace_in_the_budgets_and_ends_the_row() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    assert_eq!(site.visitor().log_in("ann@example.com").await.path(), "/profile");
    assert_eq!(site.count("budget_events where budget like '%failures%'").await, 0);
    let mut ann = site.visitor();
    ann.submit_password("ann@example.com", "wrong").await.is(422);
    let in_a_row = "budget_events where budget = 'address_failures_in_a_row'";
    assert_eq!(site.count(in_a_row).await, 1);
    ann.submit_password("ann@example.com", PASSWORD).await.is(303);
    assert_eq!(site.count(in_a_row).await, 0);
}

/// The page to log in, once it wants a captcha.
async fn slowed(stranger: &mut Visitor) -> Page {
    let mut page = stranger.submit_password("ann@example.com", "wrong").await;
    while !page.form("/login").has("captcha_id") {
        page = stranger.submit_password("ann@example.com", "wrong").await;
    }
    page
}

#[tokio::test]
async fn another_task_is_had_without_losing_the_form_and_without_trying() {
    let site = Site::start().await;
    let mut stranger = site.visitor();
    let form = slowed(&mut stranger).await.form("/login").forge("next", "/profile?because=already-confirmed");
    let tried = site.count("budget_events").await;
    let id = form.value("captcha_id");
    let page = stranger.send(form.fill("password", "wrong").tick("remember").press("new_captcha")).await;
    let form = page.is(200).form("/login");
    assert!(page.complaints().is_empty());
    assert_ne!(form.value("captcha_id"), id);
    assert_eq!((form.value("email"), form.value("password")), ("ann@example.com".into(), "".into()));
    assert_eq!(form.value("next"), "/profile?because=already-confirmed");
    assert_eq!(form.value("remember"), "on");
    assert_eq!(site.count("budget_events").await, tried);
}

#[tokio::test]
async fn who_forgets_the_password_on_the_slowed_form_keeps_the_captcha() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut stranger = site.visitor();
    let form = slowed(&mut stranger).await.form("/login");
    let id = form.value("captcha_id");
    let page = stranger.send(stranger.solve(form).await).await;
    assert_eq!(page.is(422).complaints()[0].0, "password");
    let form = page.form("/login");
    assert_eq!(form.value("captcha_id"), id);
    let form = stranger.solve(form).await.fill("password", PASSWORD);
    assert_eq!(stranger.send(form).await.path(), "/profile");
}

#[tokio::test]
async fn one_right_answer_lets_one_guess_through() {
    let site = Site::start().await;
    let mut stranger = site.visitor();
    for _ in 0..10 {
        stranger.submit_password("ann@example.com", "wrong").await;
    }
    let page = stranger.submit_password("ann@example.com", "wrong").await;
    let form = stranger.solve(page.form("/login")).await.fill("password", "wrong");
    let page = stranger.send(form.clone()).await;
    assert_eq!(page.complaints()[0].0, "password");
    assert_eq!(stranger.send(form).await.complaints()[0].0, "captcha_answer");
}

#[tokio::test]
async fn where_there_are_no_captchas_who_is_slowed_waits() {
    let site = Site::with(&[("CAPTCHA", "off")]).await;
    let mut stranger = site.visitor();
    for _ in 0..10 {
        stranger.submit_password("ann@example.com", "wrong").await.is(422);
    }
    let page = stranger.submit_password("ann@example.com", "wrong").await;
    let seconds: u32 = page.is(429).header("retry-after").parse().expect("seconds");
    assert!((1..=901).contains(&seconds), "{seconds}");
    page.says("You can try again at ");
}

#[tokio::test]
async fn strangers_do_not_lock_a_user_out_of_the_own_browser() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    ann.log_out().await;
    let mut stranger = site.visitor().at("192.0.2.1");
    for _ in 0..12 {
        stranger.submit_password("ann@example.com", "wrong").await;
    }
    let page = ann.submit_password("ann@example.com", "wrong").await;
    page.says(FAILED);
    assert!(!page.form("/login").has("captcha_id"));
    assert_eq!(ann.log_in("ann@example.com").await.path(), "/profile");
}

#[tokio::test]
async fn a_known_browser_that_fails_ten_times_counts_as_unknown() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    ann.log_out().await;
    for _ in 0..20 {
        let page = ann.submit_password("ann@example.com", "wrong").await;
        assert_eq!(page.is(422).complaints()[0].0, "password");
    }
    assert_eq!(ann.submit_password("ann@example.com", "wrong").await.complaints()[0].0, "captcha_answer");
}

#[tokio::test]
async fn fifty_failures_shut_a_client_out_until_a_clock_time_and_nobody_else() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut stranger = site.visitor().at("192.0.2.1");
    for guessed in 0..50 {
        stranger.submit_password(&format!("a{guessed}@example.com"), "wrong").await.is(422);
    }
    let page = stranger.submit_password("ann@example.com", PASSWORD).await;
    let seconds: u32 = page.is(429).header("retry-after").parse().expect("seconds");
    assert!((1..=901).contains(&seconds), "{seconds}");
    page.says("You can try again at ");
    assert!(page.has("main a[href='/']") && page.has("main code"));
    let mut neighbour = site.visitor().at("192.0.2.2");
    assert_eq!(neighbour.submit_password("ann@example.com", PASSWORD).await.status, 303);
    site.let_pass(Duration::minutes(15)).await;
    assert_eq!(stranger.submit_password("ann@example.com", PASSWORD).await.status, 303);
}

#[tokio::test]
async fn an_ipv6_household_is_one_client() {
    let site = Site::start().await;
    for guessed in 0..50 {
        let mut stranger = site.visitor().at(&format!("2001:db8:1:2::{guessed:x}"));
        stranger.submit_password(&format!("a{guessed}@example.com"), "wrong").await.is(422);
    }
    site.visitor().at("2001:db8:1:2:ffff::1").submit_password("ann@example.com", "wrong").await.is(429);
    site.visitor().at("2001:db8:1:3::1").submit_password("ann@example.com", "wrong").await.is(422);
}

#[tokio::test]
async fn after_a_hundred_failures_in_a_row_only_known_browsers_open() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    ann.log_out().await;
    let mut stranger = site.visitor();
    for _ in 0..10 {
        for _ in 0..10 {
            stranger.submit_password("ann@example.com", "wrong").await.says(FAILED);
        }
        site.let_pass(Duration::minutes(15)).await;
    }
    let page = stranger.submit_password("ann@example.com", PASSWORD).await;
    page.is(422).says("The password opens only in a browser in which you have logged in before.");
    // A log in that succeeds ends the row.
    assert_eq!(ann.log_in("ann@example.com").await.path(), "/profile");
    assert_eq!(stranger.submit_password("ann@example.com", PASSWORD).await.status, 303);
}

#[tokio::test]
async fn for_load_tests_nobody_is_slowed() {
    let site = Site::with(&[("THROTTLE", "off")]).await;
    let mut stranger = site.visitor();
    for _ in 0..51 {
        stranger.submit_password("ann@example.com", "wrong").await.is(422).says(FAILED);
    }
}

#[tokio::test]
async fn fifty_failures_shut_a_client_out_of_every_form_that_asks_for_a_password() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    site.change_email(&mut ann, "ann@new.example").await;
    let undo = site.letter("ann@example.com", "Your email address was changed", 0).await.link();
    ann.ask_for_email("ann@other.example").await.is(303);
    let change = site.email_link("ann@other.example", 0).await;
    let mut form = async |path| ann.open(path).await.form(path).fill("current_password", PASSWORD);
    let of_ann = [
        form("/profile/password").await.fill("new_password", "blue Giraffe 8"),
        form("/profile/email").await.fill("email", "ann@third.example"),
        form("/profile/export").await,
        form("/profile/delete").await,
    ];
    let mut stranger = site.visitor();
    let confirm = stranger.open(&change).await.form("/profile/email/confirm");
    let of_stranger = [
        confirm.fill("current_password", PASSWORD),
        stranger.open(&undo).await.form("/not-me").fill("password", PASSWORD),
    ];
    for guessed in 0..50 {
        stranger.submit_password(&format!("a{guessed}@example.com"), "wrong").await.is(422);
    }
    let state = "select * from users, activity order by activity.id";
    let before = site.sql(state).await;
    let sent = of_ann.into_iter().map(|form| (ann.clone(), form));
    for (mut sender, form) in sent.chain(of_stranger.into_iter().map(|form| (stranger.clone(), form))) {
        let page = sender.submit(form).await;
        assert!(!page.is(429).header("retry-after").is_empty());
        page.says("You can try again at ");
    }
    assert_eq!(site.sql(state).await, before);
}

#[tokio::test]
async fn what_looks_generated_is_compared_without_a_captcha_and_shuts_nobody_out() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    for guessed in 0..12 {
        let mut stranger = site.visitor().at(&format!("192.0.2.{guessed}"));
        stranger.try_password("ann@example.com", "abcd-efgh-jkmn-pqrs").await.is(422);
    }
    assert_eq!(site.count("budget_events where budget like 'address_failures%'").await, 0);
    assert_eq!(site.count("budget_events where budget = 'client_failures'").await, 12);
    assert_eq!(site.visitor().log_in("ann@example.com").await.path(), "/profile");
}
