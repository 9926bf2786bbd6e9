//! Where a user is logged in. The id that the cookie carries is known here only by its hash.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::{devices, pairs::Counterpart};
use crate::domain::{
    AccountId, AccountType, ActivityId, Client, DeviceId, DisplayName, EmailAddress, TokenHash, UserId,
};

/// How long a session lasts with “remember me”.
pub const REMEMBERED: Duration = Duration::days(30);
/// How long it lasts without, when the browser is not closed before.
pub const NOT_REMEMBERED: Duration = Duration::hours(24);
/// How exact “last seen” is.
pub const SEEN_EVERY: Duration = Duration::minutes(1);

/// A log in that succeeded, about to become a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewSession {
    /// Who logged in.
    pub user_id: UserId,
    /// To which account.
    pub account_id: AccountId,
    /// What was proved, hashed once more: SHA-256 of the password's PHC string. It must still hold.
    pub proved: TokenHash,
    /// The browser's cookie.
    pub device: TokenHash,
    /// Whether to stay logged in when the browser closes.
    pub remember: bool,
    /// From where, and with what.
    pub client: Client,
}

/// Who is logged in, as the header of every page names them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SignedIn {
    /// This session.
    pub session: TokenHash,
    /// The user.
    pub user_id: UserId,
    /// The account that this session is for.
    pub account_id: AccountId,
    /// Its type.
    pub account_type: AccountType,
    /// The other account of the pair, where it is neither locked nor being deleted.
    pub counterpart_id: Option<AccountId>,
    /// The user's address.
    pub email: EmailAddress,
    /// The account's display name.
    pub display_name: Option<DisplayName>,
    /// Whether the password is one that recovery made, and none was chosen since.
    pub password_is_generated: bool,
    /// When this session was last used, to within [`SEEN_EVERY`].
    #[serde(with = "time::serde::rfc3339")]
    pub last_seen_at: OffsetDateTime,
}

/// Makes a session, and the device known to the user. Where the user is locked, being deleted or gone by
/// now, or has another password than the one that was proved, none is made: it ended before it began, and
/// the next page leads to log in, which says why.
pub async fn insert(
    connection: &mut PgConnection,
    id_hash: TokenHash,
    new: &NewSession,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let lasts = if new.remember { REMEMBERED } else { NOT_REMEMBERED };
    // One statement, so one transaction and one round trip: this is what a log in costs. It does not
    // wait for the disk: whoever's session a crash of the server takes logs in once more.
    sqlx::query!(
        "with unhurried as materialized (
             select set_config('synchronous_commit', 'off', true)
         ), device as (
             insert into devices (id, token_hash, created_at, last_seen_at)
             select $1, $2, $3, $11 from unhurried
             on conflict (token_hash) do update set last_seen_at = excluded.last_seen_at
             returning id
         ), owner as materialized (
             -- Held, so that who changes the password meanwhile either ends this session or is seen here.
             select id from users
             where id = $4 and locked_at is null and deletion_due_at is null
                 and sha256(convert_to(password_hash, 'UTF8')) = $12
             for share
         ), known as (
             insert into known_devices (user_id, device_id, since)
             select id, (select id from device), $3 from owner
             on conflict do nothing
         ), told as (
             -- Event::LoggedIn, by hand: `activity::record` would be a statement of its own.
             insert into activity (id, user_id, happened_at, kind, client_address, user_agent)
             select $13, id, $3, 'logged_in', $8, $9 from owner
         )
         insert into sessions (id_hash, user_id, account_id, remember, logged_in_at, last_seen_at, expires_at,
             client_address, user_agent)
         select $5, id, $6, $7, $3, $3, $10, $8, $9 from owner",
        DeviceId::new() as DeviceId,
        new.device.as_bytes(),
        now,
        new.user_id as UserId,
        id_hash.as_bytes(),
        new.account_id as AccountId,
        new.remember,
        IpNet::from(new.client.address) as IpNet,
        new.client.user_agent,
        now + lasts,
        devices::day_of(now),
        new.proved.as_bytes(),
        ActivityId::new() as ActivityId,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Who is logged in with this session and until when, or `None` where it ended.
pub async fn load(
    connection: &mut PgConnection,
    id_hash: TokenHash,
    now: OffsetDateTime,
) -> sqlx::Result<Option<(SignedIn, OffsetDateTime)>> {
    let row = sqlx::query!(
        r#"select sessions.user_id as "user_id: UserId", account_id as "account_id: AccountId",
               account_type as "account_type: AccountType", email as "email: EmailAddress",
               display_name as "display_name: DisplayName",
               password_is_generated, last_seen_at, expires_at,
               (select other.id
                from counterparts
                join accounts as other on other.id = counterpart_id
                join users as theirs on theirs.id = other.user_id
                where counterparts.account_id = sessions.account_id
                    and other.deletion_due_at is null and theirs.deletion_due_at is null and theirs.locked_at is null
               ) as "counterpart_id: AccountId"
           from sessions
           join users on users.id = sessions.user_id
           join accounts on accounts.id = sessions.account_id
           -- Whoever logged in to an account while it was being hidden logs in once more, to the other one.
           where id_hash = $1 and expires_at > $2 and locked_at is null and accounts.deletion_due_at is null
               and not exists (select from users as other where other.id = other_user_id and other.locked_at is not null)"#,
        id_hash.as_bytes(),
        now,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| {
        let signed_in = SignedIn {
            session: id_hash,
            user_id: row.user_id,
            account_id: row.account_id,
            account_type: row.account_type,
            counterpart_id: row.counterpart_id,
            email: row.email,
            display_name: row.display_name,
            password_is_generated: row.password_is_generated,
            last_seen_at: row.last_seen_at,
        };
        (signed_in, row.expires_at)
    }))
}

