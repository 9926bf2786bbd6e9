//! What was ended or voided while a request waited for its turn does not count any more.

use sqlx::{AssertSqlSafe, Postgres, Transaction};
use time::Duration;
use vestibule::accounts::{
    notices::{self, NewNotice, NoticeKind},
    users::{self, Holder},
};
use vestibule::domain::{Client, EmailAddress};

use crate::support::{PASSWORD, Page, Site, until};

const ADDRESS: &str = "ann@example.com";

/// A transaction that holds everybody, so that whoever changes a user waits.
async fn hold(site: &Site) -> Transaction<'static, Postgres> {
    let mut tx = site.database.pool().begin().await.expect("a transaction");
    sqlx::query("select from users for update").execute(&mut *tx).await.expect("users");
    tx
}

/// Does this once a request waits for those who are held, and lets it go on.
async fn meanwhile(site: &Site, mut tx: Transaction<'static, Postgres>, statement: &str) {
    until("a request that waits", async || (waiting(site).await > 0).then_some(())).await;
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut *tx).await.expect(statement);
    tx.commit().await.expect("a commit");
}

/// How many requests wait for a lock.
async fn waiting(site: &Site) -> i64 {
    site.count("pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'").await
}

async fn together(request: impl Future<Output = Page>, other: impl Future<Output = ()>) -> Page {
    tokio::join!(request, other).0
}

#[tokio::test]
async fn a_session_that_was_ended_meanwhile_confirms_no_address() {
    let site = Site::start().await;
    let mut thief = site.user(ADDRESS).await;
    thief.ask_for_email("b@example.com").await.is(303);
    let link = site.email_link("b@example.com", 0).await;
    let form = thief.open(&link).await.form("/profile/email/confirm");
    let tx = hold(&site).await;
    let page = together(thief.submit(form), meanwhile(&site, tx, "delete from sessions")).await;
    assert_eq!(page.is(422).complaints()[0].0, "current_password");
    assert_eq!(site.addresses().await, [format!("({ADDRESS})")]);
}

#[tokio::test]
async fn a_mailed_password_that_was_voided_meanwhile_opens_nothing() {
    let site = Site::start().await;
    site.user(ADDRESS).await;
    let mailed = site.recovered(ADDRESS).await;
    let mut stranger = site.visitor();
    let form = stranger.open("/login").await.form("/login").fill("email", ADDRESS).fill("password", &mailed);
    let sessions = site.count("sessions").await;
    let tx = hold(&site).await;
    together(stranger.submit(form), meanwhile(&site, tx, "delete from generated_passwords")).await;
    assert_eq!(stranger.open("/profile").await.path(), "/login");
    assert_eq!(site.count("sessions").await, sessions);
    assert_eq!(site.count("users where password_is_generated").await, 0);
    assert_eq!(site.visitor().log_in(ADDRESS).await.path(), "/profile");
}

#[tokio::test]
async fn notices_stand_in_the_order_in_which_they_were_done_whenever_each_was_begun() {
    let site = Site::start().await;
    site.user(ADDRESS).await;
    let email = EmailAddress::parse(ADDRESS).expect("an address");
    let client = Client { address: [192, 0, 2, 1].into(), user_agent: String::new() };
    let mut tx = site.database.pool().begin().await.expect("a transaction");
    let now = site.clock.now();
    let Some(Holder::User(user)) = users::holder(&mut tx, &email, now).await.expect("an answer") else {
        panic!("nobody has {ADDRESS}");
    };
    for (kind, begun) in
        [(NoticeKind::EmailChanged, now), (NoticeKind::PasswordChanged, now - Duration::minutes(1))]
    {
        let notice = NewNotice {
            user_id: user.id,
            kind,
            to: &email,
            client: &client,
            password_hash: &user.password_hash,
        };
        notices::send(&mut tx, &notice, begun).await.expect("a notice");
    }
    tx.commit().await.expect("a commit");
    let kinds = site.sql("select kind from notices order by happened_at").await;
    assert_eq!(kinds, ["(email_changed)", "(password_changed)"]);
}

#[tokio::test]
async fn details_that_are_saved_while_an_account_is_being_deleted_are_saved_or_refused() {
    let site = Site::start().await;
    let mut ann = site.user(ADDRESS).await;
    site.give_customer_account(ADDRESS).await;
    let delete = ann.open("/profile/delete").await.form("/profile/delete");
    let delete = delete.choose("scope", "account").fill("current_password", PASSWORD);
    let save = ann.open("/profile/details").await.form("/profile/details").fill("display_name", "Ann");
    let mut other = ann.clone();
    let mut tx = site.database.pool().begin().await.expect("a transaction");
    sqlx::query("select from accounts for update").execute(&mut *tx).await.expect("accounts");
    let both = async { tokio::join!(ann.submit(delete), other.submit(save)) };
    let release = async {
        until("both to wait", async || (waiting(&site).await >= 2).then_some(())).await;
        tx.commit().await.expect("a commit");
    };
    let ((deleted, saved), ()) = tokio::join!(both, release);
    assert!([303, 409].contains(&deleted.status.as_u16()), "{}", deleted.body);
    assert!([303, 404, 409].contains(&saved.status.as_u16()), "{}", saved.body);
}
