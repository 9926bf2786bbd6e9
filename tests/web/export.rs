//! `/profile/export`: everything that we hold on somebody, as one file.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{PASSWORD, Page, Site, Visitor, until};

const PAGE: &str = "/profile/export";

/// Opens the page and proves the password.
async fn export(visitor: &mut Visitor, password: &str) -> Page {
    let form = visitor.open(PAGE).await.form(PAGE).fill("current_password", password);
    visitor.submit(form).await
}

/// The document as it is read.
#[track_caller]
fn read(page: &Page) -> Value {
    serde_json::from_str(&page.is(200).body).expect("JSON")
}

/// Somebody of whom there is something to tell in every part of the document.
async fn user_with_everything(site: &Site) -> Visitor {
    let mut ann = site.user("ann@example.com").await;
    for (old, new) in [(PASSWORD, "blue Giraffe 8"), ("blue Giraffe 8", PASSWORD)] {
        ann.change_password(old, new).await.is(200);
    }
    ann.ask_for_email("ann@example.org").await.is(303);
    let form = ann.open("/support").await.form("/support").fill("message", "Where is my money?");
    ann.submit(form).await.is(303);
    site.all_settled().await;
    ann
}

#[tokio::test]
async fn it_is_a_file_for_its_owner_that_nobody_keeps_and_it_is_written_down() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let page = export(&mut ann, PASSWORD).await;
    let document = read(&page);
    assert_eq!(page.header("content-type"), "application/json");
    assert_eq!(page.header("content-disposition"), "attachment; filename=\"vestibule-data.json\"");
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(document["user"]["email"], "ann@example.com");
    assert_eq!(document["accounts"][0]["region_id"], "DE-BY");
    assert_eq!(document["sessions"][0]["is_this_one"], true);
    let kinds: Vec<_> =
        document["activity"].as_array().expect("a list").iter().map(|one| &one["kind"]).collect();
    assert_eq!(kinds, ["data_exported", "logged_in", "registered"]);
    ann.open("/profile/activity").await.says("Your data were downloaded.");
}

#[tokio::test]
async fn its_shape_is_the_one_that_is_documented() {
    let site = Site::start().await;
    let document = read(&export(&mut user_with_everything(&site).await, PASSWORD).await);
    let mut written = BTreeSet::new();
    for (member, value) in document.as_object().expect("an object") {
        written.insert(member.clone());
        let first = if value.is_array() { value.get(0) } else { Some(value) };
        let parts = first.unwrap_or_else(|| panic!("there is none of {member}")).as_object();
        written
            .extend(parts.into_iter().flat_map(|parts| parts.keys()).map(|part| format!("{member}.{part}")));
    }
    let described = include_str!("../../docs/export.md");
    let mut documented = BTreeSet::new();
    let mut section = String::new();
    for line in described.lines() {
        if let Some(title) = line.strip_prefix("## `") {
            section = format!("{}.", title.trim_end_matches('`'));
        } else if let Some((member, _)) = line.strip_prefix("| `").and_then(|rest| rest.split_once('`')) {
            documented.insert(format!("{section}{member}"));
        }
    }
    assert_eq!(written, documented);
    assert!(described.contains(&format!("shape, version {}", document["version"])));
}

#[tokio::test]
async fn no_secret_and_no_hash_of_one_is_in_it_and_nothing_of_anybody_else() {
    let site = Site::start().await;
    site.user("eve@example.com").await;
    let mut ann = user_with_everything(&site).await;
    let document = export(&mut ann, PASSWORD).await.body;
    for secret in [PASSWORD, &ann.cookie("session"), &ann.cookie("device"), "argon2", "eve@example.com"] {
        assert!(!document.contains(secret), "{secret}: {document}");
    }
    for column in [
        "sessions.id_hash",
        "devices.token_hash",
        "confirmation_tokens.token_hash",
        "email_change_tokens.token_hash",
        "notice_tokens.token_hash",
    ] {
        let (table, column) = column.split_once('.').expect("a column");
        for hash in site.sql(&format!("select encode({column}, 'hex') from {table}")).await {
            assert!(!document.contains(hash.trim_matches(['(', ')'])), "{table}: {document}");
        }
    }
}

#[tokio::test]
async fn the_password_is_asked_and_a_wrong_one_counts() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let form = ann.open(PAGE).await.form(PAGE);
    let complaints = ann.submit(form).await.is(422).complaints();
    assert_eq!(complaints, [("current_password".to_owned(), "Enter your current password.".to_owned())]);
    for _ in 0..10 {
        let page = export(&mut ann, "wrong").await;
        let complaint = "This is not your current password.".to_owned();
        assert_eq!(page.is(422).complaints(), [("current_password".to_owned(), complaint)]);
        assert_eq!(page.form(PAGE).value("current_password"), "");
    }
    assert_eq!(site.count("budget_events where budget = 'device_failures'").await, 10);
    assert_eq!(site.count("activity where kind = 'data_exported'").await, 0);
    // From now on the browser counts as unknown, and log in knows of these failures too.
    for _ in 0..10 {
        export(&mut ann, "wrong").await.is(422);
    }
    let page = export(&mut ann, PASSWORD).await;
    assert_eq!(page.is(422).complaints()[0].0, "captcha_answer");
    let page = ann.send(page.form(PAGE).press("new_captcha")).await;
    assert!(page.is(200).complaints().is_empty());
    let form = ann.solve(page.form(PAGE)).await.fill("current_password", PASSWORD);
    read(&ann.submit(form).await);
}

#[tokio::test]
async fn an_old_tab_gets_nothing_of_somebody_elses() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    site.user("bob@example.com").await;
    let form = ann.open(PAGE).await.form(PAGE).fill("current_password", PASSWORD);
    ann.log_out().await;
    let page = ann.submit(form.clone()).await;
    assert_eq!(page.is(303).header("location"), "/login?because=nothing-saved&next=%2Fprofile%2Fexport");
    ann.log_in("bob@example.com").await;
    ann.submit(form).await.is(409).does_not_say("vestibule-data");
    assert_eq!(site.count("activity where kind = 'data_exported'").await, 0);
}

#[tokio::test]
async fn it_is_whole_however_much_happened() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    site.sql(
        "insert into activity (id, user_id, happened_at, kind)
         select gen_random_uuid(), id, '2026-01-01', 'logged_in' from users, generate_series(1, 2500)",
    )
    .await;
    let document = read(&export(&mut ann, PASSWORD).await);
    let ids: BTreeSet<_> =
        document["activity"].as_array().expect("a list").iter().map(|one| one["id"].to_string()).collect();
    assert_eq!(ids.len(), 2503);
}

#[tokio::test]
async fn sent_twice_it_is_given_twice() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let form = ann.open(PAGE).await.form(PAGE).fill("current_password", PASSWORD);
    read(&ann.submit(form.clone()).await);
    read(&ann.submit(form).await);
}

#[tokio::test]
async fn the_button_can_be_pressed_again_after_the_download() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let browser = site.signed_in_browser("ann@example.com", PAGE).await;
    browser.type_into("#current_password", PASSWORD).await;
    browser.click("main button.main").await;
    browser.says("main button.main", "Sending…").await;
    let exported = async |number: i64| {
        until("the download", async || {
            (site.count("activity where kind = 'data_exported'").await == number).then_some(())
        })
        .await;
    };
    exported(1).await;
    browser.says("main button.main", "Download").await;
    browser.says("[data-downloaded]", "Your browser has the file").await;
    browser.type_into("#current_password", PASSWORD).await;
    browser.click("main button.main").await;
    exported(2).await;
}
