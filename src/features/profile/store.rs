use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{
    accounts::email_changes::MOST_SHOWN,
    domain::{AccountId, EmailAddress, PhoneNumber, RegionId},
};

/// What a profile shows beside what every page's header knows.
pub struct Profile {
    pub region_id: RegionId,
    pub phone: Option<PhoneNumber>,
    pub created_at: OffsetDateTime,
    /// The addresses that wait for the answer to their letter, the latest first.
    pub pending_emails: Vec<EmailAddress>,
}

/// The profile of an account that somebody is logged in to, by one statement.
pub async fn profile(
    connection: &mut PgConnection,
    account: AccountId,
    now: OffsetDateTime,
) -> sqlx::Result<Profile> {
    sqlx::query_as!(
        Profile,
        r#"select region_id as "region_id: RegionId", phone as "phone: PhoneNumber", created_at,
               array (
                   select email from live_email_changes as change
                   where change.user_id = accounts.user_id and (runs_out_at is null or runs_out_at > $2)
                   order by asked_at desc, id desc limit $3
               ) as "pending_emails!: Vec<EmailAddress>"
           from accounts where id = $1"#,
        account as AccountId,
        now,
        MOST_SHOWN,
    )
    .fetch_one(connection)
    .await
}
