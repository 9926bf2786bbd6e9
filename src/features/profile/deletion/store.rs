use sqlx::PgConnection;

use crate::{
    accounts::sessions::SignedIn,
    domain::{AccountId, AccountType},
};

/// The type of the account that would be left, where the user has another one that is not hidden.
pub async fn other_account(
    connection: &mut PgConnection,
    signed_in: &SignedIn,
) -> sqlx::Result<Option<AccountType>> {
    sqlx::query_scalar!(
        r#"select other.account_type as "account_type: AccountType"
           from accounts as here
           join accounts as other on other.user_id = here.user_id and other.id <> here.id
           where here.id = $1 and other.deletion_due_at is null"#,
        signed_in.account_id as AccountId,
    )
    .fetch_optional(connection)
    .await
}
