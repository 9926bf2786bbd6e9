//! `/profile/delete`: how somebody goes, how that is taken back, and what is left afterwards.

use time::Duration;
use vestibule::{
    accounts::{
        deletion, devices, email_changes, generated_passwords, notices, registrations,
        sessions::{self, NewSession},
    },
    domain::{AccountId, Client, Token, TokenHash, UserId},
    mail,
    platform::database,
};

use crate::support::{Act, Form, NEW_PASSWORD, PASSWORD, Site, Stage, Visitor, until};

const PAGE: &str = "/profile/delete";
const ANN: &str = "ann@example.com";

/// Opens the page and types the password.
async fn filled_in(visitor: &mut Visitor, password: &str) -> Form {
    visitor.open(PAGE).await.form(PAGE).fill("current_password", password)
}

/// The notice of a deletion, once its letter has come.
async fn notice(site: &Site, number: usize) -> String {
    let letters = site.sink.letters_to(ANN, number).await;
    letters.last().expect("a letter").text()
}

#[tokio::test]
async fn who_is_being_deleted_is_logged_out_everywhere_and_told_by_a_letter() {
    let site = Site::start().await;
    let mut ann = site.user(ANN).await;
    let mut phone = site.visitor();
    phone.log_in(ANN).await;
    let page = ann.open(PAGE).await;
    page.is(200).says("You have 7 days to take it back");
    assert!(!page.form(PAGE).has("scope"));
    let answer = ann.ask_for_deletion().await;
    assert_eq!(answer.is(303).header("location"), "/login?because=deletion");
    assert!(!ann.cookies.contains_key("session"));
    assert_eq!(phone.open("/profile").await.path(), "/login");
    assert_eq!(site.count("sessions").await, 0);
    let letter = notice(&site, 2).await;
    assert!(letter.contains("Until then you can take that back by logging in"), "{letter}");
}

#[tokio::test]
async fn logging_in_takes_it_back_and_says_so() {
    let site = Site::start().await;
    let mut ann = site.user(ANN).await;
    ann.ask_for_deletion().await;
    site.let_pass(deletion::GRACE - Duration::minutes(1)).await;
    assert_eq!(site.purge_deletions().await, 0);
    site.visitor().try_password(ANN, "wrong").await.is(422);
    assert_eq!(site.count("users where deletion_due_at is not null").await, 1);
    let page = ann.log_in(ANN).await;
    assert_eq!(page.address, "/profile?because=deletion-taken-back");
    page.says("By logging in you took that back");
    site.let_pass(deletion::GRACE).await;
    assert_eq!(site.purge_deletions().await, 0);
    let said = ann.log_in(ANN).await;
    said.does_not_say("took that back");
    let page = ann.open("/profile/activity").await;
    page.says("The deletion of all your data here was taken back. They stay.");
    page.says("The deletion of all your data here was asked for");
}

#[tokio::test]
async fn the_password_that_recovery_mails_takes_it_back_too() {
    let site = Site::start().await;
    let mut ann = site.user(ANN).await;
    ann.ask_for_deletion().await.is(303);
    ann.recover(ANN).await;
    let generated = site.letter(ANN, NEW_PASSWORD, 0).await.password();
    let page = site.visitor().try_password(ANN, &generated).await;
    assert_eq!(page.address, "/profile?because=deletion-taken-back");
    assert_eq!(site.count("users where deletion_due_at is not null").await, 0);
}

#[tokio::test]
async fn after_the_grace_everything_goes_and_the_address_is_free() {
    let site = Site::start().await;
    let mut ann = site.user(ANN).await;
    site.user("bob@example.com").await;
    let bobs = site
        .sql("select * from activity where user_id = (select id from users where email like 'bob%')")
        .await;
    ann.ask_for_deletion().await;
    notice(&site, 2).await;
    site.letters_are(ANN, &["handed_over", "handed_over"]).await;
    site.let_pass(deletion::GRACE + Duration::minutes(1)).await;
    assert_eq!(site.purge_deletions().await, 1);
    assert_eq!(site.purge_deletions().await, 0);
    for table in ["users", "accounts", "known_devices", "registrations"] {
        assert_eq!(site.count(table).await, 1, "{table}");
    }
    assert_eq!(site.count("notices").await, 0);
    assert_eq!(site.sql("select * from activity").await, bobs);
    // What is left are rows that the retention table names.
    let left = site
        .sql("select kind, recipient, state from letters where recipient = 'ann@example.com' order by kind")
        .await;
    assert_eq!(left, ["(notice,ann@example.com,handed_over)", "(registration,ann@example.com,handed_over)"]);
    let words: Vec<String> =
        site.dump().await.lines().filter(|line| line.contains(ANN)).map(str::to_owned).collect();
    assert_eq!(words.len(), 2, "{words:?}");
    site.visitor().try_password(ANN, PASSWORD).await.is(422);
    let mut again = site.visitor();
    again.register(ANN, PASSWORD).await;
    let link = site.sink.letters_to(ANN, 3).await.pop().expect("a letter").link();
    assert_eq!(again.confirm(&link).await.path(), "/profile");
}

