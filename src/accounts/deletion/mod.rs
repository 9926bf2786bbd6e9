//! How somebody goes: asked for at any time, taken back within the grace, and then gone, save what the
//! README's retention table names.
//!
//! A user in their grace is logged out, and takes it back by logging in; one of two accounts is hidden
//! at once, and taken back by a button. A change of address that can still be undone keeps its user.

mod letter;

pub use letter::DeletionByOperatorsLetter;

use sqlx::{Connection, PgConnection};
use time::{Duration, OffsetDateTime};

use super::{
    activity::{self, Event},
    notices::{self, NewNotice, NoticeKind},
    sessions,
    users::User,
};
use crate::{
    domain::{AccountId, AccountType, Client, UserId},
    mail,
};

/// How long a deletion can be taken back.
pub const GRACE: Duration = Duration::days(7);

/// Begins a user's grace, in a transaction that holds the user: their sessions end, and they are told.
/// Returns false, and changes nothing, where it has begun already.
pub async fn ask(
    connection: &mut PgConnection,
    user: &User,
    client: &Client,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    if user.deletion_due_at.is_some() {
        return Ok(false);
    }
    begin(connection, user.id, now + GRACE).await?;
    activity::record(connection, user.id, &Event::DeletionAsked, Some(client), now).await?;
    tell(connection, user, NoticeKind::DeletionAsked, client, now).await?;
    Ok(true)
}

/// The same, asked for by operators. Changes nothing where the grace has begun already.
pub async fn ask_by_operators(
    connection: &mut PgConnection,
    user: &User,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    if user.deletion_due_at.is_some() {
        return Ok(());
    }
    begin(connection, user.id, now + GRACE).await?;
    activity::record(connection, user.id, &Event::DeletionAskedByOperators, None, now).await?;
    mail::enqueue::<DeletionByOperatorsLetter>(connection, &user.email, Some(user.id.0), now).await?;
    Ok(())
}

/// Deletes a user at once, with everything of theirs, whether or not an address is kept for them; by operators,
/// in a transaction that holds the user. They are told.
pub async fn delete_at_once(
    connection: &mut PgConnection,
    user: &User,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    begin(connection, user.id, now).await?;
    let_users_go(connection, now).await?;
    sqlx::query!("delete from users where id = $1", user.id as UserId).execute(&mut *connection).await?;
    mail::enqueue::<DeletionByOperatorsLetter>(connection, &user.email, Some(user.id.0), now).await?;
    Ok(())
}

async fn begin(connection: &mut PgConnection, user: UserId, due: OffsetDateTime) -> sqlx::Result<()> {
    sqlx::query!("update users set deletion_due_at = $2 where id = $1", user as UserId, due)
        .execute(&mut *connection)
        .await?;
    sessions::end_all(connection, user, None).await?;
    Ok(())
}

/// Ends a user's grace, in a transaction: they stay. Returns false where there is none.
pub async fn take_back(
    connection: &mut PgConnection,
    user: UserId,
    client: &Client,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let taken_back = sqlx::query!(
        "update users set deletion_due_at = null where id = $1 and deletion_due_at is not null",
        user as UserId
    )
    .execute(&mut *connection)
    .await?;
    let is_taken_back = taken_back.rows_affected() == 1;
    if is_taken_back {
        activity::record(connection, user, &Event::DeletionTakenBack, Some(client), now).await?;
    }
    Ok(is_taken_back)
}

/// Begins the grace of one of a user's two accounts, in a transaction that holds the user. It is hidden at
/// once, and whoever is logged in to it goes on as the other. Returns false, and changes nothing, where
/// it is the only one that is left.
pub async fn ask_for_account(
    connection: &mut PgConnection,
    user: &User,
    account: AccountId,
    client: &Client,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let row = sqlx::query!(
        r#"update accounts set deletion_due_at = $3
           from accounts as other
           where accounts.id = $2 and accounts.user_id = $1 and accounts.deletion_due_at is null
               and other.user_id = $1 and other.id <> $2 and other.deletion_due_at is null
           returning accounts.account_type as "account_type: AccountType", other.id as "other: AccountId""#,
        user.id as UserId,
        account as AccountId,
        now + GRACE,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(false) };
    sqlx::query!(
        "update sessions set account_id = $2 where account_id = $1",
        account as AccountId,
        row.other as AccountId,
    )
    .execute(&mut *connection)
    .await?;
    let event = Event::AccountDeletionAsked { account_type: row.account_type };
    activity::record(connection, user.id, &event, Some(client), now).await?;
    tell(connection, user, NoticeKind::account_deletion(row.account_type), client, now).await?;
    Ok(true)
}

/// Ends the grace of all of a user's accounts that are in theirs, in a transaction; returns how many stay.
pub async fn take_back_accounts(
    connection: &mut PgConnection,
    user: UserId,
    client: &Client,
    now: OffsetDateTime,
) -> sqlx::Result<usize> {
    let types = sqlx::query_scalar!(
        r#"update accounts set deletion_due_at = null where user_id = $1 and deletion_due_at is not null
           returning account_type as "account_type: AccountType""#,
        user as UserId,
    )
    .fetch_all(&mut *connection)
    .await?;
    for account_type in &types {
        let event = Event::AccountDeletionTakenBack { account_type: *account_type };
        activity::record(connection, user, &event, Some(client), now).await?;
    }
    Ok(types.len())
}

async fn tell(
    connection: &mut PgConnection,
    user: &User,
    kind: NoticeKind,
    client: &Client,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let notice =
        NewNotice { user_id: user.id, kind, to: &user.email, client, password_hash: &user.password_hash };
    notices::send(connection, &notice, now).await.map(drop)
}

/// Deletes whoever's grace is over, with everything of theirs; returns how many users and accounts went.
/// Any number of instances may do it at once: whom one holds the others leave to it.
pub async fn purge(connection: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<u64> {
    let mut gone = 0;
    while delete_one_user(connection, now).await? {
        gone += 1;
    }
    let accounts = sqlx::query!(
        "delete from accounts where deletion_due_at <= $1 and not exists (
             select from live_notices
             where user_id = accounts.user_id and kind = 'email_changed' and (runs_out_at is null or runs_out_at > $1)
         )",
        now
    )
    .execute(connection)
    .await?;
    Ok(gone + accounts.rows_affected())
}

/// Deletes one user whose grace is over, whole or not at all: it takes all of its activity along, however
/// long that takes. Returns false where there is none.
async fn delete_one_user(connection: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<bool> {
    let mut tx = connection.begin().await?;
    let_users_go(&mut tx, now).await?;
    let users = sqlx::query!(
        "delete from users where id = (
             select id from users where deletion_due_at <= $1 and not exists (
                 select from live_notices
                 where user_id = users.id and kind = 'email_changed' and (runs_out_at is null or runs_out_at > $1)
             )
             limit 1 for update skip locked
         )",
        now,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(users.rows_affected() == 1)
}

/// Lets this transaction delete whoever's time has come, however long that takes. The database refuses to delete
/// a user before their time, which it learns here.
async fn let_users_go(connection: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<()> {
    sqlx::query!(
        "select set_config('vestibule.now', $1::timestamptz::text, true) as time, set_config('statement_timeout', '0', true) as patience",
        now
    )
    .fetch_one(connection)
    .await?;
    Ok(())
}
