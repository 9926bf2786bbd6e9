//! Passwords that recovery makes and mails. One is harmless until it is used, and dies 24 hours after
//! its letter was handed over, refused or given up: the view `live_generated_passwords` holds that rule,
//! and [`LIFETIME`] repeats its number for pages.

mod letter;

pub use letter::GeneratedPasswordLetter;

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::{budgets, users::User};
use crate::{
    domain::{EmailAddress, LetterId, PasswordHash, UserId},
    mail,
    platform::config::Config,
};

/// How long one can be used.
pub const LIFETIME: Duration = Duration::hours(24);

/// How many letters with one go to one address.
#[derive(Clone, Copy, Debug)]
pub struct AtMost {
    /// How far apart they are.
    pub minutes_apart: i64,
    /// How many within a day.
    pub a_day: i64,
}

impl AtMost {
    /// What is in force, or `None` where nothing bounds them.
    pub fn of(config: &Config) -> Option<Self> {
        config.throttle.then_some(Self {
            minutes_apart: budgets::RECOVERY_LETTERS_APART.window.whole_minutes(),
            a_day: budgets::RECOVERY_LETTERS.limit,
        })
    }
}

/// Promises a letter with a generated password to a user, at their address.
pub async fn send(
    connection: &mut PgConnection,
    user: UserId,
    to: &EmailAddress,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    mail::enqueue::<GeneratedPasswordLetter>(connection, to, Some(user.0), now).await?;
    Ok(())
}

/// Makes a generated password good that was made like `user`'s own and goes to their address. Returns
/// false, and stores nothing, where they have another hash by now, so that two would be needed, or
/// another address.
pub async fn insert(
    connection: &mut PgConnection,
    user: &User,
    letter: LetterId,
    generated: &PasswordHash,
) -> sqlx::Result<bool> {
    // Shared with other letters; whoever changes either waits, and then sees this one.
    let holds = sqlx::query!(
        "select from users where id = $1 and password_hash = $2 and email_key = $3 for share",
        user.id as UserId,
        user.password_hash.as_str(),
        user.email.key(),
    )
    .execute(&mut *connection)
    .await?;
    if holds.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query!(
        "insert into generated_passwords (password_hash, user_id, letter_id) values ($1, $2, $3)",
        generated.as_str(),
        user.id as UserId,
        letter.0,
    )
    .execute(connection)
    .await?;
    Ok(true)
}

/// Whether an attempt at this letter brought one before. It may have arrived, so it stays good.
async fn came_with(connection: &mut PgConnection, letter: LetterId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from generated_passwords where letter_id = $1) as "came!""#,
        letter.0
    )
    .fetch_one(connection)
    .await
}

/// Makes every one that was mailed to a user good for nothing.
pub async fn void(connection: &mut PgConnection, user: UserId) -> sqlx::Result<()> {
    sqlx::query!("delete from generated_passwords where user_id = $1", user as UserId)
        .execute(connection)
        .await?;
    Ok(())
}

/// Forgets those that ran out; returns how many.
pub async fn purge(connection: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<u64> {
    let gone = sqlx::query!(
        "delete from generated_passwords where password_hash in (
             select password_hash from live_generated_passwords where runs_out_at <= $1
         )",
        now
    )
    .execute(connection)
    .await?;
    Ok(gone.rows_affected())
}