#[tokio::test]
async fn a_letter_that_is_under_way_when_its_user_goes_is_owed_no_more() {
    let site = Site::start().await;
    let mut ann = site.user(ANN).await;
    site.sink.always(Stage::Data, Act::Say("451 4.3.0 later"));
    ann.ask_for_deletion().await;
    site.letters_are(ANN, &["handed_over", "delayed"]).await;
    // The site's clock stays: a worker that woke when the grace is over would give the letter up.
    let mut connection = site.database.pool().acquire().await.expect("a connection");
    let later = site.clock.now() + deletion::GRACE + Duration::minutes(1);
    assert_eq!(deletion::purge(&mut connection, later).await.expect("a purge"), 1);
    site.sink.behave();
    site.let_pass(Duration::hours(1)).await;
    site.letters_are(ANN, &["handed_over"]).await;
    assert_eq!(site.sink.letters_to(ANN, 1).await.len(), 1);
}

#[tokio::test]
async fn any_number_of_instances_delete_at_once_and_one_that_dies_in_the_middle_loses_nothing() {
    let site = Site::start().await;
    let mut ann = site.user(ANN).await;
    for email in ["bob@example.com", "eve@example.com"] {
        site.user(email).await;
    }
    site.sql("update users set deletion_due_at = '2026-01-01'").await;
    // One that holds ann and dies.
    let mut dying = site.database.pool().begin().await.expect("a transaction");
    sqlx::query("delete from users where email = 'ann@example.com'")
        .execute(&mut *dying)
        .await
        .expect("a deletion");
    let (one, other) = tokio::join!(site.purge_deletions(), site.purge_deletions());
    assert_eq!(one + other, 2, "the others are not waited for");
    drop(dying);
    until("the last one", async || (site.purge_deletions().await == 1).then_some(())).await;
    assert_eq!(site.count("activity").await, 0);
    assert_eq!(ann.open("/profile").await.path(), "/login");
}

#[tokio::test]
async fn a_user_of_whom_much_is_known_goes_within_the_time_of_a_statement() {
    let site = Site::start().await;
    site.user(ANN).await;
    site.sql(
        "insert into activity (id, user_id, happened_at, kind)
         select gen_random_uuid(), id, '2026-01-01', 'logged_in' from users, generate_series(1, 100000)",
    )
    .await;
    site.sql("update users set deletion_due_at = '2026-01-01'").await;
    // The site's own kind of connection: its database refuses what takes longer.
    let pool = database::connect(site.database.connect_options(), 0).await.expect("its database");
    let mut connection = pool.acquire().await.expect("a connection");
    let limit: String =
        sqlx::query_scalar("show statement_timeout").fetch_one(&mut *connection).await.expect("a setting");
    assert_eq!(limit, "10s");
    assert_eq!(deletion::purge(&mut connection, site.clock.now()).await.expect("a purge"), 1);
    assert_eq!(site.count("activity").await, 0);
}

#[tokio::test]
async fn who_can_still_undo_a_change_of_address_is_kept_until_then() {
    let site = Site::start().await;
    let mut ann = site.user(ANN).await;
    ann.ask_for_email("ann@new.example").await.is(303);
    let link = site.email_link("ann@new.example", 0).await;
    site.all_settled().await;
    // The notice of the change is given up a day later, and from then on it can be answered for its time.
    site.sink.always(Stage::Rcpt, Act::Say("450 4.2.1 come back later"));
    let form = ann.open(&link).await.form("/profile/email/confirm");
    ann.submit(form).await.is(303);
    site.letters_are(ANN, &["handed_over", "delayed"]).await;
    ann.ask_for_deletion().await.is(303);
    site.letters_are("ann@new.example", &["handed_over", "delayed"]).await;
    let day = Duration::hours(25);
    site.let_pass(day).await;
    site.all_settled().await;
    site.let_pass(deletion::GRACE - day + Duration::minutes(1)).await;
    assert_eq!(site.purge_deletions().await, 0);
    site.let_pass(day).await;
    assert_eq!(site.purge_deletions().await, 1);
}

