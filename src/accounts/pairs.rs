//! Pairs: the customer and the artist account of one person, each the other's *counterpart*. Two accounts
//! of one user are a pair from the moment there are two; those of two users are made one by linking. The
//! table's constraints hold what a pair can be: see `migrations/0009_pairs.sql`.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{
    activity::{self, Event},
    notices::{self, NewNotice, NoticeKind},
    users::User,
};
use crate::{
    domain::{AccountId, AccountType, Client, EmailAddress, RegionId, TokenHash, UserId},
    platform::database,
};

/// The other account of a pair, with whose it is.
#[derive(Clone, Debug)]
pub struct Counterpart {
    /// The account.
    pub account_id: AccountId,
    /// Its type.
    pub account_type: AccountType,
    /// Whose it is.
    pub user_id: UserId,
    /// Their address.
    pub email: EmailAddress,
    /// Since when the two are a pair.
    pub paired_at: OffsetDateTime,
    /// What keeps anybody from switching there.
    pub barred: Option<Barred>,
    /// Whether switching there from this device wants their password: it was changed since the two were
    /// linked, and has not been entered here.
    pub wants_password: bool,
}

/// Why nobody can switch to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barred {
    /// Operators locked its user.
    Locked,
    /// It is being deleted, or its user is.
    BeingDeleted,
    /// Its user must change a generated password first.
    MustChangePassword,
}

/// The counterpart of an account, as seen from a device; `must_change` is whether a generated password
/// must be changed before anything else.
pub async fn counterpart(
    connection: &mut PgConnection,
    account: AccountId,
    device: TokenHash,
    must_change: bool,
) -> sqlx::Result<Option<Counterpart>> {
    let row = sqlx::query!(
        r#"select other.id as "account_id: AccountId", other.account_type as "account_type: AccountType",
               users.id as "user_id: UserId", email as "email: EmailAddress", paired_at as "paired_at!",
               locked_at is not null as "is_locked!",
               other.deletion_due_at is not null or users.deletion_due_at is not null as "is_being_deleted!",
               password_is_generated,
               users.id <> here.user_id and coalesce(password_changed_at > paired_at, false) and not exists (
                   select from known_devices join devices on devices.id = known_devices.device_id
                   where known_devices.user_id = users.id and devices.token_hash = $2
               ) as "wants_password!"
           from accounts as here
           join counterparts on counterparts.account_id = here.id
           join accounts as other on other.id = counterpart_id
           join users on users.id = other.user_id
           where here.id = $1"#,
        account as AccountId,
        device.as_bytes(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Counterpart {
        account_id: row.account_id,
        account_type: row.account_type,
        user_id: row.user_id,
        email: row.email,
        paired_at: row.paired_at,
        barred: match (row.is_locked, row.is_being_deleted, must_change && row.password_is_generated) {
            (true, ..) => Some(Barred::Locked),
            (_, true, _) => Some(Barred::BeingDeleted),
            (.., true) => Some(Barred::MustChangePassword),
            _ => None,
        },
        wants_password: row.wants_password,
    }))
}

/// Makes two accounts of different types a pair. Returns false where either is in a pair already; the
/// transaction must be given up then.
pub async fn insert(
    connection: &mut PgConnection,
    (one, account_type): (AccountId, AccountType),
    other: AccountId,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let (customer, artist) = match account_type {
        AccountType::Customer => (one, other),
        AccountType::Artist => (other, one),
    };
    let inserted = sqlx::query!(
        "insert into pairs (customer_account_id, artist_account_id, paired_at) values ($1, $2, $3)",
        customer as AccountId,
        artist as AccountId,
        now,
    )
    .execute(connection)
    .await;
    match inserted {
        Err(error)
            if database::violates(&error, "pairs_customer_once")
                || database::violates(&error, "pairs_artist_once") =>
        {
            Ok(false)
        }
        inserted => inserted.map(|_| true),
    }
}

/// Why a user cannot have an account of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdded {
    /// They have one, or are gone.
    Held,
    /// The account that they have is linked with another user's.
    Linked,
}

