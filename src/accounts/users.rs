use serde::Serialize;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    activity::{self, Event},
    registrations::Registration,
    sessions,
};
use crate::{
    domain::{
        AccountId, AccountType, Client, DisplayName, EmailAddress, PasswordHash, PhoneNumber, RegionId,
        UserId,
    },
    mail::Draft,
    platform::{clock::dated, database},
};

/// A person who can log in.
#[derive(Clone, Debug)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Their address, as they typed it.
    pub email: EmailAddress,
    /// What their password is compared with.
    pub password_hash: PasswordHash,
    /// Whether the password is one that recovery made, and none was chosen since.
    pub password_is_generated: bool,
    /// Whether operators locked them.
    pub is_locked: bool,
    /// When the grace of their deletion is over, where they are being deleted.
    pub deletion_due_at: Option<OffsetDateTime>,
}

/// Who has an address.
#[derive(Clone, Debug)]
pub enum Holder {
    /// A user.
    User(User),
    /// The user who gave it up lately, and may still take that back.
    Reserved {
        /// That user.
        by: UserId,
        /// From when it is free, where that is known: not before the notice of it has left.
        free_from: Option<OffsetDateTime>,
    },
}

/// Who has this address, which may be stored with another spelling.
pub async fn holder(
    connection: &mut PgConnection,
    email: &EmailAddress,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Holder>> {
    let row = sqlx::query!(
        r#"select id as "id!: UserId", email as "email!: EmailAddress", password_hash as "password_hash!: PasswordHash",
               password_is_generated as "password_is_generated!", locked_at is not null as "is_locked!",
               deletion_due_at, false as "is_reserved!", null::timestamptz as free_from
           from users where email_key = $1
           union all
           select user_id, email, password_hash, false, false, null, true, runs_out_at
           from live_notices where email_key = $1 and kind = 'email_changed' and (runs_out_at is null or runs_out_at > $2)
           -- A user comes before a reservation, and of several reservations the last: one whose end is not known
           -- yet is null, which a descending order begins with.
           order by "is_reserved!", free_from desc limit 1"#,
        email.key(),
        now,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| match row.is_reserved {
        false => Holder::User(User {
            id: row.id,
            email: row.email,
            password_hash: row.password_hash,
            password_is_generated: row.password_is_generated,
            is_locked: row.is_locked,
            deletion_due_at: row.deletion_due_at,
        }),
        true => Holder::Reserved { by: row.id, free_from: row.free_from },
    }))
}

/// What a letter says to an address that is reserved, `why` one gets it, and where its button leads.
pub fn reserved_draft(free_from: Option<OffsetDateTime>, help: String, why: &'static str) -> Draft {
    let until = match free_from {
        Some(free_from) => format!("until {}", dated(free_from)),
        None => "for some days".to_owned(),
    };
    let words = format!(
        "Somebody at Vestibule had this address until lately and has another one now. This address is kept for them \
         {until}, so that the change can be undone from the letter that told of it. From then on it is free: you can \
         register with it, or choose it for an account that you have."
    );
    Draft {
        subject: "This address is not free yet",
        paragraphs: vec![words],
        password: None,
        button: "Read the help",
        address: help,
        why,
    }
}

/// A user as operators see them.
#[derive(Clone, Debug, Serialize)]
pub struct UserRow {
    /// Their id.
    pub id: UserId,
    /// Their address, as they typed it.
    pub email: EmailAddress,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When the password last became another one.
    #[serde(with = "time::serde::rfc3339::option")]
    pub password_changed_at: Option<OffsetDateTime>,
    /// When operators locked them, where they did.
    #[serde(with = "time::serde::rfc3339::option")]
    pub locked_at: Option<OffsetDateTime>,
    /// When the grace of their deletion is over, where they are being deleted.
    #[serde(with = "time::serde::rfc3339::option")]
    pub deletion_due_at: Option<OffsetDateTime>,
}

