//! What operators see of letters, and do with them.

use serde::Serialize;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::queue::{CHANNEL, LetterState};
use crate::domain::LetterId;

/// A letter as operators see it.
#[derive(Clone, Debug, Serialize)]
pub struct LetterRow {
    /// Its id.
    pub id: LetterId,
    /// Of which kind it is.
    pub kind: String,
    /// Whom it was promised to.
    pub recipient: String,
    /// The registration, the user, … that it speaks of.
    pub about: Option<Uuid>,
    /// Where it is.
    pub state: LetterState,
    /// When it was promised.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// It does not leave earlier; while delayed, when it is tried again.
    #[serde(with = "time::serde::rfc3339")]
    pub due_at: OffsetDateTime,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was first tried.
    #[serde(with = "time::serde::rfc3339::option")]
    pub first_attempt_at: Option<OffsetDateTime>,
    /// When it was handed over, refused or given up.
    #[serde(with = "time::serde::rfc3339::option")]
    pub settled_at: Option<OffsetDateTime>,
    /// The mail service's last words, one line without links.
    pub answer: Option<String>,
}

/// The `limit` latest letters: of all, or those in one state, and to one address in whatever case. By an address it
/// reads all letters.
pub async fn latest(
    connection: &mut PgConnection,
    state: Option<LetterState>,
    recipient: Option<&str>,
    limit: i64,
) -> sqlx::Result<Vec<LetterRow>> {
    // Ids grow with time.
    sqlx::query_as!(
        LetterRow,
        r#"select id as "id: LetterId", kind, recipient, about, state as "state: LetterState", created_at, due_at,
               attempts, first_attempt_at, settled_at, answer
           from letters
           where ($1::letter_state is null or state = $1) and ($2::text is null or lower(recipient) = lower($2))
           order by id desc limit $3"#,
        state as Option<LetterState>,
        recipient,
        limit,
    )
    .fetch_all(connection)
    .await
}

/// The letter of this id.
pub async fn by_id(connection: &mut PgConnection, id: LetterId) -> sqlx::Result<Option<LetterRow>> {
    sqlx::query_as!(
        LetterRow,
        r#"select id as "id: LetterId", kind, recipient, about, state as "state: LetterState", created_at, due_at,
               attempts, first_attempt_at, settled_at, answer
           from letters where id = $1"#,
        id.0,
    )
    .fetch_optional(connection)
    .await
}

/// Lets a letter leave as soon as a worker is free, as if it had never been tried. Returns false, and changes
/// nothing, where it is in a worker's hand or was handed over, or is none.
pub async fn retry(connection: &mut PgConnection, id: LetterId, now: OffsetDateTime) -> sqlx::Result<bool> {
    let retried = sqlx::query!(
        "with again as (
             update letters
             set state = 'queued', due_at = $2, first_attempt_at = null, settled_at = null, answer = null
             where id = $1 and state in ('queued', 'delayed', 'refused', 'given_up')
             returning id
         )
         select pg_notify($3, '') from again",
        id.0,
        now,
        CHANNEL,
    )
    .fetch_all(connection)
    .await?;
    Ok(!retried.is_empty())
}

/// Takes back a letter that waits. Returns false, and changes nothing, where it is in a worker's hand or was
/// settled, or is none.
pub async fn drop_one(connection: &mut PgConnection, id: LetterId) -> sqlx::Result<bool> {
    let dropped = sqlx::query!("delete from letters where id = $1 and state in ('queued', 'delayed')", id.0)
        .execute(connection)
        .await?;
    Ok(dropped.rows_affected() == 1)
}