/// Why an account of a type cannot be added for a user, or `None` where it can.
pub async fn why_not_added(
    connection: &mut PgConnection,
    user: UserId,
    account_type: AccountType,
) -> sqlx::Result<Option<NotAdded>> {
    let row = sqlx::query!(
        r#"select coalesce(bool_or(account_type = $2), true) as "is_held!",
               coalesce(bool_or(exists (
                   select from counterparts where account_id = accounts.id
               )), false) as "is_paired!"
           from accounts where user_id = $1"#,
        user as UserId,
        account_type as AccountType,
    )
    .fetch_one(connection)
    .await?;
    Ok(match (row.is_held, row.is_paired) {
        (true, _) => Some(NotAdded::Held),
        (false, true) => Some(NotAdded::Linked),
        (false, false) => None,
    })
}

/// Gives a user the account that they lack, which is a pair with the one they have. Its phone and its
/// display name are those of that one; from then on each has its own. Where it cannot be, the transaction
/// must be given up.
pub async fn add_account(
    connection: &mut PgConnection,
    user: UserId,
    account_type: AccountType,
    region: &RegionId,
    client: &Client,
    now: OffsetDateTime,
) -> sqlx::Result<Result<AccountId, NotAdded>> {
    let id = AccountId::new();
    let added = sqlx::query_scalar!(
        r#"insert into accounts (id, user_id, account_type, region_id, phone, display_name, created_at)
           select $1, user_id, $3, $4, phone, display_name, $5 from accounts where user_id = $2
           returning (select id from accounts where user_id = $2 and account_type <> $3) as "first!: AccountId""#,
        id as AccountId,
        user as UserId,
        account_type as AccountType,
        region as &RegionId,
        now,
    )
    .fetch_optional(&mut *connection)
    .await;
    let first = match added {
        Err(error) if database::violates(&error, "accounts_one_of_each_type") => {
            return Ok(Err(NotAdded::Held));
        }
        added => match added? {
            Some(first) => first,
            None => return Ok(Err(NotAdded::Held)),
        },
    };
    if !insert(connection, (id, account_type), first, now).await? {
        return Ok(Err(NotAdded::Linked));
    }
    activity::record(connection, user, &Event::AccountAdded { account_type }, Some(client), now).await?;
    Ok(Ok(id))
}

/// Tells a user, in their activity and by a notice, that their account was linked with another user's, or is so
/// no longer. In a transaction that holds them. Returns when it happened in the order of their notices.
pub async fn tell(
    connection: &mut PgConnection,
    user: &User,
    with: &EmailAddress,
    kind: NoticeKind,
    client: &Client,
    now: OffsetDateTime,
) -> sqlx::Result<OffsetDateTime> {
    let with = with.clone();
    let event = if kind == NoticeKind::Linked { Event::Linked { with } } else { Event::Unlinked { with } };
    activity::record(connection, user.id, &event, Some(client), now).await?;
    let password_hash = &user.password_hash;
    let notice = NewNotice { user_id: user.id, kind, to: &user.email, client, password_hash };
    notices::send(connection, &notice, now).await
}

/// Parts two accounts of two users. Returns false where they are no pair by now.
pub async fn delete(connection: &mut PgConnection, one: AccountId, other: AccountId) -> sqlx::Result<bool> {
    let gone = sqlx::query!(
        "delete from pairs where customer_account_id = any($1) and artist_account_id = any($1)",
        &[one.0, other.0],
    )
    .execute(connection)
    .await?;
    Ok(gone.rows_affected() == 1)
}

/// Parts a user's account from another user's, where they were linked since a time; both read of it in their
/// activity. In a transaction that holds the user and ends their sessions, which ends those that were switched
/// to the other.
pub async fn unlink_since(
    connection: &mut PgConnection,
    user: UserId,
    since: OffsetDateTime,
    client: &Client,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let parted = sqlx::query!(
        r#"with parted as (
               delete from pairs using accounts as customer, accounts as artist
               where customer.id = customer_account_id and artist.id = artist_account_id and paired_at >= $2
                   and customer.user_id <> artist.user_id
                   -- By their indexes, however many pairs there are.
                   and (customer_account_id = any(array(select id from accounts where user_id = $1))
                       or artist_account_id = any(array(select id from accounts where user_id = $1)))
               returning customer.user_id as one, artist.user_id as other
           )
           select one.id as "one: UserId", one.email as "one_email: EmailAddress", other.id as "other: UserId",
               other.email as "other_email: EmailAddress"
           from parted join users as one on one.id = one join users as other on other.id = other"#,
        user as UserId,
        since,
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(parted) = parted {
        for (user, with) in [(parted.one, parted.other_email), (parted.other, parted.one_email)] {
            activity::record(connection, user, &Event::Unlinked { with }, Some(client), now).await?;
        }
    }
    Ok(())
}
