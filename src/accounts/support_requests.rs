//! What people wrote to support. Each has a reference, by which its sender and the operators call it.

use serde::Serialize;
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use crate::domain::{EmailAddress, SupportReference, SupportRequestId, UserId};

/// How long a support request is kept after it was made.
pub const KEPT: Duration = Duration::days(365);

/// A support request that is about to be written down.
pub struct NewSupportRequest<'a> {
    /// What it is called.
    pub reference: &'a SupportReference,
    /// Where the answer goes.
    pub email: &'a EmailAddress,
    /// What was written.
    pub message: &'a str,
    /// Who was logged in.
    pub user_id: Option<UserId>,
    /// What had become of the letter of the sender's own registration.
    pub letter_state: Option<&'a str>,
}

/// A support request as its letters tell of it.
pub struct SupportRequest {
    /// What it is called.
    pub reference: String,
    /// Where the answer goes.
    pub email: EmailAddress,
    /// What was written.
    pub message: String,
    /// Who was logged in.
    pub user_id: Option<UserId>,
    /// What had become of the letter of the sender's own registration.
    pub letter_state: Option<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// Writes a support request down.
pub async fn insert(
    connection: &mut PgConnection,
    new: &NewSupportRequest<'_>,
    now: OffsetDateTime,
) -> sqlx::Result<SupportRequestId> {
    let id = SupportRequestId::new();
    sqlx::query!(
        "insert into support_requests (id, reference, email, message, user_id, letter_state, created_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        id as SupportRequestId,
        new.reference.as_str(),
        new.email.as_str(),
        new.message,
        new.user_id as Option<UserId>,
        new.letter_state,
        now,
    )
    .execute(connection)
    .await?;
    Ok(id)
}

/// The support request of this id, where it is still kept.
pub async fn by_id(
    connection: &mut PgConnection,
    id: SupportRequestId,
) -> sqlx::Result<Option<SupportRequest>> {
    sqlx::query_as!(
        SupportRequest,
        r#"select reference, email as "email: EmailAddress", message, user_id as "user_id: UserId", letter_state,
               created_at
           from support_requests where id = $1"#,
        id as SupportRequestId,
    )
    .fetch_optional(connection)
    .await
}

/// A support request as operators see it.
#[derive(Clone, Debug, Serialize)]
pub struct SupportRequestRow {
    /// What it is called.
    pub reference: String,
    /// Where the answer goes.
    pub email: EmailAddress,
    /// What was written.
    pub message: String,
    /// Who was logged in.
    pub user_id: Option<UserId>,
    /// What had become of the letter of the sender's own registration.
    pub letter_state: Option<String>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When operators closed it.
    #[serde(with = "time::serde::rfc3339::option")]
    pub closed_at: Option<OffsetDateTime>,
}

/// The `limit` latest support requests: those that are open, or all.
pub async fn latest(
    connection: &mut PgConnection,
    also_closed: bool,
    limit: i64,
) -> sqlx::Result<Vec<SupportRequestRow>> {
    sqlx::query_as!(
        SupportRequestRow,
        r#"select reference, email as "email: EmailAddress", message, user_id as "user_id: UserId", letter_state,
               created_at, closed_at
           from support_requests where $1 or closed_at is null order by created_at desc, id desc limit $2"#,
        also_closed,
        limit,
    )
    .fetch_all(connection)
    .await
}

/// The support request that is called so.
pub async fn by_reference(
    connection: &mut PgConnection,
    reference: &SupportReference,
) -> sqlx::Result<Option<SupportRequestRow>> {
    sqlx::query_as!(
        SupportRequestRow,
        r#"select reference, email as "email: EmailAddress", message, user_id as "user_id: UserId", letter_state,
               created_at, closed_at
           from support_requests where reference = $1"#,
        reference.as_str(),
    )
    .fetch_optional(connection)
    .await
}

/// Notes that a support request was dealt with. One that is closed already stays as it is.
pub async fn close(
    connection: &mut PgConnection,
    reference: &SupportReference,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update support_requests set closed_at = $2 where reference = $1 and closed_at is null",
        reference.as_str(),
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether a support request is called so.
pub async fn exists(connection: &mut PgConnection, reference: &SupportReference) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from support_requests where reference = $1) as "exists!""#,
        reference.as_str(),
    )
    .fetch_one(connection)
    .await
}

/// Forgets what is older than it is kept; returns how many.
pub async fn purge(connection: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<u64> {
    let gone = sqlx::query!("delete from support_requests where created_at <= $1", now - KEPT)
        .execute(connection)
        .await?;
    Ok(gone.rows_affected())
}
