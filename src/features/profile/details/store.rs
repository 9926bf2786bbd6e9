use sqlx::PgConnection;

use crate::domain::{AccountId, DisplayName, PhoneNumber, RegionId};

/// What its owner can change of an account at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    pub display_name: Option<DisplayName>,
    pub region: RegionId,
    pub phone: Option<PhoneNumber>,
}

/// The details of an account as they are.
pub async fn details(connection: &mut PgConnection, account: AccountId) -> sqlx::Result<Details> {
    sqlx::query_as!(
        Details,
        r#"select display_name as "display_name: DisplayName", region_id as "region: RegionId",
               phone as "phone: PhoneNumber"
           from accounts where id = $1"#,
        account as AccountId,
    )
    .fetch_one(connection)
    .await
}

/// Holds accounts until the transaction ends, so that two changes come one after the other.
pub async fn hold(connection: &mut PgConnection, accounts: &[AccountId]) -> sqlx::Result<()> {
    sqlx::query!("select from accounts where id = any($1) order by id for update", accounts as &[AccountId])
        .execute(connection)
        .await?;
    Ok(())
}

/// Gives an account other details.
pub async fn set_details(
    connection: &mut PgConnection,
    account: AccountId,
    details: &Details,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update accounts set display_name = $2, region_id = $3, phone = $4 where id = $1",
        account as AccountId,
        details.display_name.as_ref() as Option<&DisplayName>,
        &details.region as &RegionId,
        details.phone.as_ref() as Option<&PhoneNumber>,
    )
    .execute(connection)
    .await?;
    Ok(())
}
