use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::document::{Data, VERSION};
use crate::{
    accounts::{devices, sessions::SignedIn, support_requests},
    domain::{AccountId, AccountType, ActivityId, EmailAddress, UserId},
};

/// How many entries of the activity are read at once.
const ACTIVITY_AT_ONCE: i64 = 200;

/// The person who logs in.
#[derive(Serialize)]
pub struct UserData {
    id: UserId,
    email: EmailAddress,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    password_changed_at: Option<OffsetDateTime>,
    password_is_generated: bool,
}

/// One of their accounts.
#[derive(Serialize)]
pub struct AccountData {
    id: AccountId,
    account_type: AccountType,
    region_id: String,
    phone: Option<String>,
    display_name: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    deletion_due_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    last_here_at: Option<OffsetDateTime>,
    counterpart_id: Option<AccountId>,
    #[serde(with = "time::serde::rfc3339::option")]
    paired_at: Option<OffsetDateTime>,
}

/// Where they are logged in.
#[derive(Serialize)]
pub struct SessionData {
    account_id: AccountId,
    is_this_one: bool,
    remember: bool,
    #[serde(with = "time::serde::rfc3339")]
    logged_in_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    last_seen_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    client_address: String,
    user_agent: String,
}

/// A browser in which they have logged in before.
#[derive(Serialize)]
pub struct KnownDeviceData {
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    first_seen_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    last_seen_at: OffsetDateTime,
}

/// The registration that became one of their accounts.
#[derive(Serialize)]
pub struct RegistrationData {
    id: Uuid,
    email: String,
    account_type: AccountType,
    region_id: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    confirmed_at: Option<OffsetDateTime>,
    account_id: Option<AccountId>,
}

/// An address that is to become theirs.
#[derive(Serialize)]
pub struct EmailChangeData {
    id: Uuid,
    email: String,
    #[serde(with = "time::serde::rfc3339")]
    asked_at: OffsetDateTime,
}

/// What they were told and can still answer.
#[derive(Serialize)]
pub struct NoticeData {
    id: Uuid,
    kind: String,
    email: String,
    #[serde(with = "time::serde::rfc3339")]
    happened_at: OffsetDateTime,
    client_address: String,
    user_agent: String,
}

/// What they wrote to support while they were logged in.
#[derive(Serialize)]
pub struct SupportRequestData {
    id: Uuid,
    reference: String,
    email: String,
    message: String,
    letter_state: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    closed_at: Option<OffsetDateTime>,
}

/// A letter that was promised to them.
#[derive(Serialize)]
pub struct LetterData {
    kind: String,
    recipient: String,
    about: Option<Uuid>,
    state: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    first_attempt_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    settled_at: Option<OffsetDateTime>,
    answer: Option<String>,
}

/// What happened once.
#[derive(Serialize)]
pub struct ActivityData {
    id: ActivityId,
    kind: String,
    details: Option<Value>,
    #[serde(with = "time::serde::rfc3339")]
    happened_at: OffsetDateTime,
    client_address: Option<String>,
    user_agent: Option<String>,
}

/// Where a page of the activity ends.
#[derive(Clone, Copy)]
pub struct ActivityPlace {
    happened_at: OffsetDateTime,
    id: ActivityId,
}

impl ActivityData {
    /// Where the page ends whose last one it is.
    pub fn place(&self) -> ActivityPlace {
        ActivityPlace { happened_at: self.happened_at, id: self.id }
    }
}

/// All that we hold on a user and that has not run out, but for their activity. No statement here reads the hash of a secret.
pub async fn data(
    connection: &mut PgConnection,
    signed_in: &SignedIn,
    now: OffsetDateTime,
) -> sqlx::Result<Data> {
    let id = signed_in.user_id;
    Ok(Data {
        version: VERSION,
        exported_at: now,
        user: user(connection, id).await?,
        accounts: accounts(connection, id).await?,
        sessions: sessions(connection, signed_in, now).await?,
        known_devices: known_devices(connection, id, now).await?,
        registrations: registrations(connection, id, now).await?,
        email_changes: email_changes(connection, id, now).await?,
        notices: notices(connection, id, now).await?,
        support_requests: written_to_support(connection, id, now).await?,
        letters: letters(connection, id, now).await?,
    })
}

async fn user(connection: &mut PgConnection, id: UserId) -> sqlx::Result<UserData> {
    sqlx::query_as!(
        UserData,
        r#"select id as "id: UserId", email as "email: EmailAddress", created_at, password_changed_at,
               password_is_generated
           from users where id = $1"#,
        id as UserId,
    )
    .fetch_one(connection)
    .await
}

async fn accounts(connection: &mut PgConnection, user: UserId) -> sqlx::Result<Vec<AccountData>> {
    sqlx::query_as!(
        AccountData,
        r#"select id as "id: AccountId", account_type as "account_type: AccountType", region_id, phone, display_name,
               created_at, deletion_due_at, last_here_at,
               counterpart_id as "counterpart_id?: AccountId", paired_at as "paired_at?"
           from accounts
           left join counterparts on counterparts.account_id = accounts.id
           where user_id = $1 order by created_at, id"#,
        user as UserId,
    )
    .fetch_all(connection)
    .await
}

