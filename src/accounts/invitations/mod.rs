//! Operators' invitations: a link, mailed to whom a captcha shuts out, that opens one registration without one.
//! It proves nothing else: the registration has a letter of its own, to whatever address is registered. It is
//! good for 7 days after its letter was handed over, refused or given up: the view `live_invitations` holds that
//! rule, and [`LIFETIME`] repeats its number for letters.

mod letter;

pub use letter::InvitationLetter;

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use crate::{
    domain::{EmailAddress, InvitationId, LetterId, TokenHash},
    mail,
};

/// How long an invitation can be used.
pub const LIFETIME: Duration = Duration::days(7);

/// An invitation.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// Whom it was mailed to.
    pub email: EmailAddress,
}

/// Writes an invitation down, and promises its letter.
pub async fn send(
    connection: &mut PgConnection,
    to: &EmailAddress,
    now: OffsetDateTime,
) -> sqlx::Result<LetterId> {
    let id = InvitationId::new();
    sqlx::query!(
        "insert into invitations (id, email, created_at) values ($1, $2, $3)",
        id as InvitationId,
        to.as_str(),
        now,
    )
    .execute(&mut *connection)
    .await?;
    mail::enqueue::<InvitationLetter>(connection, to, Some(id.0), now).await
}

/// The invitation that a link speaks of, where it can be used.
pub async fn by_token(
    connection: &mut PgConnection,
    token: TokenHash,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Invitation>> {
    sqlx::query_as!(
        Invitation,
        r#"select id as "id!: InvitationId", email as "email!: EmailAddress" from live_invitations
           where id = (select invitation_id from invitation_tokens where token_hash = $1)
               and used_at is null and (runs_out_at is null or runs_out_at > $2)"#,
        token.as_bytes(),
        now,
    )
    .fetch_optional(connection)
    .await
}

/// Makes a letter's link good for this invitation; earlier ones stay good. Returns false where it was used, or is
/// gone.
async fn insert_token(
    connection: &mut PgConnection,
    id: InvitationId,
    token: TokenHash,
) -> sqlx::Result<bool> {
    let inserted = sqlx::query!(
        "insert into invitation_tokens (token_hash, invitation_id)
         select $1, id from invitations where id = $2 and used_at is null",
        token.as_bytes(),
        id as InvitationId,
    )
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Uses an invitation up, once. Returns false where it was used before, or has run out.
pub async fn spend(
    connection: &mut PgConnection,
    id: InvitationId,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let spent = sqlx::query!(
        "update invitations set used_at = $2
         where id = $1 and used_at is null and exists (
             select from live_invitations as live
             where live.id = $1 and (live.runs_out_at is null or live.runs_out_at > $2)
         )",
        id as InvitationId,
        now,
    )
    .execute(connection)
    .await?;
    Ok(spent.rows_affected() == 1)
}

/// Forgets invitations that ran out, used or not; returns how many.
pub async fn purge(connection: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<u64> {
    let gone = sqlx::query!(
        "delete from invitations where id in (
             select id from live_invitations where created_at <= $2 and runs_out_at <= $1
         )",
        now,
        // None that is younger has run out.
        now - LIFETIME,
    )
    .execute(connection)
    .await?;
    Ok(gone.rows_affected())
}