#[tokio::test]
async fn a_log_in_that_is_under_way_when_the_deletion_is_asked_makes_no_session() {
    let site = Site::start().await;
    site.user(ANN).await;
    let text =
        async |column: &str| site.sql(&format!("select {column} from users, accounts")).await[0].clone();
    let id = async |column: &str| text(column).await.trim_matches(['(', ')']).parse().expect("an id");
    let hash: String = sqlx::query_scalar("select password_hash from users")
        .fetch_one(&site.database.pool())
        .await
        .expect("a hash");
    // Its password was right before the deletion was asked for.
    let new = NewSession {
        user_id: UserId(id("users.id").await),
        account_id: AccountId(id("accounts.id").await),
        proved: TokenHash::of(hash.as_bytes()),
        device: Token::random().hash(),
        remember: false,
        client: Client { address: [192, 0, 2, 7].into(), user_agent: String::new() },
    };
    let mut connection = site.database.pool().acquire().await.expect("a connection");
    let mut insert = async || {
        let id = Token::random().hash();
        sessions::insert(&mut connection, id, &new, site.clock.now()).await.expect("a statement");
        site.count("sessions").await
    };
    assert_eq!(insert().await, 2);
    site.sql("update users set deletion_due_at = '2100-01-01'").await;
    assert_eq!(insert().await, 2);
}

#[tokio::test]
async fn the_form_that_is_sent_twice_is_answered_alike_also_by_nobody() {
    let site = Site::start().await;
    let mut ann = site.user(ANN).await;
    let form = filled_in(&mut ann, PASSWORD).await;
    let mut impatient = ann.clone();
    let mut other_press = ann.clone();
    let (one, other) = tokio::join!(ann.submit(form.clone()), other_press.submit(form.clone()));
    for answer in [one, other] {
        assert_eq!(answer.is(303).header("location"), "/login?because=deletion");
    }
    for visitor in [&mut ann, &mut impatient] {
        let answer = visitor.submit(form.clone()).await;
        assert_eq!(answer.is(303).header("location"), "/login?because=deletion");
    }
    assert_eq!(site.count("activity where kind = 'deletion_asked'").await, 1);
    assert_eq!(site.count("notices").await, 1);
    let answer = site.visitor().post(PAGE, "current_password=x").await;
    assert_eq!(answer.is(303).header("location"), "/login?because=nothing-saved&next=%2Fprofile%2Fdelete");
}

#[tokio::test]
async fn the_password_is_asked_and_a_wrong_one_counts_and_deletes_nothing() {
    let site = Site::start().await;
    let mut ann = site.user(ANN).await;
    let form = ann.open(PAGE).await.form(PAGE);
    assert_eq!(ann.submit(form).await.is(422).complaints()[0].1, "Enter your current password.");
    for _ in 0..20 {
        let form = filled_in(&mut ann, "wrong").await;
        assert_eq!(ann.submit(form).await.is(422).complaints()[0].1, "This is not your current password.");
    }
    let page = ann.ask_for_deletion().await;
    assert_eq!(page.is(422).complaints()[0].0, "captcha_answer");
    assert_eq!(site.count("users where deletion_due_at is null").await, 1);
    assert_eq!(site.count("letters where kind = 'notice'").await, 0);
    let form = ann.solve(page.form(PAGE)).await.fill("current_password", PASSWORD);
    assert_eq!(ann.submit(form).await.is(303).header("location"), "/login?because=deletion");
}

#[tokio::test]
async fn an_old_tab_deletes_nothing_of_somebody_elses() {
    let site = Site::start().await;
    let mut ann = site.user(ANN).await;
    site.user("bob@example.com").await;
    let form = filled_in(&mut ann, PASSWORD).await;
    ann.log_out().await;
    ann.log_in("bob@example.com").await;
    ann.submit(form).await.is(409).says("You are somebody else here by now");
    assert_eq!(site.count("users where deletion_due_at is null").await, 2);
}

