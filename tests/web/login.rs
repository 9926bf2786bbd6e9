//! Logging in and out, sessions and their cookies, and how guessing is slowed.

use time::Duration;
use tokio::task::JoinSet;

use crate::support::{PASSWORD, Page, Request, Site, Visitor, say, until};

const FAILED: &str = "The email address or the password is wrong.";

/// Sends the form as the page shows it, without following.
async fn guess(visitor: &mut Visitor, email: &str, password: &str) -> Page {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("email", email), ("password", password)])
        .finish();
    visitor.post("/login", &body).await
}

#[tokio::test]
async fn the_address_is_taken_without_case_and_the_password_with_it() {
    let site = Site::start().await;
    site.user("Ann@example.com").await;
    assert_eq!(site.visitor().log_in("aNN@EXAMPLE.com").await.path(), "/profile");
    let page = site.visitor().try_password("Ann@example.com", &PASSWORD.to_uppercase()).await;
    page.is(422).says(FAILED);
}

#[tokio::test]
async fn one_sentence_for_every_failure_and_the_same_page_for_who_does_not_exist() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let known = site.visitor().try_password("ann@example.com", "wrong one").await;
    let unknown = site.visitor().try_password("bob@example.com", "wrong one").await;
    let nonsense = site.visitor().try_password("bob", "wrong one").await;
    known.is(422).says(FAILED);
    assert_eq!(known.form("/login").value("email"), "ann@example.com");
    assert_eq!(known.form("/login").value("password"), "");
    assert_eq!(known.body.replace("ann@example.com", ""), unknown.body.replace("bob@example.com", ""));
    nonsense.is(422).says(FAILED);
    assert!(known.has(".notice a[href='/register/letter']"));
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let form = ann.open("/login").await.form("/login");
    let fields: Vec<_> =
        ann.send(form).await.is(422).complaints().into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["email", "password"]);
}

#[tokio::test]
async fn hints_are_drawn_from_what_was_typed() {
    let site = Site::start().await;
    for (typed, hint) in [
        ("SECRET WORD", "You typed capital letters only"),
        ("gREEN eLEPHANT", ""),
        ("gREEN", "Capitals and small letters look swapped"),
        ("пароль", "You are typing Cyrillic letters"),
        ("secret ", "There is a space at an end"),
    ] {
        site.visitor().try_password("ann@example.com", typed).await.says(hint);
    }
}

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
        guess(&mut stranger, "nobody@example.com", "wrong").await.is(422);
    }
    let page = guess(&mut stranger, "nobody@example.com", "wrong").await;
    assert_eq!(page.complaints()[0].0, "captcha_answer");
    site.let_pass(Duration::minutes(15)).await;
    guess(&mut stranger, "nobody@example.com", "wrong").await.says(FAILED);
}

#[tokio::test]
async fn guesses_that_come_all_at_once_get_no_further_than_one_after_the_other() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut guesses = JoinSet::new();
    for stranger in 1..=40 {
        let mut stranger = site.visitor().at(&format!("192.0.2.{stranger}"));
        guesses.spawn(async move { guess(&mut stranger, "ann@example.com", "wrong").await });
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
    guess(&mut ann, "ann@example.com", "wrong").await.is(422);
    let in_a_row = "budget_events where budget = 'address_failures_in_a_row'";
    assert_eq!(site.count(in_a_row).await, 1);
    guess(&mut ann, "ann@example.com", PASSWORD).await.is(303);
    assert_eq!(site.count(in_a_row).await, 0);
}

/// The page to log in, once it wants a captcha.
async fn slowed(stranger: &mut Visitor) -> Page {
    let mut page = guess(stranger, "ann@example.com", "wrong").await;
    while !page.form("/login").has("captcha_id") {
        page = guess(stranger, "ann@example.com", "wrong").await;
    }
    page
}

#[tokio::test]
async fn another_picture_is_had_without_losing_the_form_and_without_trying() {
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
        guess(&mut stranger, "ann@example.com", "wrong").await;
    }
    let page = guess(&mut stranger, "ann@example.com", "wrong").await;
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
        guess(&mut stranger, "ann@example.com", "wrong").await.is(422);
    }
    let page = guess(&mut stranger, "ann@example.com", "wrong").await;
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
        guess(&mut stranger, "ann@example.com", "wrong").await;
    }
    let page = guess(&mut ann, "ann@example.com", "wrong").await;
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
        let page = guess(&mut ann, "ann@example.com", "wrong").await;
        assert_eq!(page.is(422).complaints()[0].0, "password");
    }
    assert_eq!(guess(&mut ann, "ann@example.com", "wrong").await.complaints()[0].0, "captcha_answer");
}

