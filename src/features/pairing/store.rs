use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::domain::{AccountId, AccountType, EmailAddress, RegionId, TokenHash, UserId};

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

/// The address of a user who has logged in on this device before; nobody else's is told.
pub async fn email_known_here(
    connection: &mut PgConnection,
    user: UserId,
    device: TokenHash,
) -> sqlx::Result<Option<EmailAddress>> {
    sqlx::query_scalar!(
        r#"select email as "email: EmailAddress" from users
           join known_devices on known_devices.user_id = users.id
           join devices on devices.id = known_devices.device_id
           where users.id = $1 and devices.token_hash = $2"#,
        user as UserId,
        device.as_bytes(),
    )
    .fetch_optional(connection)
    .await
}
