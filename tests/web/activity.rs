//! `/profile/activity`: what happened, and that nobody writes it anew.

use sqlx::AssertSqlSafe;
use time::Duration;

use crate::support::{PASSWORD, Site};

const PAGE: &str = "/profile/activity";

/// Runs a statement that the database must refuse; returns why.
async fn refused(site: &Site, statement: &str) -> String {
    let done = sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&site.database.pool()).await;
    let error = done.expect_err("a refusal");
    error.as_database_error().expect("the database's refusal").message().to_owned()
}

/// Writes down so many entries, all at the same moment, each from a browser of its own.
async fn happen(site: &Site, number: u32) {
    let statement = format!(
        "insert into activity (id, user_id, happened_at, kind, client_address, user_agent)
         select gen_random_uuid(), id, '2026-01-01', 'logged_in', ('192.0.2.' || n)::inet, 'curl/8'
         from users, generate_series(1, {number}) as n"
    );
    site.sql(&statement).await;
}

#[tokio::test]
async fn what_happened_stands_with_its_time_and_place_the_latest_first() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut ann = site.visitor().at("192.0.2.7");
    ann.user_agent = "Mozilla/5.0 (Windows NT 10.0) Firefox/150.0".to_owned();
    site.let_pass(Duration::minutes(1)).await;
    ann.log_in("ann@example.com").await;
    let page = ann.open(PAGE).await;
    page.is(200);
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.texts(".facts dd"), ["You logged in.", "You logged in.", "You registered as artist."]);
    assert!(page.texts(".facts dt")[0].ends_with(", Firefox on Windows, 192.0.2.7"));
    assert_eq!(page.attributes(".facts dt time", "datetime").len(), 3);
}

#[tokio::test]
async fn every_kind_has_a_sentence_and_one_from_a_newer_version_says_so() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let emails = r#"{"old": "ann@example.com", "new": "ann@example.org"}"#;
    let details = r#"{"account_id": "01900000-0000-7000-8000-000000000000", "phone": ["+49301", null],
        "region": ["DE-BY", "DE-SN"], "display_name": [null, "Ann"]}"#;
    let changes =
        "display name none → Ann; location Bavaria, Germany → Saxony, Germany; phone +49 301 → none.";
    let client = r#"{"client": {"address": "192.0.2.7", "user_agent": "curl/8"}}"#;
    let kinds = [
        ("registered", r#"{"account_type": "customer"}"#, "You registered as customer.".to_owned()),
        ("logged_in", "", "You logged in.".to_owned()),
        ("generated_password_sent", "", "A generated password was mailed to you.".to_owned()),
        ("password_recovered", "", "A generated password was used.".to_owned()),
        ("password_changed", "", "Your password was changed".to_owned()),
        ("details_changed", details, format!("Saved: {changes}")),
        ("details_taken_back", details, format!("Taken back: {changes}")),
        (
            "email_change_asked",
            r#"{"email": "b@c"}"#,
            "A change of your email address to b@c was asked for.".to_owned(),
        ),
        (
            "email_change_cancelled",
            r#"{"email": "b@c"}"#,
            "The change of your email address to b@c was cancelled.".to_owned(),
        ),
        ("email_changed", emails, "was changed: ann@example.com → ann@example.org.".to_owned()),
        ("email_change_undone", emails, "was undone from a notice: ann@example.com → ".to_owned()),
        ("session_ended", client, "The session of curl, 192.0.2.7 was ended.".to_owned()),
        ("other_sessions_ended", "", "All other sessions were ended.".to_owned()),
        ("data_exported", "", "Your data were downloaded.".to_owned()),
        ("deletion_asked", "", "The deletion of all your data here was asked for".to_owned()),
        ("deletion_taken_back", "", "The deletion of all your data here was taken back.".to_owned()),
        (
            "account_deletion_asked",
            r#"{"account_type": "artist"}"#,
            "of your artist account was asked".to_owned(),
        ),
        (
            "account_deletion_taken_back",
            r#"{"account_type": "artist"}"#,
            "artist account was taken".to_owned(),
        ),
        ("disowned_by_notice", "", "“This was not me” was answered".to_owned()),
        ("locked_by_operators", "", "The operators of this site locked your account".to_owned()),
        ("unlocked_by_operators", "", "The operators of this site unlocked your account.".to_owned()),
        ("sessions_ended_by_operators", "", "The operators of this site ended all your sessions.".to_owned()),
        ("deletion_asked_by_operators", "", "The operators of this site asked for the deletion".to_owned()),
        (
            "teleported",
            r#"{"to": "Mars"}"#,
            "Something that only a newer version of this site can tell.".to_owned(),
        ),
    ];
    // Each is the newest: a page shows twenty.
    for (hour, (kind, details, sentence)) in kinds.into_iter().enumerate() {
        let details = if details.is_empty() { "null".to_owned() } else { format!("'{details}'") };
        let happen = format!(
            "insert into activity (id, user_id, happened_at, kind, details)
             select gen_random_uuid(), id, '2100-01-01'::timestamptz + {hour} * interval '1 hour', '{kind}', {details}
             from users"
        );
        site.sql(&happen).await;
        let said = ann.open(PAGE).await.texts(".facts dd");
        assert!(said.iter().any(|said| said.contains(&sentence)), "{sentence}: {said:?}");
        let unknown = said.iter().filter(|said| said.contains("newer version")).count();
        assert_eq!(unknown, usize::from(kind == "teleported"), "{kind}");
    }
}