#[tokio::test]
async fn fifty_failures_shut_a_client_out_until_a_clock_time_and_nobody_else() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut stranger = site.visitor().at("192.0.2.1");
    for guessed in 0..50 {
        guess(&mut stranger, &format!("a{guessed}@example.com"), "wrong").await.is(422);
    }
    let page = guess(&mut stranger, "ann@example.com", PASSWORD).await;
    let seconds: u32 = page.is(429).header("retry-after").parse().expect("seconds");
    assert!((1..=901).contains(&seconds), "{seconds}");
    page.says("You can try again at ");
    assert!(page.has("main a[href='/']") && page.has("main code"));
    let mut neighbour = site.visitor().at("192.0.2.2");
    assert_eq!(guess(&mut neighbour, "ann@example.com", PASSWORD).await.status, 303);
    site.let_pass(Duration::minutes(15)).await;
    assert_eq!(guess(&mut stranger, "ann@example.com", PASSWORD).await.status, 303);
}

#[tokio::test]
async fn an_ipv6_household_is_one_client() {
    let site = Site::start().await;
    for guessed in 0..50 {
        let mut stranger = site.visitor().at(&format!("2001:db8:1:2::{guessed:x}"));
        guess(&mut stranger, &format!("a{guessed}@example.com"), "wrong").await.is(422);
    }
    guess(&mut site.visitor().at("2001:db8:1:2:ffff::1"), "ann@example.com", "wrong").await.is(429);
    guess(&mut site.visitor().at("2001:db8:1:3::1"), "ann@example.com", "wrong").await.is(422);
}

#[tokio::test]
async fn where_two_forwarding_headers_disagree_the_client_is_whoever_connected() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    for (other, client) in [("for=192.0.2.9", "127.0.0.1/32"), ("for=192.0.2.1", "192.0.2.1/32")] {
        let headers = vec![
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ("sec-fetch-site", "same-origin".to_owned()),
            ("x-forwarded-for", "192.0.2.1".to_owned()),
            ("forwarded", other.to_owned()),
        ];
        let body = b"email=ann%40example.com&password=green+Elephant+7".to_vec();
        let log_in = Request { method: "POST", path: "/login".to_owned(), headers, body };
        site.visitor().request(log_in).await.is(303);
        let newest = "select client_address::text from sessions order by logged_in_at desc limit 1";
        assert_eq!(site.sql(newest).await, [format!("({client})")]);
    }
}

#[tokio::test]
async fn after_a_hundred_failures_in_a_row_only_known_browsers_open() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    ann.log_out().await;
    let mut stranger = site.visitor();
    for _ in 0..10 {
        for _ in 0..10 {
            guess(&mut stranger, "ann@example.com", "wrong").await.says(FAILED);
        }
        site.let_pass(Duration::minutes(15)).await;
    }
    let page = guess(&mut stranger, "ann@example.com", PASSWORD).await;
    page.is(422).says("You can log in only in a browser in which you have logged in before.");
    // A log in that succeeds ends the row.
    assert_eq!(ann.log_in("ann@example.com").await.path(), "/profile");
    assert_eq!(guess(&mut stranger, "ann@example.com", PASSWORD).await.status, 303);
}

#[tokio::test]
async fn for_load_tests_nobody_is_slowed() {
    let site = Site::with(&[("THROTTLE", "off")]).await;
    let mut stranger = site.visitor();
    for _ in 0..51 {
        guess(&mut stranger, "ann@example.com", "wrong").await.is(422).says(FAILED);
    }
}

#[tokio::test]
async fn a_session_id_that_somebody_planted_is_not_taken() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let own = ann.cookie("session");
    let planted = ann.clone();
    ann.log_out().await;
    assert!(!ann.cookies.contains_key("session"));

    // A stranger's session, and a made-up id.
    let eves = site.user("eve@example.com").await.cookies["session"].clone();
    let mut made_up = eves.clone();
    made_up.value = "AAAAAAAAAAAAAAAAAAAAAA".to_owned();
    for cookie in [eves, made_up] {
        let id = cookie.value.clone();
        ann.cookies.insert("session".to_owned(), cookie.clone());
        guess(&mut ann, "ann@example.com", PASSWORD).await.is(303);
        assert!(ann.cookie("session") != id && ann.cookie("session") != own);
        let mut eve = site.visitor();
        eve.cookies.insert("session".to_owned(), cookie);
        assert_eq!(eve.open("/profile").await.path(), "/login");
    }
    assert_eq!(planted.clone().open("/profile").await.path(), "/login");
}

