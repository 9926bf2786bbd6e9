//! A form that is sent twice (double click, reload) is answered as the first time: it carries a
//! random id, and an accepted one is remembered for a while.

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use crate::domain::FormId;

/// How long an accepted form is remembered.
pub const REMEMBERED: Duration = Duration::minutes(15);

/// Where this form led when it was accepted, or `None` where it was not, or not lately.
pub async fn redirect_of(
    connection: &mut PgConnection,
    form_id: FormId,
    now: OffsetDateTime,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "select redirect from accepted_forms where form_id = $1 and accepted_at > $2",
        form_id as FormId,
        now - REMEMBERED,
    )
    .fetch_optional(connection)
    .await
}

/// Remembers an accepted form. Returns false where another request was first: it waits for that
/// one's transaction, so exactly one is true.
pub async fn accept(
    connection: &mut PgConnection,
    form_id: FormId,
    redirect: &str,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let accepted = sqlx::query!(
        "insert into accepted_forms (form_id, redirect, accepted_at) values ($1, $2, $3)
         on conflict (form_id) do update set redirect = excluded.redirect, accepted_at = excluded.accepted_at
         where accepted_forms.accepted_at <= $4",
        form_id as FormId,
        redirect,
        now,
        now - REMEMBERED,
    )
    .execute(connection)
    .await?;
    Ok(accepted.rows_affected() == 1)
}

/// Forgets what is older; returns how many.
pub async fn purge(connection: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<u64> {
    let gone = sqlx::query!("delete from accepted_forms where accepted_at <= $1", now - REMEMBERED)
        .execute(connection)
        .await?;
    Ok(gone.rows_affected())
}