#[tokio::test]
async fn twenty_stand_on_a_page_also_where_all_happened_at_once() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    happen(&site, 43).await;
    let written = "select host(client_address) from activity order by happened_at desc, id desc";
    let written: Vec<_> =
        site.sql(written).await.iter().map(|row| row.trim_matches(['(', ')']).to_owned()).collect();
    let (mut address, mut seen) = (PAGE.to_owned(), Vec::new());
    for expected in [20, 20, 5] {
        let page = ann.open(&address).await;
        let entries = page.texts(".facts dt");
        assert_eq!(entries.len(), expected);
        seen.extend(entries.iter().map(|entry| entry.rsplit_once(", ").expect("an address").1.to_owned()));
        let older = page.attributes("main .links a", "href").into_iter().find(|link| link.contains("before"));
        assert_eq!(older.is_some(), expected == 20);
        assert_eq!(page.has("main .links a[href='/profile/activity']"), address != PAGE);
        address = older.unwrap_or_default();
    }
    assert_eq!(seen, written, "43, the log in and the registration, each once and in order");
}

#[tokio::test]
async fn nobody_reads_what_happened_to_somebody_else() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut eve = site.user("eve@example.com").await;
    let anns =
        "select activity.id from activity join users on users.id = user_id where email like 'ann%' limit 1";
    let anns = site.sql(anns).await.remove(0);
    let page = eve.open(&format!("{PAGE}?before={}", anns.trim_matches(['(', ')']))).await;
    page.is(200).says("Nothing happened before that.");
    for nonsense in ["", "x", "%00"] {
        eve.get(&format!("{PAGE}?before={nonsense}")).await.is(404);
    }
    let page = site.visitor().get(PAGE).await;
    assert_eq!(page.is(303).header("location"), "/login?because=log-in-first&next=%2Fprofile%2Factivity");
}

#[tokio::test]
async fn it_is_only_ever_added_to() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let before = site.sql("select * from activity order by id").await;
    for statement in [
        "update activity set kind = 'logged_in'",
        "update activity set details = '{}' where kind = 'registered'",
        "delete from activity",
        "delete from activity where kind = 'logged_in'",
        "truncate activity",
        "truncate users cascade",
    ] {
        assert_eq!(refused(&site, statement).await, "activity is only ever added to", "{statement}");
    }
    let grace = "a user is deleted when the grace of their deletion is over";
    assert_eq!(refused(&site, "delete from users").await, grace);
    site.sql("update users set deletion_due_at = now() + interval '1 minute'").await;
    assert_eq!(refused(&site, "delete from users").await, grace);
    assert_eq!(site.sql("select * from activity order by id").await, before);
    site.sql("update users set deletion_due_at = now()").await;
    site.sql("delete from users").await;
    assert_eq!(site.count("activity").await, 0);
}

#[tokio::test]
async fn it_is_written_down_together_with_what_it_tells_or_not_at_all() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    ann.ask_for_email("ann@new.example").await.is(303);
    let link = site.email_link("ann@new.example", 0).await;
    let state = "select * from users, activity order by activity.id";
    let before = site.sql(state).await;
    // The notice is what each of these transactions does last.
    site.sql(
        "create function refuse_notices() returns trigger language plpgsql as
         $$ begin raise exception 'no notices today'; end $$",
    )
    .await;
    site.sql(
        "create trigger no_notices before insert on letters for each row when (new.kind = 'notice')
         execute function refuse_notices()",
    )
    .await;
    ann.change_password(PASSWORD, "blue Giraffe 8").await.is(500);
    let form = ann.open(&link).await.form("/profile/email/confirm");
    ann.submit(form.clone()).await.is(500);
    ann.ask_for_deletion().await.is(500);
    assert_eq!(site.sql(state).await, before);
    assert_eq!(site.count("notices").await, 0);
    site.sql("drop trigger no_notices on letters").await;
    // What failed was not accepted: the same form is still good.
    ann.submit(form).await.is(303);
    assert_eq!(site.count("activity where kind = 'email_changed'").await, 1);
}

#[tokio::test]
async fn what_is_refused_is_not_written_down() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let before = site.count("activity").await;
    for page in ["/profile/export", "/profile/delete"] {
        let form = ann.open(page).await.form(page).fill("current_password", "wrong");
        ann.submit(form).await.is(422);
    }
    assert_eq!(site.count("activity").await, before);
}
