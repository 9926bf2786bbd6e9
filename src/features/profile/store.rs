use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::domain::{AccountId, RegionId};

/// What an account shows beside what every page's header knows.
pub struct AccountDetails {
    pub region_id: RegionId,
    pub phone: Option<String>,
    pub created_at: OffsetDateTime,
}

/// The details of an account that somebody is logged in to.
pub async fn details(connection: &mut PgConnection, account: AccountId) -> sqlx::Result<AccountDetails> {
    sqlx::query_as!(
        AccountDetails,
        r#"select region_id as "region_id: RegionId", phone, created_at from accounts where id = $1"#,
        account as AccountId,
    )
    .fetch_one(connection)
    .await
}
