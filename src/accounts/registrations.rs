//! Filled-in forms whose letter is not answered yet. A registration is no user and reserves
//! nothing; several may wait for one address, each with its own letters.
//!
//! It runs out 7 days after its last letter was handed over, refused or given up, and without any
//! letter 7 days after it was made: the view `live_registrations` holds that rule, and [`LIFETIME`]
//! repeats its number for pages.

use serde::Serialize;
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::budgets;
use crate::{
    domain::{
        AccountId, AccountType, DeviceId, EmailAddress, LetterId, PasswordHash, RegionId, RegistrationId,
        TokenHash, UserId,
    },
    mail::LetterState,
};

/// How long a registration waits for its answer.
pub const LIFETIME: Duration = Duration::days(7);

/// What somebody asked for, and how far it is.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Its id.
    pub id: RegistrationId,
    /// The address that was typed.
    pub email: EmailAddress,
    /// Made of the password that was chosen.
    pub password_hash: PasswordHash,
    /// The region that was chosen.
    pub region_id: RegionId,
    /// The account type that was chosen.
    pub account_type: AccountType,
    /// The browser that made it.
    pub device_id: DeviceId,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it became a user, and which.
    pub confirmed: Option<(OffsetDateTime, UserId, AccountId)>,
}

/// One row of the view, as every statement here reads it.
struct Row {
    id: RegistrationId,
    email: EmailAddress,
    password_hash: PasswordHash,
    region_id: RegionId,
    account_type: AccountType,
    device_id: DeviceId,
    created_at: OffsetDateTime,
    confirmed_at: Option<OffsetDateTime>,
    user_id: Option<UserId>,
    account_id: Option<AccountId>,
}

impl From<Row> for Registration {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            email: row.email,
            password_hash: row.password_hash,
            region_id: row.region_id,
            account_type: row.account_type,
            device_id: row.device_id,
            created_at: row.created_at,
            confirmed: match (row.confirmed_at, row.user_id, row.account_id) {
                (Some(at), Some(user), Some(account)) => Some((at, user, account)),
                _ => None,
            },
        }
    }
}

/// A registration that is about to be written down.
#[derive(Clone, Debug)]
pub struct NewRegistration<'a> {
    /// The address that was typed.
    pub email: &'a EmailAddress,
    /// Made of the password that was chosen.
    pub password_hash: &'a PasswordHash,
    /// The region that was chosen.
    pub region_id: &'a RegionId,
    /// The account type that was chosen.
    pub account_type: AccountType,
    /// The browser that made it.
    pub device_id: DeviceId,
}

/// Writes a registration down.
pub async fn insert(
    connection: &mut PgConnection,
    new: &NewRegistration<'_>,
    now: OffsetDateTime,
) -> sqlx::Result<RegistrationId> {
    let id = RegistrationId::new();
    sqlx::query!(
        "insert into registrations (id, email, password_hash, region_id, account_type, device_id, created_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        id as RegistrationId,
        new.email.as_str(),
        new.password_hash.as_str(),
        new.region_id.as_str(),
        new.account_type as _,
        new.device_id as DeviceId,
        now,
    )
    .execute(connection)
    .await?;
    Ok(id)
}