async fn sessions(
    connection: &mut PgConnection,
    signed_in: &SignedIn,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<SessionData>> {
    sqlx::query_as!(
        SessionData,
        r#"select account_id as "account_id: AccountId", id_hash = $2 as "is_this_one!", remember, logged_in_at,
               last_seen_at, expires_at, host(client_address) as "client_address!", user_agent
           from sessions where $1 in (user_id, other_user_id) and expires_at > $3
           order by logged_in_at desc, id_hash desc"#,
        signed_in.user_id as UserId,
        signed_in.session.as_bytes(),
        now,
    )
    .fetch_all(connection)
    .await
}

async fn known_devices(
    connection: &mut PgConnection,
    user: UserId,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<KnownDeviceData>> {
    sqlx::query_as!(
        KnownDeviceData,
        "select since, created_at as first_seen_at, last_seen_at
         from known_devices join devices on devices.id = device_id
         where user_id = $1 and last_seen_at >= $2 order by since, device_id",
        user as UserId,
        now - devices::LIFETIME,
    )
    .fetch_all(connection)
    .await
}

async fn registrations(
    connection: &mut PgConnection,
    user: UserId,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<RegistrationData>> {
    sqlx::query_as!(
        RegistrationData,
        r#"select id as "id!", email as "email!", account_type as "account_type!: AccountType",
               region_id as "region_id!", created_at as "created_at!", confirmed_at, account_id as "account_id: AccountId"
           from live_registrations where user_id = $1 and (runs_out_at is null or runs_out_at > $2)
           order by created_at, id"#,
        user as UserId,
        now,
    )
    .fetch_all(connection)
    .await
}

async fn email_changes(
    connection: &mut PgConnection,
    user: UserId,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<EmailChangeData>> {
    sqlx::query_as!(
        EmailChangeData,
        r#"select id as "id!", email as "email!", asked_at as "asked_at!"
           from live_email_changes where user_id = $1 and (runs_out_at is null or runs_out_at > $2)
           order by asked_at, id"#,
        user as UserId,
        now,
    )
    .fetch_all(connection)
    .await
}

async fn notices(
    connection: &mut PgConnection,
    user: UserId,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<NoticeData>> {
    sqlx::query_as!(
        NoticeData,
        r#"select id as "id!", kind as "kind!", email as "email!", happened_at as "happened_at!",
               host(client_address) as "client_address!", user_agent as "user_agent!"
           from live_notices where user_id = $1 and (runs_out_at is null or runs_out_at > $2)
           order by happened_at, id"#,
        user as UserId,
        now,
    )
    .fetch_all(connection)
    .await
}

async fn written_to_support(
    connection: &mut PgConnection,
    user: UserId,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<SupportRequestData>> {
    sqlx::query_as!(
        SupportRequestData,
        "select id, reference, email, message, letter_state, created_at, closed_at
         from support_requests where user_id = $1 and created_at > $2 order by created_at, id",
        user as UserId,
        now - support_requests::KEPT,
    )
    .fetch_all(connection)
    .await
}

/// The letters that speak of the user or of what is theirs.
async fn letters(
    connection: &mut PgConnection,
    user: UserId,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<LetterData>> {
    sqlx::query_as!(
        LetterData,
        r#"select kind, recipient, about, state::text as "state!", created_at, first_attempt_at, settled_at, answer
           from letters where about = any (array (
               select $1
               union all select id from live_registrations
                   where user_id = $1 and (runs_out_at is null or runs_out_at > $2)
               union all select id from live_email_changes
                   where user_id = $1 and (runs_out_at is null or runs_out_at > $2)
               union all select id from live_notices
                   where user_id = $1 and (runs_out_at is null or runs_out_at > $2)
               union all select id from support_requests where user_id = $1 and created_at > $3
           ))
           order by created_at, id"#,
        user as UserId,
        now,
        now - support_requests::KEPT,
    )
    .fetch_all(connection)
    .await
}

/// What happened, the latest first: those that come after `after`.
pub async fn activity(
    connection: &mut PgConnection,
    user: UserId,
    after: Option<ActivityPlace>,
) -> sqlx::Result<Vec<ActivityData>> {
    sqlx::query_as!(
        ActivityData,
        r#"select id as "id: ActivityId", kind, details, happened_at, host(client_address) as client_address, user_agent
           from activity
           where user_id = $1 and (happened_at, id) < (
               coalesce($2, 'infinity'::timestamptz), coalesce($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
           )
           order by happened_at desc, id desc limit $4"#,
        user as UserId,
        after.map(|place| place.happened_at),
        after.map(|place| place.id.0),
        ACTIVITY_AT_ONCE,
    )
    .fetch_all(connection)
    .await
}
