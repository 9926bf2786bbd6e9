use sqlx::PgConnection;
use time::{Duration, OffsetDateTime, Time};

use crate::domain::{DeviceId, TokenHash, UserId};

/// As long as browsers keep a cookie at most (RFC 6265bis, section 5.5).
pub const LIFETIME: Duration = Duration::days(400);

/// The device with this cookie, which is written down where it is new.
pub async fn seen(
    connection: &mut PgConnection,
    token: TokenHash,
    now: OffsetDateTime,
) -> sqlx::Result<DeviceId> {
    sqlx::query_scalar!(
        r#"insert into devices (id, token_hash, created_at, last_seen_at) values ($1, $2, $3, $4)
           on conflict (token_hash) do update set last_seen_at = excluded.last_seen_at
           returning id as "id: DeviceId""#,
        DeviceId::new() as DeviceId,
        token.as_bytes(),
        now,
        day_of(now),
    )
    .fetch_one(connection)
    .await
}

/// Makes a device one on which a user is known, in a transaction: their password was entered there.
pub async fn know(
    connection: &mut PgConnection,
    user: UserId,
    token: TokenHash,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let device = seen(connection, token, now).await?;
    sqlx::query!(
        "insert into known_devices (user_id, device_id, since) values ($1, $2, $3) on conflict do nothing",
        user as UserId,
        device as DeviceId,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// How exact “last seen” is for a device: to the day. Most log ins set it to the value that it has,
/// and PostgreSQL then leaves the indexes as they are.
pub fn day_of(now: OffsetDateTime) -> OffsetDateTime {
    now.replace_time(Time::MIDNIGHT)
}

/// Forgets devices whose cookie is gone; returns how many.
pub async fn purge(connection: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<u64> {
    let gone = sqlx::query!(
        "delete from devices where last_seen_at < $1
         and not exists (select from registrations where registrations.device_id = devices.id)",
        now - LIFETIME
    )
    .execute(connection)
    .await?;
    Ok(gone.rows_affected())
}