#[tokio::test]
async fn a_new_log_in_ends_the_session_that_this_browser_had() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let mut old = ann.clone();
    guess(&mut ann, "ann@example.com", PASSWORD).await.is(303);
    assert_ne!(ann.cookie("session"), old.cookie("session"));
    assert_eq!(old.open("/profile").await.path(), "/login");
    assert_eq!(ann.open("/profile").await.path(), "/profile");
    assert_eq!(site.count("sessions").await, 1);
}

#[tokio::test]
async fn cookies_are_bound_as_tightly_as_the_scheme_allows() {
    for (settings, prefix, secure) in
        [(vec![], "", false), (vec![("PUBLIC_URL", "https://accounts.example")], "__Host-", true)]
    {
        let site = Site::with(&settings).await;
        let mut ann = site.user("ann@example.com").await;
        let mut phone = site.visitor();
        let mut cookies = phone.open("/login").await.set_cookies();
        cookies.extend(guess(&mut phone, "ann@example.com", PASSWORD).await.set_cookies());
        for name in ["session", "device"] {
            let start = format!("{prefix}{name}=");
            let set: Vec<_> = cookies.iter().filter(|cookie| cookie.starts_with(&start)).collect();
            assert_eq!(set.len(), 1, "{cookies:?}");
            let attributes: Vec<_> = set[0].split("; ").skip(1).collect();
            for wanted in ["HttpOnly", "SameSite=Lax", "Path=/"] {
                assert!(attributes.contains(&wanted), "{set:?}");
            }
            assert_eq!(attributes.contains(&"Secure"), secure, "{set:?}");
            assert!(!set[0].contains("Domain"), "{set:?}");
        }
        // Browsers take a `__Host-` cookie away only by one that is bound as tightly.
        let form = ann.open("/profile").await.form("/logout");
        let removal = ann.submit(form).await.set_cookies().remove(0);
        assert!(removal.starts_with(&format!("{prefix}session=;")), "{removal}");
        assert_eq!(removal.contains("Secure"), secure, "{removal}");
        assert!(removal.contains("Path=/") && removal.contains("Max-Age=0"), "{removal}");
    }
}

#[tokio::test]
async fn remembered_it_lasts_thirty_days_also_when_the_browser_is_closed() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut ann = site.visitor();
    let form = ann.open("/login").await.form("/login").tick("remember");
    ann.send(form.fill("email", "ann@example.com").fill("password", PASSWORD)).await;
    ann.close_browser();
    site.let_pass(Duration::days(30) - Duration::minutes(1)).await;
    assert_eq!(ann.open("/profile").await.path(), "/profile");
    site.let_pass(Duration::minutes(2)).await;
    assert_eq!(ann.open("/profile").await.path(), "/login");
}

#[tokio::test]
async fn otherwise_it_lasts_until_the_browser_is_closed_and_a_day_at_most() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut ann = site.visitor();
    ann.log_in("ann@example.com").await;
    let mut closed = ann.clone();
    closed.close_browser();
    assert_eq!(closed.open("/profile").await.path(), "/login");
    assert!(closed.cookies.contains_key("device"));
    site.let_pass(Duration::hours(24) - Duration::minutes(1)).await;
    assert_eq!(ann.open("/profile").await.path(), "/profile");
    site.let_pass(Duration::minutes(2)).await;
    assert_eq!(ann.open("/profile").await.path(), "/login");
}

#[tokio::test]
async fn logging_out_ends_the_session_and_a_link_does_not() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    assert_eq!(ann.open("/logout").await.path(), "/profile");
    let mut copy = ann.clone();
    let page = ann.log_out().await;
    assert_eq!(page.path(), "/login");
    page.says("You are logged out.");
    assert_eq!(copy.open("/profile").await.path(), "/login");
    assert_eq!(site.count("sessions").await, 0);
    // Sent again, it is simply done again.
    assert_eq!(copy.post("/logout", "").await.is(303).header("location"), "/login?because=logged-out");
}

#[tokio::test]
async fn people_land_where_they_were_going() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    ann.log_out().await;
    let page = ann.open("/profile?because=already-confirmed").await;
    assert_eq!(page.path(), "/login");
    page.says("Log in first.");
    let form = page.form("/login").fill("email", "ann@example.com").fill("password", "wrong");
    let page = ann.send(form).await;
    let page = ann.send(page.form("/login").fill("password", PASSWORD)).await;
    assert_eq!(page.address, "/profile?because=already-confirmed");
    assert_eq!(ann.open("/login").await.path(), "/profile", "who is logged in is led on");
    assert_eq!(ann.open("/").await.path(), "/profile");
}