/// The users whose address holds this text in whatever case, or whose id it is, or that of an account of theirs;
/// `limit` at most, by address. It reads all addresses: for operators.
pub async fn find(connection: &mut PgConnection, text: &str, limit: i64) -> sqlx::Result<Vec<UserRow>> {
    sqlx::query_as!(
        UserRow,
        r#"select id as "id: UserId", email as "email: EmailAddress", created_at, password_changed_at, locked_at,
               deletion_due_at
           from users
           -- An address is compared by its domain in ASCII, and found also by what was typed.
           where strpos(email_key, lower($1)) > 0 or strpos(lower(email), lower($1)) > 0
               or id = $2 or id in (select user_id from accounts where id = $2)
           order by email_key limit $3"#,
        text,
        text.parse::<Uuid>().ok(),
        limit,
    )
    .fetch_all(connection)
    .await
}

/// The same of the user of this id.
pub async fn row(connection: &mut PgConnection, id: UserId) -> sqlx::Result<Option<UserRow>> {
    sqlx::query_as!(
        UserRow,
        r#"select id as "id: UserId", email as "email: EmailAddress", created_at, password_changed_at, locked_at,
               deletion_due_at
           from users where id = $1"#,
        id as UserId,
    )
    .fetch_optional(connection)
    .await
}

/// An account as operators see it.
#[derive(Clone, Debug, Serialize)]
pub struct AccountRow {
    /// Its id.
    pub id: AccountId,
    /// Its type.
    pub account_type: AccountType,
    /// Where it is.
    pub region_id: RegionId,
    /// How to call.
    pub phone: Option<PhoneNumber>,
    /// What others see.
    pub display_name: Option<DisplayName>,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it goes, while it is being deleted.
    #[serde(with = "time::serde::rfc3339::option")]
    pub deletion_due_at: Option<OffsetDateTime>,
    /// The other account of its pair.
    pub counterpart_id: Option<AccountId>,
    /// Whose that is.
    pub counterpart_user_id: Option<UserId>,
}

/// A user's accounts, the oldest first.
pub async fn accounts_of(connection: &mut PgConnection, user: UserId) -> sqlx::Result<Vec<AccountRow>> {
    sqlx::query_as!(
        AccountRow,
        r#"select accounts.id as "id: AccountId", accounts.account_type as "account_type: AccountType",
               accounts.region_id as "region_id: RegionId", accounts.phone as "phone: PhoneNumber",
               accounts.display_name as "display_name: DisplayName", accounts.created_at, accounts.deletion_due_at,
               counterpart_id as "counterpart_id?: AccountId", other.user_id as "counterpart_user_id?: UserId"
           from accounts
           left join counterparts on account_id = accounts.id
           left join accounts as other on other.id = counterpart_id
           where accounts.user_id = $1 order by accounts.created_at, accounts.id"#,
        user as UserId,
    )
    .fetch_all(connection)
    .await
}

/// Locks a user, in a transaction that holds them: their sessions end at once, and nobody logs in as them.
/// Changes nothing where they are locked already.
pub async fn lock(connection: &mut PgConnection, user: &User, now: OffsetDateTime) -> sqlx::Result<()> {
    if user.is_locked {
        return Ok(());
    }
    sqlx::query!("update users set locked_at = $2 where id = $1", user.id as UserId, now)
        .execute(&mut *connection)
        .await?;
    sessions::end_all(connection, user.id, None).await?;
    activity::record(connection, user.id, &Event::LockedByOperators, None, now).await?;
    Ok(())
}

/// Lets a locked user in again, in a transaction that holds them. Changes nothing where they are not locked.
pub async fn unlock(connection: &mut PgConnection, user: &User, now: OffsetDateTime) -> sqlx::Result<()> {
    if !user.is_locked {
        return Ok(());
    }
    sqlx::query!("update users set locked_at = null where id = $1", user.id as UserId)
        .execute(&mut *connection)
        .await?;
    activity::record(connection, user.id, &Event::UnlockedByOperators, None, now).await?;
    Ok(())
}