#[tokio::test]
async fn who_has_both_types_chooses_and_is_told_all_that_is_wrong_at_once() {
    let site = Site::start().await;
    let mut ann = site.user(ANN).await;
    site.give_customer_account(ANN).await;
    let form = ann.open(PAGE).await.form(PAGE);
    assert_eq!(form.choices("scope"), ["account", "user"]);
    let complaints = ann.submit(form).await.is(422).complaints();
    let fields: Vec<_> = complaints.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["scope", "current_password"]);
    let form = filled_in(&mut ann, PASSWORD).await.forge("scope", "everybody");
    assert_eq!(ann.submit(form).await.is(422).complaints()[0].1, "Choose what is to be deleted.");
    let form = filled_in(&mut ann, "wrong").await.choose("scope", "user");
    let page = ann.submit(form).await;
    assert_eq!(page.is(422).form(PAGE).value("scope"), "user");
    let form = page.form(PAGE).fill("current_password", PASSWORD);
    assert_eq!(ann.submit(form).await.is(303).header("location"), "/login?because=deletion");
}

#[tokio::test]
async fn one_of_two_accounts_is_hidden_at_once_and_its_sessions_go_on_as_the_other() {
    let site = Site::start().await;
    let mut ann = site.user(ANN).await;
    let mut phone = site.visitor();
    phone.log_in(ANN).await;
    site.give_customer_account(ANN).await;
    let old_tab = phone.open("/profile/sessions").await;
    let form = filled_in(&mut ann, PASSWORD).await.choose("scope", "account");
    let page = ann.send(form.clone()).await;
    assert_eq!(page.address, "/profile/accounts?because=account-deletion");
    page.says("The account is hidden.");
    assert!(page.text("header .here").contains("customer"));
    ann.submit(form).await.is(303);
    assert!(phone.open("/profile").await.text("header .here").contains("customer"));
    phone.submit(old_tab.forms("/profile/sessions/end").remove(1)).await.is(409);
    assert!(
        notice(&site, 2).await.contains("Of your two accounts at Vestibule the artist account is hidden")
    );
    assert_eq!(site.count("activity where kind = 'account_deletion_asked'").await, 1);
    // The last one goes with its user alone.
    assert!(!ann.open(PAGE).await.form(PAGE).has("scope"));
    // Whoever logs in is the other, and takes nothing back.
    let mut again = site.visitor();
    assert_eq!(again.log_in(ANN).await.address, "/profile");
    assert!(again.open("/profile").await.text("header .here").contains("customer"));
    site.let_pass(deletion::GRACE + Duration::minutes(1)).await;
    assert_eq!(site.purge_deletions().await, 1);
    assert_eq!(site.sql("select account_type from accounts").await, ["(customer)"]);
    assert_eq!(site.count("users").await, 1);
    let mut ann = site.visitor();
    assert_eq!(ann.log_in(ANN).await.path(), "/profile");
}

#[tokio::test]
async fn a_session_that_was_begun_for_an_account_just_hidden_leads_to_log_in() {
    let site = Site::start().await;
    let mut ann = site.user(ANN).await;
    site.give_customer_account(ANN).await;
    site.sql("update accounts set deletion_due_at = '2100-01-01' where account_type = 'artist'").await;
    assert_eq!(ann.open("/profile").await.path(), "/login");
    assert_eq!(ann.log_in(ANN).await.path(), "/profile");
}

#[tokio::test]
async fn the_readme_says_how_long_what_is_kept() {
    let readme = include_str!("../../README.md");
    let (_, table) = readme.split_once("## What is kept").expect("the retention table");
    let (table, _) = table.split_once("\n## ").expect("a next section");
    let days = |time: Duration| format!("{} days", time.whole_days());
    let hours = |time: Duration| format!("{} hours", time.whole_hours());
    for (row, lasts) in [
        ("users and their accounts", days(deletion::GRACE)),
        ("registrations", days(registrations::LIFETIME)),
        ("letters", days(mail::KEPT)),
        ("sessions", days(sessions::REMEMBERED)),
        ("sessions", hours(sessions::NOT_REMEMBERED)),
        ("devices", days(devices::LIFETIME)),
        ("generated passwords", hours(generated_passwords::LIFETIME)),
        ("notices", days(notices::LIFETIME)),
        ("changes of address", days(email_changes::LIFETIME)),
    ] {
        let line = table.lines().find(|line| line.starts_with(&format!("| {row}")));
        let line = line.unwrap_or_else(|| panic!("{row} is not in the table"));
        assert!(line.contains(&lasts), "{lasts}: {line}");
    }
}
