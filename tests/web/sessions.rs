//! `/profile/sessions`: where somebody is logged in, and how that is ended.

use time::Duration;

use crate::support::{Form, Page, Site, Visitor};

const PAGE: &str = "/profile/sessions";
const END: &str = "/profile/sessions/end";
const END_OTHERS: &str = "/profile/sessions/end-others";

/// The button that ends the first of the other sessions.
fn end_first(page: &Page) -> Form {
    page.forms(END).remove(1)
}

/// The same person in another browser, logged in.
async fn elsewhere(site: &Site, email: &str, user_agent: &str) -> Visitor {
    let mut visitor = site.visitor().at("192.0.2.7");
    visitor.user_agent = user_agent.to_owned();
    assert_eq!(visitor.log_in(email).await.path(), "/profile");
    visitor
}

/// Fills a user's sessions up, all begun at the same moment.
async fn begin_many(site: &Site, email: &str, number: u32) {
    let statement = format!(
        "insert into sessions (id_hash, user_id, account_id, remember, logged_in_at, last_seen_at, expires_at,
             client_address, user_agent)
         select sha256(convert_to(n::text, 'UTF8')), user_id, accounts.id, true, '2026-01-01', '2026-01-01', '2100-01-01',
             '198.51.100.1', 'Session ' || n
         from accounts join users on users.id = user_id, generate_series(1, {number}) as n where email = '{email}'"
    );
    site.sql(&statement).await;
}

#[tokio::test]
async fn this_one_comes_first_and_the_others_by_their_log_in_with_browser_and_address() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    elsewhere(&site, "ann@example.com", "Mozilla/5.0 (Windows NT 10.0) Firefox/150.0").await;
    site.let_pass(Duration::minutes(1)).await;
    elsewhere(&site, "ann@example.com", "Mozilla/5.0 (iPhone) Version/26.0 Safari/604.1").await;
    let page = ann.open(PAGE).await;
    page.is(200);
    assert_eq!(page.header("cache-control"), "no-store");
    let titles = page.texts(".facts dt");
    assert!(titles[0].starts_with("This browser: an unknown browser, 127.0.0.1"), "{titles:?}");
    assert_eq!(titles[1..], ["Safari on iPhone, 192.0.2.7", "Firefox on Windows, 192.0.2.7"]);
    assert!(page.has(".facts dd time"));
}

#[tokio::test]
async fn last_seen_is_exact_to_a_minute() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let mut phone = elsewhere(&site, "ann@example.com", "phone").await;
    let seen =
        async |ann: &mut Visitor| ann.open(PAGE).await.attributes(".facts dd time", "datetime")[3].clone();
    let before = seen(&mut ann).await;
    site.let_pass(Duration::seconds(30)).await;
    phone.open("/profile").await;
    assert_eq!(seen(&mut ann).await, before);
    site.let_pass(Duration::seconds(31)).await;
    phone.open("/profile").await;
    assert_ne!(seen(&mut ann).await, before);
}

#[tokio::test]
async fn one_that_is_ended_is_logged_out_while_its_tab_is_open() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let mut thief = elsewhere(&site, "ann@example.com", "thief").await;
    let open = thief.open(PAGE).await.form(END_OTHERS);
    let page = ann.open(PAGE).await;
    let page = ann.send(end_first(&page)).await;
    assert_eq!(page.address, "/profile/sessions?because=ended");
    page.says("The session is ended.");
    page.says("You are logged in nowhere else.");
    let answer = thief.submit(open).await;
    let to_form = "/login?because=nothing-saved&next=%2Fprofile%2Fsessions%2Fend-others";
    assert_eq!(answer.is(303).header("location"), to_form);
    assert_eq!(ann.open(PAGE).await.path(), PAGE);
    let told = "select details #>> '{client,user_agent}' from activity where kind = 'session_ended'";
    assert_eq!(site.sql(told).await, ["(thief)"]);
}

#[tokio::test]
async fn the_button_that_is_pressed_twice_ends_one_and_answers_alike() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    elsewhere(&site, "ann@example.com", "one").await;
    elsewhere(&site, "ann@example.com", "two").await;
    let page = ann.open(PAGE).await;
    for _ in 0..2 {
        let answer = ann.submit(end_first(&page)).await;
        assert_eq!(answer.is(303).header("location"), "/profile/sessions?because=ended");
    }
    assert_eq!(site.count("sessions").await, 2);
    assert_eq!(site.count("activity where kind = 'session_ended'").await, 1);
    // Another one can be ended from the page as it was.
    ann.submit(page.forms(END).remove(2)).await.is(303);
    assert_eq!(site.count("sessions").await, 1);
}

#[tokio::test]
async fn to_end_this_one_is_to_log_out() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let form = ann.open(PAGE).await.forms(END).remove(0);
    let mut impatient = ann.clone();
    ann.send(form.clone()).await.says("You are logged out.");
    assert_eq!(site.count("sessions").await, 0);
    assert!(!ann.cookies.contains_key("session"));
    assert_eq!(impatient.submit(form).await.is(303).header("location"), "/login?because=logged-out");
}

