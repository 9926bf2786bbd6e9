use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::domain::{AccountId, AccountType, RegionId, UserId};

/// One of somebody's accounts.
pub struct Account {
    pub id: AccountId,
    pub account_type: AccountType,
    pub region_id: RegionId,
    pub created_at: OffsetDateTime,
    /// When it goes, where it is being deleted.
    pub deletion_due_at: Option<OffsetDateTime>,
}

/// All accounts of a user, the oldest first.
pub async fn accounts(connection: &mut PgConnection, user: UserId) -> sqlx::Result<Vec<Account>> {
    sqlx::query_as!(
        Account,
        r#"select id as "id: AccountId", account_type as "account_type: AccountType", region_id as "region_id: RegionId",
               created_at, deletion_due_at
           from accounts where user_id = $1 order by created_at, id"#,
        user as UserId,
    )
    .fetch_all(connection)
    .await
}
