//! What the account shows, to its owner.

mod store;

use askama::Template;
use axum::{
    Router,
    extract::{Query, State},
    response::Response,
    routing::get,
};
use serde::Deserialize;
use time::OffsetDateTime;

use crate::{
    accounts::sessions::SignedIn,
    domain::{AccountType, EmailAddress},
    web::{
        error::PageError,
        fields::region,
        filters,
        page::{Frame, Page},
        state::App,
    },
};

/// The pages.
pub fn routes() -> Router<App> {
    Router::new().route("/profile", get(show))
}

/// What somebody hears whose link was used before.
const ALREADY_CONFIRMED: &str = "This registration was confirmed before, and you are logged in.";

/// `/profile`.
#[derive(Template)]
#[template(path = "profile/profile.html")]
struct ProfilePage {
    frame: Frame,
    account_type: AccountType,
    email: EmailAddress,
    region: String,
    phone: Option<String>,
    display_name: Option<String>,
    since: OffsetDateTime,
    now: OffsetDateTime,
    /// What led here, in a sentence.
    because: Option<&'static str>,
}

#[derive(Deserialize)]
struct ProfileQuery {
    #[serde(default)]
    because: String,
}

/// `GET /profile`.
async fn show(
    State(app): State<App>,
    frame: Frame,
    signed_in: SignedIn,
    Query(query): Query<ProfileQuery>,
) -> Result<Response, PageError> {
    let details = store::details(&mut *app.database.acquire().await?, signed_in.account_id).await?;
    let page = ProfilePage {
        frame,
        account_type: signed_in.account_type,
        email: signed_in.email,
        region: region::full_name(&details.region_id),
        phone: details.phone,
        display_name: signed_in.display_name,
        since: details.created_at,
        now: app.clock.now(),
        because: (query.because == "already-confirmed").then_some(ALREADY_CONFIRMED),
    };
    Ok(page.ok())
}