/// Makes a session another one, with a new id, for the counterpart of its account, which is another
/// user's; it belongs to both from then on, and keeps when and for how long somebody logged in. In a
/// transaction that holds both users. Returns how long it lasts, with whether it is remembered, or `None`
/// where the session has ended, or belongs to another pair of users.
pub async fn switch(
    connection: &mut PgConnection,
    from: &SignedIn,
    to: &Counterpart,
    id_hash: TokenHash,
    client: &Client,
    now: OffsetDateTime,
) -> sqlx::Result<Option<(OffsetDateTime, bool)>> {
    let row = sqlx::query!(
        "with old as (
             -- One that belongs to two already leads to no third.
             delete from sessions
             where id_hash = $1 and expires_at > $6 and (other_user_id is null or other_user_id = $3)
             returning user_id, remember, logged_in_at, expires_at
         )
         insert into sessions (id_hash, user_id, other_user_id, account_id, remember, logged_in_at, last_seen_at,
             expires_at, client_address, user_agent)
         select $2, $3, user_id, $4, remember, logged_in_at, $6, expires_at, $5, $7 from old
         returning expires_at, remember",
        from.session.as_bytes(),
        id_hash.as_bytes(),
        to.user_id as UserId,
        to.account_id as AccountId,
        IpNet::from(client.address) as IpNet,
        now,
        client.user_agent,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (row.expires_at, row.remember)))
}

/// Makes a session one of another account of the same user, who is here as that one at the next log in too.
pub async fn switch_within(
    connection: &mut PgConnection,
    from: &SignedIn,
    to: AccountId,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with here as (
             update accounts set last_here_at = $4 where id = $3 and user_id = $2 returning id
         )
         update sessions set account_id = here.id from here where id_hash = $1",
        from.session.as_bytes(),
        from.user_id as UserId,
        to as AccountId,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A session as operators see it.
#[derive(Clone, Debug, Serialize)]
pub struct SessionRow {
    /// As which account.
    pub account_id: AccountId,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub logged_in_at: OffsetDateTime,
    /// When it was last used, to within [`SEEN_EVERY`].
    #[serde(with = "time::serde::rfc3339")]
    pub last_seen_at: OffsetDateTime,
    /// When it ends.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// From where, and with what.
    pub client: Client,
}

/// The `limit` latest sessions of a user that have not run out, with those that were switched to or from them.
pub async fn of_user(
    connection: &mut PgConnection,
    user: UserId,
    limit: i64,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<SessionRow>> {
    let rows = sqlx::query!(
        r#"select account_id as "account_id: AccountId", logged_in_at, last_seen_at, expires_at,
               client_address as "client_address: IpNet", user_agent
           from sessions where (user_id = $1 or other_user_id = $1) and expires_at > $2
           order by logged_in_at desc, id_hash desc limit $3"#,
        user as UserId,
        now,
        limit,
    )
    .fetch_all(connection)
    .await?;
    let session = rows.into_iter().map(|row| SessionRow {
        account_id: row.account_id,
        logged_in_at: row.logged_in_at,
        last_seen_at: row.last_seen_at,
        expires_at: row.expires_at,
        client: Client::of(row.client_address, row.user_agent),
    });
    Ok(session.collect())
}

/// Ends all sessions of a user, and those that were switched to or from them, except one.
pub async fn end_all(
    connection: &mut PgConnection,
    user: UserId,
    except: Option<TokenHash>,
) -> sqlx::Result<u64> {
    let ended = sqlx::query!(
        "delete from sessions where (user_id = $1 or other_user_id = $1) and id_hash is distinct from $2",
        user as UserId,
        except.as_ref().map(TokenHash::as_bytes),
    )
    .execute(connection)
    .await?;
    Ok(ended.rows_affected())
}

/// Ends the sessions that were switched between two users, except one.
pub async fn end_between(
    connection: &mut PgConnection,
    one: UserId,
    other: UserId,
    except: Option<TokenHash>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from sessions where user_id = any($1) and other_user_id = any($1) and id_hash is distinct from $2",
        &[one.0, other.0],
        except.as_ref().map(TokenHash::as_bytes),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether a session has not been ended; in a transaction that holds its user nobody ends it any more.
pub async fn is_live(connection: &mut PgConnection, id_hash: TokenHash) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from sessions where id_hash = $1) as "is_live!""#,
        id_hash.as_bytes()
    )
    .fetch_one(connection)
    .await
}

/// Notes that a session is in use.
pub async fn touch(
    connection: &mut PgConnection,
    id_hash: TokenHash,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    // It does not wait for the disk, nor for a standby: a crash may take back a minute of having been seen.
    sqlx::query!(
        "with unhurried as materialized (
             select set_config('synchronous_commit', 'off', true)
         )
         update sessions set last_seen_at = $2 from unhurried where id_hash = $1",
        id_hash.as_bytes(),
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends a session; one that ended before stays so.
pub async fn delete(connection: &mut PgConnection, id_hash: TokenHash) -> sqlx::Result<()> {
    sqlx::query!("delete from sessions where id_hash = $1", id_hash.as_bytes()).execute(connection).await?;
    Ok(())
}

/// Forgets sessions that ran out; returns how many.
pub async fn purge(connection: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<u64> {
    let gone = sqlx::query!("delete from sessions where expires_at <= $1", now).execute(connection).await?;
    Ok(gone.rows_affected())
}
