//! Addresses that users want instead of theirs. One becomes theirs when its letter is answered, which can
//! be done until 7 days after that was handed over, refused or given up: the view `live_email_changes`
//! holds that rule, and [`LIFETIME`] repeats its number for pages.

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use crate::domain::{EmailAddress, EmailChangeId, TokenHash, UserId};

/// How long a change of address waits for its answer.
pub const LIFETIME: Duration = Duration::days(7);

/// No more are shown at once.
pub const MOST_SHOWN: i64 = 20;

/// An address that a user wants, while it can be had.
#[derive(Clone, Debug)]
pub struct EmailChange {
    /// Its id.
    pub id: EmailChangeId,
    /// Who wants it.
    pub user_id: UserId,
    /// The address.
    pub email: EmailAddress,
    /// When it was asked for last.
    pub asked_at: OffsetDateTime,
    /// Until when it can be answered; not known before its letter has left.
    pub runs_out_at: Option<OffsetDateTime>,
}

/// Writes down that a user wants an address; where they asked for the same one before, that is asked once
/// more. To be called in a transaction.
pub async fn ask(
    connection: &mut PgConnection,
    user: UserId,
    email: &EmailAddress,
    now: OffsetDateTime,
) -> sqlx::Result<EmailChangeId> {
    // What ran out stays dead: its links must not become good again with the new ones.
    sqlx::query!(
        "delete from email_changes where id in (
             select id from live_email_changes where user_id = $1 and email_key = $2 and runs_out_at <= $3
         )",
        user as UserId,
        email.key(),
        now,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query_scalar!(
        r#"insert into email_changes (id, user_id, email, email_key, asked_at) values ($1, $2, $3, $4, $5)
           on conflict on constraint email_changes_once do update
               set email = excluded.email, asked_at = excluded.asked_at
           returning id as "id: EmailChangeId""#,
        EmailChangeId::new() as EmailChangeId,
        user as UserId,
        email.as_str(),
        email.key(),
        now,
    )
    .fetch_one(connection)
    .await
}

/// The addresses that a user wants and can still have, the latest first.
pub async fn pending(
    connection: &mut PgConnection,
    user: UserId,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<EmailChange>> {
    sqlx::query_as!(
        EmailChange,
        r#"select id as "id!: EmailChangeId", user_id as "user_id!: UserId", email as "email!: EmailAddress",
               asked_at as "asked_at!", runs_out_at
           from live_email_changes where user_id = $1 and (runs_out_at is null or runs_out_at > $2)
           order by asked_at desc, id desc limit $3"#,
        user as UserId,
        now,
        MOST_SHOWN,
    )
    .fetch_all(connection)
    .await
}

/// The change of this id, where it can be answered.
pub async fn by_id(
    connection: &mut PgConnection,
    id: EmailChangeId,
    now: OffsetDateTime,
) -> sqlx::Result<Option<EmailChange>> {
    sqlx::query_as!(
        EmailChange,
        r#"select id as "id!: EmailChangeId", user_id as "user_id!: UserId", email as "email!: EmailAddress",
               asked_at as "asked_at!", runs_out_at
           from live_email_changes where id = $1 and (runs_out_at is null or runs_out_at > $2)"#,
        id as EmailChangeId,
        now,
    )
    .fetch_optional(connection)
    .await
}

/// The change that a letter's link speaks of, where it can be answered.
pub async fn by_token(
    connection: &mut PgConnection,
    token: TokenHash,
    now: OffsetDateTime,
) -> sqlx::Result<Option<EmailChange>> {
    let id = sqlx::query_scalar!(
        r#"select email_change_id as "id: EmailChangeId" from email_change_tokens where token_hash = $1"#,
        token.as_bytes(),
    )
    .fetch_optional(&mut *connection)
    .await?;
    match id {
        Some(id) => by_id(connection, id, now).await,
        None => Ok(None),
    }
}

/// Makes a letter's link good for this change; earlier ones stay good.
pub async fn insert_token(
    connection: &mut PgConnection,
    id: EmailChangeId,
    token: TokenHash,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into email_change_tokens (token_hash, email_change_id) values ($1, $2)",
        token.as_bytes(),
        id as EmailChangeId,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives one of a user's wishes up; returns the address, or `None` where there is no such wish of theirs.
pub async fn cancel(
    connection: &mut PgConnection,
    user: UserId,
    id: EmailChangeId,
) -> sqlx::Result<Option<EmailAddress>> {
    sqlx::query_scalar!(
        r#"delete from email_changes where user_id = $1 and id = $2 returning email as "email: EmailAddress""#,
        user as UserId,
        id as EmailChangeId,
    )
    .fetch_optional(connection)
    .await
}

/// Makes every link that was mailed for a user's wishes good for nothing.
pub async fn void(connection: &mut PgConnection, user: UserId) -> sqlx::Result<()> {
    sqlx::query!("delete from email_changes where user_id = $1", user as UserId).execute(connection).await?;
    Ok(())
}

/// Forgets those that ran out; returns how many.
pub async fn purge(connection: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<u64> {
    let gone = sqlx::query!(
        "delete from email_changes where id in (
             select id from live_email_changes where asked_at <= $2 and runs_out_at <= $1
         )",
        now,
        // None that is younger has run out.
        now - LIFETIME,
    )
    .execute(connection)
    .await?;
    Ok(gone.rows_affected())
}