/// The user of this id.
pub async fn by_id(connection: &mut PgConnection, id: UserId) -> sqlx::Result<Option<User>> {
    sqlx::query_as!(
        User,
        r#"select id as "id: UserId", email as "email: EmailAddress", password_hash as "password_hash: PasswordHash",
               password_is_generated, locked_at is not null as "is_locked!", deletion_due_at
           from users where id = $1"#,
        id as UserId,
    )
    .fetch_optional(connection)
    .await
}

/// The same, held until the transaction ends, so that two changes come one after the other.
pub async fn by_id_for_update(connection: &mut PgConnection, id: UserId) -> sqlx::Result<Option<User>> {
    hold(connection, &[id]).await?;
    by_id(connection, id).await
}

/// Holds users until the transaction ends: the statements that follow see what others did who held them
/// before. Rows that name the users can be written meanwhile. Whoever needs several holds them at once, in
/// the one order in which everybody does, or each could wait for the other.
pub async fn hold(connection: &mut PgConnection, ids: &[UserId]) -> sqlx::Result<()> {
    sqlx::query!("select from users where id = any($1) order by id for no key update", ids as &[UserId])
        .execute(connection)
        .await?;
    Ok(())
}

/// Makes the user and the account that a registration asked for, or returns `None` where its
/// address has a user already, or is kept for one. The transaction must be given up then.
pub async fn insert(
    connection: &mut PgConnection,
    registration: &Registration,
    client: &Client,
    now: OffsetDateTime,
) -> sqlx::Result<Option<(UserId, AccountId)>> {
    let (user, account) = (UserId::new(), AccountId::new());
    let inserted = sqlx::query!(
        "insert into users (id, email, email_key, password_hash, created_at) values ($1, $2, $3, $4, $5)",
        user as UserId,
        registration.email.as_str(),
        registration.email.key(),
        registration.password_hash.as_str(),
        now,
    )
    .execute(&mut *connection)
    .await;
    match inserted {
        Err(error) if database::violates(&error, "users_email_key") => return Ok(None),
        inserted => inserted?,
    };
    if is_kept_for_another(connection, user, &registration.email, now).await? {
        return Ok(None);
    }
    sqlx::query!(
        "insert into accounts (id, user_id, account_type, region_id, created_at) values ($1, $2, $3, $4, $5)",
        account as AccountId,
        user as UserId,
        registration.account_type as _,
        registration.region_id.as_str(),
        now,
    )
    .execute(&mut *connection)
    .await?;
    let event = Event::Registered { account_type: registration.account_type };
    activity::record(connection, user, &event, Some(client), now).await?;
    Ok(Some((user, account)))
}

/// Gives a user another address. Returns false where it has a user already, or is kept for one; the
/// transaction must be given up then.
pub async fn set_email(
    connection: &mut PgConnection,
    user: UserId,
    email: &EmailAddress,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let set = sqlx::query!(
        "update users set email = $2, email_key = $3 where id = $1",
        user as UserId,
        email.as_str(),
        email.key(),
    )
    .execute(&mut *connection)
    .await;
    match set {
        Err(error) if database::violates(&error, "users_email_key") => return Ok(false),
        set => set?,
    };
    Ok(!is_kept_for_another(connection, user, email, now).await?)
}

/// Whether an address that was just written down is kept for another user. Asked afterwards: who gives
/// an address up writes that down while the address is still theirs, so the write has waited for it.
async fn is_kept_for_another(
    connection: &mut PgConnection,
    user: UserId,
    email: &EmailAddress,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select from live_notices where email_key = $1 and kind = 'email_changed' and user_id <> $2
                   and (runs_out_at is null or runs_out_at > $3)
           ) as "is_kept!""#,
        email.key(),
        user as UserId,
        now,
    )
    .fetch_one(connection)
    .await
}
