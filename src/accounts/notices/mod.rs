//! Notices: what happened to a user and was told to an address at once, with a link by which the person
//! there says “This was not me”. It acts for the address that it was sent to, and is good for 7 days
//! after its letter was handed over, refused or given up: the view `live_notices` holds that rule, and
//! [`LIFETIME`] repeats its number for pages.
//!
//! A notice that the address was changed also keeps the old address reserved for so long.

mod letter;

pub use letter::{AddressLeftLetter, NoticeLetter};

use ipnet::IpNet;
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::users::User;
use crate::{
    domain::{Client, EmailAddress, NoticeId, PasswordHash, TokenHash, UserId},
    mail,
};

/// How long a notice can be answered.
pub const LIFETIME: Duration = Duration::days(7);

/// What a notice tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum NoticeKind {
    /// Another password was chosen.
    PasswordChanged,
    /// A generated password was used.
    PasswordRecovered,
    /// The address became another one.
    EmailChanged,
    /// The user is to be deleted.
    DeletionAsked,
    /// The customer account of two accounts is to be deleted.
    CustomerDeletionAsked,
    /// The artist account of two accounts is to be deleted.
    ArtistDeletionAsked,
    /// The account was linked with another user's.
    Linked,
    /// Such a link was ended.
    Unlinked,
}

/// A notice that is about to be sent.
#[derive(Clone, Copy, Debug)]
pub struct NewNotice<'a> {
    /// Whom it concerns.
    pub user_id: UserId,
    /// What it tells.
    pub kind: NoticeKind,
    /// Whom it is sent to.
    pub to: &'a EmailAddress,
    /// From where it was done.
    pub client: &'a Client,
    /// What held just before.
    pub password_hash: &'a PasswordHash,
}

/// A notice that can be answered.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Its id.
    pub id: NoticeId,
    /// Whom it concerns.
    pub user_id: UserId,
    /// What it tells.
    pub kind: NoticeKind,
    /// Whom it was sent to, and for whom it acts.
    pub email: EmailAddress,
    /// When it happened.
    pub happened_at: OffsetDateTime,
    /// From where it was done.
    pub client: Client,
    /// What held just before: who undoes a change of address proves that one.
    pub password_hash: PasswordHash,
}

/// Tells an address what happened, in a transaction that holds the user: answering a notice voids the later
/// ones, so they stand in the order in which they were done, whenever each was begun. Returns when it happened
/// in that order.
pub async fn send(
    connection: &mut PgConnection,
    new: &NewNotice<'_>,
    now: OffsetDateTime,
) -> sqlx::Result<OffsetDateTime> {
    let id = NoticeId::new();
    let happened_at = sqlx::query_scalar!(
        "insert into notices (id, user_id, kind, email, email_key, happened_at, client_address, user_agent,
             password_hash)
         select $1, $2, $3, $4, $5, greatest($6, max(happened_at) + interval '1 microsecond'), $7, $8, $9
         from notices where user_id = $2
         returning happened_at",
        id as NoticeId,
        new.user_id as UserId,
        new.kind as NoticeKind,
        new.to.as_str(),
        new.to.key(),
        now,
        IpNet::from(new.client.address) as IpNet,
        new.client.user_agent,
        new.password_hash.as_str(),
    )
    .fetch_one(&mut *connection)
    .await?;
    mail::enqueue::<NoticeLetter>(connection, new.to, Some(id.0), now).await?;
    Ok(happened_at)
}

/// The notice of this id, where it can be answered.
pub async fn by_id(
    connection: &mut PgConnection,
    id: NoticeId,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Notice>> {
    let row = sqlx::query!(
        r#"select user_id as "user_id!: UserId", kind as "kind!: NoticeKind", email as "email!: EmailAddress",
               happened_at as "happened_at!", client_address as "client_address!: IpNet", user_agent as "user_agent!",
               password_hash as "password_hash!: PasswordHash"
           from live_notices where id = $1 and (runs_out_at is null or runs_out_at > $2)"#,
        id as NoticeId,
        now,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Notice {
        id,
        user_id: row.user_id,
        kind: row.kind,
        email: row.email,
        happened_at: row.happened_at,
        client: Client::of(row.client_address, row.user_agent),
        password_hash: row.password_hash,
    }))
}

/// The notice that a letter's link speaks of, where it can be answered.
pub async fn by_token(
    connection: &mut PgConnection,
    token: TokenHash,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Notice>> {
    let id = sqlx::query_scalar!(
        r#"select notice_id as "id: NoticeId" from notice_tokens where token_hash = $1"#,
        token.as_bytes(),
    )
    .fetch_optional(&mut *connection)
    .await?;
    match id {
        Some(id) => by_id(connection, id, now).await,
        None => Ok(None),
    }
}

/// Makes a letter's link good for this notice; earlier ones stay good.
pub async fn insert_token(connection: &mut PgConnection, id: NoticeId, token: TokenHash) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into notice_tokens (token_hash, notice_id) values ($1, $2)",
        token.as_bytes(),
        id as NoticeId,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes this notice and all later ones to this user, whoever they were sent to, good for nothing; what
/// they reserved is free.
pub async fn void_since(connection: &mut PgConnection, notice: &Notice) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from notices where user_id = $1 and (happened_at, id) >= ($2, $3)",
        notice.user_id as UserId,
        notice.happened_at,
        notice.id as NoticeId,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes the notices to other addresses good for nothing that were sent since a user gave `email` up: it is
/// theirs again, and who gets the letters of those others may have been the reason.
pub async fn void_elsewhere(
    connection: &mut PgConnection,
    user: UserId,
    email: &EmailAddress,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from notices where user_id = $1 and email_key <> $2 and happened_at >= (
             select min(happened_at) from notices where user_id = $1 and email_key = $2 and kind = 'email_changed'
         )",
        user as UserId,
        email.key(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Tells the address that a user has left by an undo, which holds no link: an undo gives none itself.
pub async fn tell_left(connection: &mut PgConnection, user: &User, now: OffsetDateTime) -> sqlx::Result<()> {
    mail::enqueue::<AddressLeftLetter>(connection, &user.email, Some(user.id.0), now).await?;
    Ok(())
}

/// Forgets notices that ran out, with the passwords that held before; returns how many.
pub async fn purge(connection: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<u64> {
    let gone = sqlx::query!(
        "delete from notices where id in (
             select id from live_notices where happened_at <= $2 and runs_out_at <= $1
         )",
        now,
        // None that is younger has run out.
        now - LIFETIME,
    )
    .execute(connection)
    .await?;
    Ok(gone.rows_affected())
}
