//! What happened to a user, when and from where, for them to read. It is only ever added to, in the
//! transaction of what it tells; the database refuses anything else.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::budgets::Budget;
use crate::domain::{
    AccountId, AccountType, ActivityId, Client, DisplayName, EmailAddress, PhoneNumber, RegionId, UserId,
};

/// What can happen. Rows call each by its name here, for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "details", rename_all = "snake_case")]
pub enum Event {
    /// A registration became this user's account.
    Registered {
        /// Of which type.
        account_type: AccountType,
    },
    /// Somebody logged in.
    LoggedIn,
    /// Somebody who was logged in as a linked user switched here.
    SwitchedHere {
        /// From whom.
        from: EmailAddress,
    },
    /// An account of the other type was added.
    AccountAdded {
        /// Which one.
        account_type: AccountType,
    },
    /// The account was linked with another user's.
    Linked {
        /// With whose.
        with: EmailAddress,
    },
    /// Such a link was ended.
    Unlinked {
        /// With whose account it had been linked.
        with: EmailAddress,
    },
    /// A letter with a generated password left for the user.
    GeneratedPasswordSent,
    /// A generated password was used and is the password now.
    PasswordRecovered,
    /// Another password was chosen.
    PasswordChanged,
    /// Details of an account were changed.
    DetailsChanged(DetailsChange),
    /// Such a change was taken back.
    DetailsTakenBack(DetailsChange),
    /// Another address was asked for.
    EmailChangeAsked {
        /// The one that was asked for.
        email: EmailAddress,
    },
    /// That wish was given up.
    EmailChangeCancelled {
        /// The one that had been asked for.
        email: EmailAddress,
    },
    /// The address became another one.
    EmailChanged {
        /// What it was.
        old: EmailAddress,
        /// What it is since.
        new: EmailAddress,
    },
    /// Such a change was undone from the old address.
    EmailChangeUndone {
        /// What it was.
        old: EmailAddress,
        /// What it is again.
        new: EmailAddress,
    },
    /// A session was ended from another one.
    SessionEnded {
        /// Where it had been begun.
        client: Client,
    },
    /// All sessions but one were ended.
    OtherSessionsEnded,
    /// All data were exported.
    DataExported,
    /// The user is to be deleted.
    DeletionAsked,
    /// The user stays.
    DeletionTakenBack,
    /// One of two accounts is to be deleted.
    AccountDeletionAsked {
        /// Which one.
        account_type: AccountType,
    },
    /// The account stays.
    AccountDeletionTakenBack {
        /// Which one.
        account_type: AccountType,
    },
    /// A notice was answered: it was somebody else. Everything was shut.
    DisownedByNotice,
    /// Operators locked the user, and all sessions ended.
    LockedByOperators,
    /// Operators let the user in again.
    UnlockedByOperators,
    /// Operators ended all sessions.
    SessionsEndedByOperators,
    /// Operators asked that the user be deleted.
    DeletionAskedByOperators,
}

/// What was changed in the details of an account: each with what was and what is since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetailsChange {
    /// Which account's.
    pub account_id: AccountId,
    /// Its phone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<(Option<PhoneNumber>, Option<PhoneNumber>)>,
    /// Its region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<(RegionId, RegionId)>,
    /// Its display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<(Option<DisplayName>, Option<DisplayName>)>,
    /// The entry of the same change of its counterpart, in the activity of whose that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counterpart: Option<ActivityId>,
}

/// What happened once.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its id.
    pub id: ActivityId,
    /// What, or `None` for what only a newer version can read.
    pub event: Option<Event>,
    /// When.
    pub happened_at: OffsetDateTime,
    /// From where, unless nobody did it.
    pub client: Option<Client>,
}

/// Writes down what happens, in the transaction of what it tells.
pub async fn record(
    connection: &mut PgConnection,
    user: UserId,
    event: &Event,
    client: Option<&Client>,
    now: OffsetDateTime,
) -> sqlx::Result<ActivityId> {
    let id = ActivityId::new();
    let mut told = serde_json::to_value(event).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let kind =
        told["kind"].as_str().ok_or_else(|| sqlx::Error::Encode("an event has no kind".into()))?.to_owned();
    let details = told.get_mut("details").map(Value::take);
    sqlx::query!(
        "insert into activity (id, user_id, happened_at, kind, details, client_address, user_agent)
         values ($1, $2, $3, $4, $5, $6, $7)",
        id as ActivityId,
        user as UserId,
        now,
        kind,
        details,
        client.map(|client| ipnet::IpNet::from(client.address)) as Option<ipnet::IpNet>,
        client.map(|client| client.user_agent.as_str()),
    )
    .execute(connection)
    .await?;
    Ok(id)
}

/// Until when a user has changed as much as the budget allows, where they have.
pub async fn spent_until(
    connection: &mut PgConnection,
    user: UserId,
    budget: Budget,
    now: OffsetDateTime,
) -> sqlx::Result<Option<OffsetDateTime>> {
    let first_that_counts = sqlx::query_scalar!(
        "select happened_at from activity
         where user_id = $1 and happened_at > $2 and client_address is not null and kind <> 'logged_in'
         order by happened_at desc, id desc offset $3 limit 1",
        user as UserId,
        now - budget.window,
        budget.limit - 1,
    )
    .fetch_optional(connection)
    .await?;
    Ok(first_that_counts.map(|at| at + budget.window))
}

/// The `limit` latest entries of a user's, or those that are older than `before`.
pub async fn latest(
    connection: &mut PgConnection,
    user: UserId,
    before: Option<ActivityId>,
    limit: i64,
) -> sqlx::Result<Vec<Entry>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id as "id: ActivityId", kind, details, happened_at, client_address as "client_address: ipnet::IpNet",
               user_agent
           from activity
           -- One comparison in either case, so that the index begins where the page does, however deep.
           where user_id = $1 and (happened_at, id) < (
               select mark.happened_at, mark.id from activity as mark where mark.id = $2 and mark.user_id = $1
               union all
               select 'infinity', 'ffffffff-ffff-ffff-ffff-ffffffffffff' where $2::uuid is null
           )
           order by happened_at desc, id desc limit $3"#,
        user as UserId,
        before as Option<ActivityId>,
        limit,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(Entry::from).collect())
}

/// One entry of a user's.
pub async fn by_id(
    connection: &mut PgConnection,
    user: UserId,
    id: ActivityId,
) -> sqlx::Result<Option<Entry>> {
    let row = sqlx::query_as!(
        Row,
        r#"select id as "id: ActivityId", kind, details, happened_at, client_address as "client_address: ipnet::IpNet",
               user_agent
           from activity where id = $2 and user_id = $1"#,
        user as UserId,
        id as ActivityId,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(Entry::from))
}

/// One row, as every statement here reads it.
struct Row {
    id: ActivityId,
    kind: String,
    details: Option<Value>,
    happened_at: OffsetDateTime,
    client_address: Option<ipnet::IpNet>,
    user_agent: Option<String>,
}

impl From<Row> for Entry {
    fn from(row: Row) -> Self {
        let told = match row.details {
            Some(details) => serde_json::json!({ "kind": row.kind, "details": details }),
            None => serde_json::json!({ "kind": row.kind }),
        };
        Self {
            id: row.id,
            event: serde_json::from_value(told).ok(),
            happened_at: row.happened_at,
            client: row.client_address.map(|address| Client::of(address, row.user_agent.unwrap_or_default())),
        }
    }
}
