//! What proves somebody: an address with its password.

use sqlx::PgConnection;

use crate::domain::{AccountId, EmailAddress, PasswordHash, TokenHash, UserId};

/// What log in has to know of a user before the password is looked at.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Whose they are.
    pub user_id: UserId,
    /// The account to log in to.
    pub account_id: AccountId,
    /// What the password is compared with.
    pub password_hash: PasswordHash,
    /// Whether operators locked the user.
    pub is_locked: bool,
    /// Whether this user has logged in on this device before.
    pub device_is_known: bool,
}

/// The credentials of whoever has this address, as seen from this device.
pub async fn by_email(
    connection: &mut PgConnection,
    email: &EmailAddress,
    device: TokenHash,
) -> sqlx::Result<Option<Credentials>> {
    sqlx::query_as!(
        Credentials,
        r#"select users.id as "user_id: UserId", accounts.id as "account_id: AccountId",
               password_hash as "password_hash: PasswordHash", locked_at is not null as "is_locked!",
               exists (
                   select from known_devices join devices on devices.id = known_devices.device_id
                   where known_devices.user_id = users.id and devices.token_hash = $2
               ) as "device_is_known!"
           from users join accounts on accounts.user_id = users.id
           where email_key = $1
           order by accounts.created_at limit 1"#,
        email.key(),
        device.as_bytes(),
    )
    .fetch_optional(connection)
    .await
}

/// Puts a hash of the same password, made with today's parameters, in the place of an older one;
/// where the password changed meanwhile, nothing happens.
pub async fn renew_hash(
    connection: &mut PgConnection,
    user: UserId,
    old: &PasswordHash,
    new: &PasswordHash,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update users set password_hash = $3 where id = $1 and password_hash = $2",
        user as UserId,
        old.as_str(),
        new.as_str(),
    )
    .execute(connection)
    .await?;
    Ok(())
}