/// The registration of this id, where it has not run out.
pub async fn by_id(
    connection: &mut PgConnection,
    id: RegistrationId,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Registration>> {
    let row = sqlx::query_as!(
        Row,
        r#"select id as "id!: RegistrationId", email as "email!: EmailAddress", password_hash as "password_hash!: PasswordHash",
               region_id as "region_id!: RegionId", account_type as "account_type!: AccountType",
               device_id as "device_id!: DeviceId", created_at as "created_at!", confirmed_at,
               user_id as "user_id: UserId", account_id as "account_id: AccountId"
           from live_registrations where id = $1 and (runs_out_at is null or runs_out_at > $2)"#,
        id as RegistrationId,
        now,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(Registration::from))
}

/// The same, held until the transaction ends, so that two answers to it come one after the other.
pub async fn by_id_for_update(
    connection: &mut PgConnection,
    id: RegistrationId,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Registration>> {
    sqlx::query!("select from registrations where id = $1 for update", id as RegistrationId)
        .execute(&mut *connection)
        .await?;
    by_id(connection, id, now).await
}

/// The registration that a letter's link speaks of, where it has not run out.
pub async fn by_token(
    connection: &mut PgConnection,
    token: TokenHash,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Registration>> {
    let id = sqlx::query_scalar!(
        r#"select registration_id as "id: RegistrationId" from confirmation_tokens where token_hash = $1"#,
        token.as_bytes(),
    )
    .fetch_optional(&mut *connection)
    .await?;
    match id {
        Some(id) => by_id(connection, id, now).await,
        None => Ok(None),
    }
}

/// The registrations that this browser made and that have not run out, the latest first.
pub async fn by_device(
    connection: &mut PgConnection,
    device: TokenHash,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Registration>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id as "id!: RegistrationId", email as "email!: EmailAddress", password_hash as "password_hash!: PasswordHash",
               region_id as "region_id!: RegionId", account_type as "account_type!: AccountType",
               device_id as "device_id!: DeviceId", created_at as "created_at!", confirmed_at,
               user_id as "user_id: UserId", account_id as "account_id: AccountId"
           from live_registrations
           where device_id = (select id from devices where token_hash = $1)
               and (runs_out_at is null or runs_out_at > $2)
           order by created_at desc limit 20"#,
        device.as_bytes(),
        now,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(Registration::from).collect())
}

/// The registration of this id, where this browser made it and it has not run out.
pub async fn own(
    connection: &mut PgConnection,
    id: RegistrationId,
    device: TokenHash,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Registration>> {
    match by_id(connection, id, now).await? {
        Some(registration) if is_own(connection, &registration, device).await? => Ok(Some(registration)),
        _ => Ok(None),
    }
}

/// Whether this browser made the registration.
pub async fn is_own(
    connection: &mut PgConnection,
    registration: &Registration,
    device: TokenHash,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from devices where id = $1 and token_hash = $2) as "is_own!""#,
        registration.device_id as DeviceId,
        device.as_bytes(),
    )
    .fetch_one(connection)
    .await
}

/// Makes a link good for this registration, whose letter is about to leave: as long as one is under way, it does
/// not run out. Earlier links stay good. Returns the registration, held until the transaction ends, or `None`
/// where it is gone.
pub async fn insert_token(
    connection: &mut PgConnection,
    id: RegistrationId,
    token: TokenHash,
) -> sqlx::Result<Option<Registration>> {
    // One statement, since every letter waits for it.
    let row = sqlx::query_as!(
        Row,
        r#"with held as materialized (
               select * from registrations where id = $1 for update
           ), token as (
               insert into confirmation_tokens (token_hash, registration_id) select $2, id from held
           )
           select id as "id: RegistrationId", email as "email: EmailAddress", password_hash as "password_hash: PasswordHash",
               region_id as "region_id: RegionId", account_type as "account_type: AccountType",
               device_id as "device_id: DeviceId", created_at, confirmed_at, user_id as "user_id: UserId",
               account_id as "account_id: AccountId"
           from held"#,
        id as RegistrationId,
        token.as_bytes(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(Registration::from))
}

/// How often the address can still be corrected.
pub async fn corrections_left(connection: &mut PgConnection, id: RegistrationId) -> sqlx::Result<i16> {
    let made =
        sqlx::query_scalar!("select corrections from registrations where id = $1", id as RegistrationId)
            .fetch_optional(connection)
            .await?;
    Ok(made.map_or(0, |made| budgets::MOST_CORRECTIONS - made))
}

/// Corrects the address, after which no link that went out before is good. Returns false where it was
/// corrected as often as it may be.
pub async fn correct(
    connection: &mut PgConnection,
    id: RegistrationId,
    email: &EmailAddress,
) -> sqlx::Result<bool> {
    let corrected = sqlx::query!(
        "update registrations set email = $2, corrections = corrections + 1 where id = $1 and corrections < $3",
        id as RegistrationId,
        email.as_str(),
        budgets::MOST_CORRECTIONS,
    )
    .execute(&mut *connection)
    .await?;
    if corrected.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query!("delete from confirmation_tokens where registration_id = $1", id as RegistrationId)
        .execute(connection)
        .await?;
    Ok(true)
}

/// A registration as operators see it.
#[derive(Clone, Debug, Serialize)]
pub struct RegistrationRow {
    /// Its id.
    pub id: RegistrationId,
    /// The address that was typed.
    pub email: EmailAddress,
    /// The account type that was chosen.
    pub account_type: AccountType,
    /// The region that was chosen.
    pub region_id: RegionId,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it runs out; not known while a letter of it is under way.
    #[serde(with = "time::serde::rfc3339::option")]
    pub runs_out_at: Option<OffsetDateTime>,
    /// When it was confirmed.
    #[serde(with = "time::serde::rfc3339::option")]
    pub confirmed_at: Option<OffsetDateTime>,
    /// Which user it became, or added an account to.
    pub user_id: Option<UserId>,
    /// Its latest letter.
    pub letter_id: Option<LetterId>,
    /// Where that is.
    pub letter_state: Option<LetterState>,
}

/// The `limit` latest registrations that are kept: of all, or with one address in whatever case. By an address
/// it reads all registrations.
pub async fn latest(
    connection: &mut PgConnection,
    email: Option<&str>,
    limit: i64,
) -> sqlx::Result<Vec<RegistrationRow>> {
    sqlx::query_as!(
        RegistrationRow,
        r#"select live.id as "id!: RegistrationId", email as "email!: EmailAddress",
               account_type as "account_type!: AccountType", region_id as "region_id!: RegionId",
               live.created_at as "created_at!", runs_out_at, confirmed_at, user_id as "user_id: UserId",
               letter.id as "letter_id?: LetterId", letter.state as "letter_state?: LetterState"
           from live_registrations as live
           left join lateral (
               select id, state from letters where about = live.id order by created_at desc, id desc limit 1
           ) as letter on true
           where $1::text is null or lower(email) = lower($1)
           order by live.created_at desc, live.id desc limit $2"#,
        email,
        limit,
    )
    .fetch_all(connection)
    .await
}

/// Notes which user a registration became.
pub async fn set_confirmed(
    connection: &mut PgConnection,
    id: RegistrationId,
    user: UserId,
    account: AccountId,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update registrations set confirmed_at = $2, user_id = $3, account_id = $4 where id = $1",
        id as RegistrationId,
        now,
        user as UserId,
        account as AccountId,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets registrations that ran out; returns how many.
pub async fn purge(connection: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<u64> {
    let gone = sqlx::query!(
        "delete from registrations where id in (
             select id from live_registrations where created_at <= $2 and runs_out_at <= $1
         )",
        now,
        // None that is younger has run out.
        now - LIFETIME,
    )
    .execute(connection)
    .await?;
    Ok(gone.rows_affected())
}