#[tokio::test]
async fn nobody_ends_the_session_of_somebody_else() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let mut eve = site.user("eve@example.com").await;
    let anns = ann.open(PAGE).await.forms(END)[0].value("session");
    let form = eve.open(PAGE).await.forms(END).remove(0);
    for id in [anns.as_str(), "", "nonsense", &"A".repeat(43)] {
        eve.submit(form.clone().forge("session", id)).await.is(404).says("There is no such page");
    }
    assert_eq!(ann.open(PAGE).await.path(), PAGE);
    assert_eq!(site.count("activity where kind = 'session_ended'").await, 0);
    // What was refused was not accepted: the form is still good for one's own.
    eve.submit(form).await.is(303);
}

#[tokio::test]
async fn all_others_are_ended_at_once_and_only_ones_own() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let mut bob = site.user("bob@example.com").await;
    begin_many(&site, "ann@example.com", 3).await;
    let form = ann.open(PAGE).await.form(END_OTHERS);
    for _ in 0..2 {
        let page = ann.send(form.clone()).await;
        page.says("You are logged out everywhere else.");
        assert!(page.forms(END_OTHERS).is_empty());
    }
    assert_eq!(site.count("sessions").await, 2);
    assert_eq!(bob.open(PAGE).await.path(), PAGE);
    assert_eq!(site.count("activity where kind = 'other_sessions_ended'").await, 1);
}

#[tokio::test]
async fn an_old_tab_ends_nothing_of_somebody_elses() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    site.user("bob@example.com").await;
    elsewhere(&site, "ann@example.com", "phone").await;
    let tab = ann.open(PAGE).await;
    ann.log_out().await;
    ann.log_in("bob@example.com").await;
    let before = site.count("sessions").await;
    for form in [tab.forms(END).remove(0), end_first(&tab), tab.form(END_OTHERS)] {
        ann.submit(form).await.is(409).says("You are somebody else here by now");
    }
    assert_eq!(site.count("sessions").await, before);
}

#[tokio::test]
async fn twenty_stand_on_a_page_also_where_all_were_begun_at_once() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    begin_many(&site, "ann@example.com", 45).await;
    let (mut address, mut seen) = (PAGE.to_owned(), Vec::new());
    for expected in [20, 20, 5] {
        let page = ann.open(&address).await;
        let ids: Vec<_> = page.forms(END)[1..].iter().map(|form| form.value("session")).collect();
        assert_eq!(ids.len(), expected);
        seen.extend(ids);
        let older = page.attributes("main .links a", "href").into_iter().find(|link| link.contains("before"));
        assert_eq!(older.is_some(), expected == 20);
        assert_eq!(page.has("main .links a[href='/profile/sessions']"), address != PAGE);
        address = older.unwrap_or_default();
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 45);
}

#[tokio::test]
async fn a_page_begins_where_the_last_one_ended_also_when_that_session_is_over() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    begin_many(&site, "ann@example.com", 25).await;
    let page = ann.open(PAGE).await;
    let older = page.attribute("main .links a", "href");
    ann.submit(page.forms(END).pop().expect("a session")).await.is(303);
    assert_eq!(ann.open(&older).await.forms(END).len(), 1 + 5);
}

#[tokio::test]
async fn what_is_no_place_in_the_list_is_no_page() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    for place in ["", "x", "1.x", "9223372036854775807.AAAA", "-1.", "99999999999999999999.x"] {
        ann.get(&format!("{PAGE}?before={place}")).await.is(404);
    }
    for microseconds in ["9223372036854775807", "-300000000000000000"] {
        ann.get(&format!("{PAGE}?before={microseconds}.{}", "A".repeat(43))).await.is(404);
    }
}

#[tokio::test]
async fn one_that_ran_out_is_not_shown() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    begin_many(&site, "ann@example.com", 1).await;
    site.sql("update sessions set expires_at = '2026-01-02' where user_agent = 'Session 1'").await;
    ann.open(PAGE).await.says("You are logged in nowhere else.");
}

#[tokio::test]
async fn what_a_browser_calls_itself_is_shown_as_text() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    elsewhere(&site, "ann@example.com", "<b>Firefox/1 Windows</b>").await;
    let page = ann.open(PAGE).await;
    page.says("Firefox on Windows");
    page.does_not_say("<b>Firefox");
}

#[tokio::test]
async fn whoever_is_logged_out_logs_in_first_and_comes_back_to_the_page() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    for button in [END, END_OTHERS] {
        assert_eq!(ann.open(button).await.path(), PAGE);
    }
    let mut nobody = site.visitor();
    for button in [END, END_OTHERS] {
        let next = nobody.post(button, "").await.is(303).header("location").to_owned();
        assert!(next.starts_with("/login?because=nothing-saved&next=%2Fprofile%2Fsessions%2Fend"), "{next}");
    }
    assert_eq!(site.count("sessions").await, 1);
}
