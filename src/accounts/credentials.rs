//! What proves somebody: an address with its password.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{
    activity::{self, Event},
    generated_passwords,
    notices::{self, NewNotice, NoticeKind},
    sessions, users,
};
use crate::domain::{AccountId, Client, EmailAddress, PasswordHash, TokenHash, UserId};

/// What log in has to know of a user before the password is looked at.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Whose they are.
    pub user_id: UserId,
    /// The account to log in to.
    pub account_id: AccountId,
    /// What the password is compared with.
    pub password_hash: PasswordHash,
    /// The generated passwords that are alive; they are made alike, so one hash answers for all.
    pub generated: Vec<PasswordHash>,
    /// Whether operators locked the user.
    pub is_locked: bool,
    /// Whether the user is in their grace of deletion.
    pub is_being_deleted: bool,
    /// Whether this user has logged in on this device before.
    pub device_is_known: bool,
}

/// The credentials of whoever has this address, as seen from this device.
pub async fn by_email(
    connection: &mut PgConnection,
    email: &EmailAddress,
    device: TokenHash,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Credentials>> {
    sqlx::query_as!(
        Credentials,
        r#"select users.id as "user_id: UserId", accounts.id as "account_id: AccountId",
               password_hash as "password_hash: PasswordHash", locked_at is not null as "is_locked!",
               users.deletion_due_at is not null as "is_being_deleted!",
               array (
                   select password_hash from live_generated_passwords as generated
                   where generated.user_id = users.id and (runs_out_at is null or runs_out_at > $3)
               ) as "generated!: Vec<PasswordHash>",
               exists (
                   select from known_devices join devices on devices.id = known_devices.device_id
                   where known_devices.user_id = users.id and devices.token_hash = $2
               ) as "device_is_known!"
           from users join accounts on accounts.user_id = users.id
           where email_key = $1
           order by accounts.deletion_due_at is not null, last_here_at desc nulls last, accounts.created_at limit 1"#,
        email.key(),
        device.as_bytes(),
        now,
    )
    .fetch_optional(connection)
    .await
}

/// Puts a hash of the same password, made with today's parameters, in the place of an older one.
/// Returns false, and changes nothing, where the password changed meanwhile, and while a generated one
/// is alive, which has the old one's salt. To be called in a transaction.
pub async fn renew_hash(
    connection: &mut PgConnection,
    user: UserId,
    old: &PasswordHash,
    new: &PasswordHash,
) -> sqlx::Result<bool> {
    // First, so that a generated password which is just being stored is seen by what follows.
    users::hold(connection, &[user]).await?;
    let renewed = sqlx::query!(
        "update users set password_hash = $3 where id = $1 and password_hash = $2
         and not exists (select from generated_passwords where user_id = $1)",
        user as UserId,
        old.as_str(),
        new.as_str(),
    )
    .execute(connection)
    .await?;
    Ok(renewed.rows_affected() == 1)
}

/// Another password for a user.
#[derive(Clone, Copy, Debug)]
pub struct NewPassword<'a> {
    /// Whose.
    pub user_id: UserId,
    /// What was proved; it must still hold.
    pub old: &'a PasswordHash,
    /// What holds from now on.
    pub new: &'a PasswordHash,
    /// Whether the new one was chosen, rather than a generated one used for the first time.
    pub is_chosen: bool,
    /// The session that goes on, if any.
    pub session: Option<TokenHash>,
    /// The browser that stays known.
    pub device: TokenHash,
    /// From where it is done.
    pub client: &'a Client,
}

/// Sets a password: the generated ones are void, other sessions end, other devices are unknown again,
/// and the user is told. To be called in a transaction. Returns false, and changes nothing, where the
/// old one no longer holds, or a generated one is no longer alive.
pub async fn set_password(
    connection: &mut PgConnection,
    new: &NewPassword<'_>,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    // First, so that a generated one which is just being voided is seen as void.
    users::hold(connection, &[new.user_id]).await?;
    let email = sqlx::query_scalar!(
        r#"update users set password_hash = $3, password_is_generated = not $4, password_changed_at = $5
           where id = $1 and password_hash = $2 and ($4 or exists (
               select from live_generated_passwords as generated
               where generated.password_hash = $3 and generated.user_id = $1
                   and (runs_out_at is null or runs_out_at > $5)
           ))
           returning email as "email: EmailAddress""#,
        new.user_id as UserId,
        new.old.as_str(),
        new.new.as_str(),
        new.is_chosen,
        now,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(email) = email else { return Ok(false) };
    shut_out(connection, new.user_id, new.session, Some(new.device)).await?;
    let (event, kind) = match new.is_chosen {
        true => (Event::PasswordChanged, NoticeKind::PasswordChanged),
        false => (Event::PasswordRecovered, NoticeKind::PasswordRecovered),
    };
    activity::record(connection, new.user_id, &event, Some(new.client), now).await?;
    let notice =
        NewNotice { user_id: new.user_id, kind, to: &email, client: new.client, password_hash: new.old };
    notices::send(connection, &notice, now).await?;
    Ok(true)
}

/// Makes the present password and the generated ones good for nothing, ends all sessions, and makes all
/// devices unknown. `unknown` is a hash that no password leads to.
pub async fn void_password(
    connection: &mut PgConnection,
    user: UserId,
    unknown: &PasswordHash,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update users set password_hash = $2, password_changed_at = $3 where id = $1",
        user as UserId,
        unknown.as_str(),
        now,
    )
    .execute(&mut *connection)
    .await?;
    shut_out(connection, user, None, None).await
}

/// Ends all sessions but one, makes all devices but one unknown, and voids what was mailed.
async fn shut_out(
    connection: &mut PgConnection,
    user: UserId,
    session: Option<TokenHash>,
    device: Option<TokenHash>,
) -> sqlx::Result<()> {
    sessions::end_all(connection, user, session).await?;
    sqlx::query!(
        "delete from known_devices where user_id = $1
         and device_id is distinct from (select id from devices where token_hash = $2)",
        user as UserId,
        device.as_ref().map(TokenHash::as_bytes),
    )
    .execute(&mut *connection)
    .await?;
    generated_passwords::void(connection, user).await
}
