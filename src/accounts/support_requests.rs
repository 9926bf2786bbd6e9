//! What people wrote to support. Each has a reference, by which its sender and the operators call it.

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
