use sqlx::PgConnection;
use time::OffsetDateTime;

use super::registrations::Registration;
use crate::{
    domain::{AccountId, EmailAddress, UserId},
    platform::database,
};

/// The stored address of whoever has this one, which may be spelled otherwise.
pub async fn stored_email(
    connection: &mut PgConnection,
    email: &EmailAddress,
) -> sqlx::Result<Option<EmailAddress>> {
    sqlx::query_scalar!(
        r#"select email as "email: EmailAddress" from users where email_key = $1"#,
        email.key()
    )
    .fetch_optional(connection)
    .await
}

/// Makes the user and the account that a registration asked for, or returns `None` where its
/// address has a user already. The transaction must be given up then.
pub async fn insert(
    connection: &mut PgConnection,
    registration: &Registration,
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
    sqlx::query!(
        "insert into accounts (id, user_id, account_type, region_id, created_at) values ($1, $2, $3, $4, $5)",
        account as AccountId,
        user as UserId,
        registration.account_type as _,
        registration.region_id.as_str(),
        now,
    )
    .execute(connection)
    .await?;
    Ok(Some((user, account)))
}
