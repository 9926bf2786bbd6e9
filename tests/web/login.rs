//! Logging in and out, sessions and their cookies.

use time::Duration;

use crate::support::{PASSWORD, Request, Site};

const FAILED: &str = "The email address or the password is wrong.";

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
async fn an_address_with_what_nobody_sees_is_not_chosen_but_opens_what_it_opened() {
    let site = Site::start().await;
    site.sink.offer("SMTPUTF8");
    let odd = "a\u{34f}nn@example.com";
    let mut ann = site.visitor();
    let form = ann.registration_form(odd, PASSWORD).await;
    let complaints = ann.send(form).await.is(422).complaints();
    assert_eq!(complaints[0].1, "This address holds a character that nobody sees. Type it anew.");
    site.user("ann@example.com").await;
    site.sql(&format!("update users set email = '{odd}', email_key = '{odd}'")).await;
    assert_eq!(site.visitor().log_in(odd).await.path(), "/profile");
    site.visitor().log_in("ann@example.com").await.is(422);
    site.visitor().recover(odd).await;
    site.letters_are(odd, &["handed_over"]).await;
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
        ann.submit_password("ann@example.com", PASSWORD).await.is(303);
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
    ann.submit_password("ann@example.com", PASSWORD).await.is(303);
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
        cookies.extend(phone.submit_password("ann@example.com", PASSWORD).await.set_cookies());
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
    site.sql("update users set deletion_due_at = created_at").await;
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
async fn what_led_somebody_to_log_in_is_said() {
    let site = Site::start().await;
    for (because, words) in [
        ("not-me", "All sessions of that account are ended, and the old password no longer works."),
        ("email-changed", "The email address is changed. Log in with the new one."),
        ("deletion", "Logging in within 7 days takes it back."),
    ] {
        site.visitor().open(&format!("/login?because={because}")).await.is(200).says(words);
    }
    assert!(!site.visitor().open("/login?because=nonsense").await.has(".notice"));
}

/// How many hashes the site has finished.
async fn hashes(site: &Site) -> u64 {
    let mut operator = site.visitor();
    operator.go_to_instance(site.metrics_address());
    let numbers = operator.get("/metrics").await.body;
    let value = numbers.lines().find_map(|line| line.strip_prefix("vestibule_hashes_total "));
    value.expect("a number of hashes").parse().expect("a number")
}

#[tokio::test]
async fn a_log_in_costs_one_hash_whoever_tries_and_whatever_with() {
    let site = Site::with(&[("METRICS_LISTEN", "127.0.0.1:0")]).await;
    site.user("ann@example.com").await;
    let generated = site.recovered("ann@example.com").await;
    site.all_settled().await;
    for (email, password, status) in [
        ("nobody@example.com", PASSWORD, 422),
        ("ann@example.com", "wrong", 422),
        ("ann@example.com", "aaaa-bbbb-cccc-dddd", 422),
        ("ann@example.com", PASSWORD, 303),
        ("ann@example.com", &generated, 303),
    ] {
        let before = hashes(&site).await;
        site.visitor().submit_password(email, password).await.is(status);
        assert_eq!(hashes(&site).await - before, 1, "{email} {password}");
    }
}

#[tokio::test]
async fn a_form_that_was_sent_logged_out_is_said_to_have_saved_nothing() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let form = ann.open("/profile/details").await.form("/profile/details").fill("display_name", "Ann");
    ann.log_out().await;
    let page = ann.send(form).await;
    assert_eq!(page.path(), "/login");
    page.says("nothing was saved");
    let form = page.form("/login").fill("email", "ann@example.com").fill("password", PASSWORD);
    assert_eq!(ann.send(form).await.path(), "/profile/details");
}

#[tokio::test]
async fn what_was_done_for_another_account_is_said_to_who_is_logged_in() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let page = ann.open("/login?because=not-me").await;
    assert_eq!(page.path(), "/login");
    page.says("A letter with a new password is on its way");
    assert_eq!(ann.open("/login?because=logged-out").await.path(), "/profile");
}
