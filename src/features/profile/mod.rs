//! What an account shows, to its owner, with all that they can change: each section of `/profile` leads to
//! a page of its own.

mod activity;
mod deletion;
mod details;
mod email;
mod export;
mod password;
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
    domain::{AccountType, DisplayName, EmailAddress, PhoneNumber},
    mail::Registry,
    platform::config::Config,
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
    Router::new()
        .route("/profile", get(show))
        .merge(details::routes())
        .merge(email::routes())
        .merge(password::routes())
        .merge(activity::routes())
        .merge(export::routes())
        .merge(deletion::routes())
}

/// The letters.
pub fn letters(registry: Registry, config: &Config) -> Registry {
    email::letters(registry, config)
}

/// What led somebody to their profile, in a word and a sentence; `None` for anything else.
fn because(word: &str) -> Option<(&'static str, &'static str)> {
    match word {
        "already-confirmed" => Some(("You are logged in.", "This registration was confirmed before.")),
        "deletion-taken-back" => Some((
            "Your data stay.",
            "All your data here were to be deleted. By logging in you took that back.",
        )),
        "password-changed" => Some((
            "Done.",
            "Your password is changed, and you are logged out everywhere else. A letter tells you so.",
        )),
        "email-changed" => Some((
            "Done.",
            "Your email address is changed: from now on you log in with it. A letter to the old one says so.",
        )),
        _ => None,
    }
}

/// `/profile`.
#[derive(Template)]
#[template(path = "profile/profile.html")]
struct ProfilePage {
    frame: Frame,
    account_type: AccountType,
    email: EmailAddress,
    /// The addresses that wait for the answer to their letter.
    pending_emails: Vec<EmailAddress>,
    region: String,
    phone: Option<PhoneNumber>,
    display_name: Option<DisplayName>,
    password_is_generated: bool,
    since: OffsetDateTime,
    now: OffsetDateTime,
    /// What led here, in a word and a sentence.
    because: Option<(&'static str, &'static str)>,
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
    let now = app.clock.now();
    let profile = store::profile(&mut *app.database.acquire().await?, signed_in.account_id, now).await?;
    let page = ProfilePage {
        region: region::full_name(&profile.region_id, &frame.languages),
        frame,
        account_type: signed_in.account_type,
        email: signed_in.email,
        pending_emails: profile.pending_emails,
        phone: profile.phone,
        display_name: signed_in.display_name,
        password_is_generated: signed_in.password_is_generated,
        since: profile.created_at,
        now,
        because: because(&query.because),
    };
    Ok(page.ok())
}
