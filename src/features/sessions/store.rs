use std::{fmt, str::FromStr};

use ipnet::IpNet;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{
    accounts::sessions::SignedIn,
    domain::{Client, TokenHash, UserId},
};

/// How many of the other sessions a page shows.
pub const A_PAGE: usize = 20;

/// One session, as its owner sees it.
pub struct SessionRow {
    pub id: TokenHash,
    pub logged_in_at: OffsetDateTime,
    pub last_seen_at: OffsetDateTime,
    pub client: Client,
    /// Whether it was switched to or from a linked user, and belongs to both.
    pub is_linked: bool,
}

/// Where a page of sessions ends. It holds the time too: the session itself may be ended by then.
#[derive(Clone, Copy)]
pub struct Place {
    logged_in_at: OffsetDateTime,
    id: TokenHash,
}

/// This session, unless it was ended just now.
pub async fn this_one(
    connection: &mut PgConnection,
    signed_in: &SignedIn,
) -> sqlx::Result<Option<SessionRow>> {
    let row = sqlx::query_as!(
        Row,
        r#"select id_hash as "id: TokenHash", logged_in_at, last_seen_at, client_address as "client_address: IpNet",
               user_agent, other_user_id is not null as "is_linked!"
           from sessions where id_hash = $1"#,
        signed_in.session.as_bytes(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(SessionRow::from))
}

/// A page of the user's other sessions, those that come after `after`, and whether there are more.
pub async fn others(
    connection: &mut PgConnection,
    signed_in: &SignedIn,
    after: Option<Place>,
    now: OffsetDateTime,
) -> sqlx::Result<(Vec<SessionRow>, bool)> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id_hash as "id!: TokenHash", logged_in_at as "logged_in_at!", last_seen_at as "last_seen_at!",
               client_address as "client_address!: IpNet", user_agent as "user_agent!",
               other_user_id is not null as "is_linked!"
           from (
               -- Each reads the index where the page begins, and no further than the page goes.
               (select * from sessions
                where user_id = $1 and id_hash <> $2 and expires_at > $3
                    and (logged_in_at, id_hash) < (coalesce($4, 'infinity'::timestamptz), coalesce($5, ''::bytea))
                order by logged_in_at desc, id_hash desc limit $6)
               union all
               (select * from sessions
                where other_user_id = $1 and id_hash <> $2 and expires_at > $3
                    and (logged_in_at, id_hash) < (coalesce($4, 'infinity'::timestamptz), coalesce($5, ''::bytea))
                order by logged_in_at desc, id_hash desc limit $6)
           ) as theirs
           order by logged_in_at desc, id_hash desc limit $6"#,
        signed_in.user_id as UserId,
        signed_in.session.as_bytes(),
        now,
        after.map(|place| place.logged_in_at),
        after.as_ref().map(|place| place.id.as_bytes()),
        // One more, which tells that there is one.
        A_PAGE as i64 + 1,
    )
    .fetch_all(connection)
    .await?;
    let has_more = rows.len() > A_PAGE;
    Ok((rows.into_iter().take(A_PAGE).map(SessionRow::from).collect(), has_more))
}

/// Ends one of the user's sessions; returns where it had been begun, or `None` where it is no session of
/// theirs.
pub async fn end(connection: &mut PgConnection, user: UserId, id: TokenHash) -> sqlx::Result<Option<Client>> {
    let row = sqlx::query!(
        r#"delete from sessions where id_hash = $2 and $1 in (user_id, other_user_id)
           returning client_address as "client_address: IpNet", user_agent"#,
        user as UserId,
        id.as_bytes(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Client::of(row.client_address, row.user_agent)))
}

/// One row, as the statements here read it.
struct Row {
    id: TokenHash,
    logged_in_at: OffsetDateTime,
    last_seen_at: OffsetDateTime,
    client_address: IpNet,
    user_agent: String,
    is_linked: bool,
}

impl From<Row> for SessionRow {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            logged_in_at: row.logged_in_at,
            last_seen_at: row.last_seen_at,
            client: Client::of(row.client_address, row.user_agent),
            is_linked: row.is_linked,
        }
    }
}

impl SessionRow {
    /// Where the page ends whose last one it is.
    pub fn place(&self) -> Place {
        Place { logged_in_at: self.logged_in_at, id: self.id }
    }
}

/// `MICROSECONDS.ID`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.logged_in_at.unix_timestamp_nanos() / 1000, self.id)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (microseconds, id) = text.split_once('.').ok_or(())?;
        // PostgreSQL knows fewer years before our era than this type.
        let microseconds: u64 = microseconds.parse().map_err(|_| ())?;
        let logged_in_at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(microseconds) * 1000);
        Ok(Self { logged_in_at: logged_in_at.map_err(|_| ())?, id: TokenHash::parse(id).ok_or(())? })
    }
}