#[tokio::test]
async fn log_in_leads_to_no_other_site() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    for next in [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/%09/evil.example",
        "evil",
    ] {
        let mut ann = site.visitor();
        let page = ann.open(&format!("/login?next={}", next.replace('\\', "%5C"))).await;
        let form = page.form("/login").fill("email", "ann@example.com").fill("password", PASSWORD);
        let location = ann.submit(form.clone()).await.is(303).header("location").to_owned();
        assert!(
            location.starts_with('/') && !location.starts_with("//") && !location.starts_with("/\\"),
            "{location}"
        );
        let location = ann.submit(form.forge("next", next)).await.is(303).header("location").to_owned();
        assert!(
            location.starts_with('/') && !location.starts_with("//") && !location.contains('\\'),
            "{location}"
        );
    }
}

#[tokio::test]
async fn where_one_was_going_is_forgotten_when_it_is_too_long() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let fits = format!("/{}", "a".repeat(1_999));
    let mut ann = site.visitor();
    let form = ann.open(&format!("/login?next={fits}")).await.form("/login");
    assert_eq!(form.value("next"), fits);
    let too_long = format!("{fits}a");
    let form = ann.open(&format!("/login?next={too_long}")).await.form("/login");
    assert!(!form.has("next"));
    let form = form.fill("email", "ann@example.com").fill("password", PASSWORD).forge("next", &too_long);
    assert_eq!(ann.submit(form).await.is(303).header("location"), "/profile");
}

#[tokio::test]
async fn a_locked_user_is_told_so_only_after_the_right_password() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    site.sql("update users set locked_at = created_at").await;
    assert_eq!(ann.open("/profile").await.path(), "/login", "the session is over");
    ann.try_password("ann@example.com", "wrong").await.is(422).says(FAILED);
    ann.try_password("ann@example.com", PASSWORD)
        .await
        .is(422)
        .says("You are locked out of this site. Write to support");
    assert_eq!(ann.open("/profile").await.path(), "/login");
    site.sql("update users set locked_at = null").await;
    assert_eq!(ann.log_in("ann@example.com").await.path(), "/profile");
}

#[tokio::test]
async fn the_session_of_a_deleted_user_is_nobodys() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    site.sql("delete from users").await;
    assert_eq!(ann.open("/profile").await.path(), "/login");
    ann.open("/").await.is(200);
    ann.try_password("ann@example.com", PASSWORD).await.is(422).says(FAILED);
}

#[tokio::test]
async fn an_older_hash_is_renewed_at_log_in() {
    let mut site = Site::start().await;
    site.user("ann@example.com").await;
    let hash = "select password_hash from users";
    assert!(site.sql(hash).await[0].contains("$argon2id$v=19$m=19456,t=2,p=1$"));
    site.restart_with(&[("ARGON2_PASSES", "3")]).await;
    site.visitor().try_password("ann@example.com", "wrong").await.is(422);
    assert!(site.sql(hash).await[0].contains("t=2"));
    assert_eq!(site.visitor().log_in("ann@example.com").await.path(), "/profile");
    assert!(site.sql(hash).await[0].contains("$m=19456,t=3,p=1$"));
    assert_eq!(site.visitor().log_in("ann@example.com").await.path(), "/profile");
}

#[tokio::test]
async fn a_password_is_its_letters_however_the_keyboard_composes_them() {
    let site = Site::start().await;
    site.user_with("ann@example.com", "cafe\u{301} noir").await;
    assert_eq!(site.visitor().try_password("ann@example.com", "caf\u{e9} noir").await.path(), "/profile");
    site.visitor().try_password("ann@example.com", " caf\u{e9} noir").await.is(422);
}

#[tokio::test]
async fn no_table_holds_a_secret() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    let link = site.sink.letter_to("ann@example.com").await.link();
    let token = link.rsplit_once('=').expect("a token").1;
    let device = ann.cookie("device");
    ann.confirm(&link).await;
    site.visitor().try_password("ann@example.com", "my other password").await;
    site.visitor().try_password(PASSWORD, "typed in the wrong field").await;
    let dump = site.dump().await;
    assert!(dump.contains("ann@example.com"));
    for secret in
        [PASSWORD, token, &device, &ann.cookie("session"), "my other password", "typed in the wrong field"]
    {
        assert!(!dump.contains(secret), "{secret}: {dump}");
        let bytes = data_encoding::HEXLOWER.encode(secret.as_bytes());
        assert!(!dump.contains(&bytes), "{secret}: {dump}");
        if let Ok(raw) = data_encoding::BASE64URL_NOPAD.decode(secret.as_bytes()) {
            assert!(!dump.contains(&data_encoding::HEXLOWER.encode(&raw)), "{secret}: {dump}");
        }
    }
}
