//! Which accounts somebody has: which one they are here as, and which is being deleted, to be taken back by
//! a button.

mod store;

use askama::Template;
use axum::{
    Router,
    extract::{Query, State},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde::Deserialize;
use time::OffsetDateTime;

use crate::{
    accounts::{deletion, sessions::SignedIn, users},
    domain::{AccountId, Client},
    web::{
        error::PageError,
        fields::region,
        filters,
        form::Form,
        page::{Frame, Page},
        signed_in_form::ShownTo,
        state::App,
    },
};

const PAGE: &str = "/profile/accounts";
const TAKEN_BACK: &str = "/profile/accounts?because=taken-back";

/// The pages.
pub fn routes() -> Router<App> {
    Router::new()
        .route(PAGE, get(show))
        .route("/profile/accounts/take-back", post(take_back).get(|| async { Redirect::to(PAGE) }))
}

/// What led somebody here, in a sentence; `None` for any other word.
fn because(word: &str) -> Option<&'static str> {
    match word {
        "account-deletion" => Some("The account is hidden. A letter tells you so."),
        "taken-back" => Some("The account stays, and is shown again."),
        _ => None,
    }
}

/// `/profile/accounts`.
#[derive(Template)]
#[template(path = "pairing/accounts.html")]
struct AccountsPage {
    frame: Frame,
    accounts: Vec<store::Account>,
    /// As which one somebody is here.
    here: AccountId,
    shown_to: ShownTo,
    /// What led here, in a sentence.
    because: Option<&'static str>,
    now: OffsetDateTime,
}

#[derive(Deserialize)]
struct AccountsQuery {
    #[serde(default)]
    because: String,
}

/// `GET /profile/accounts`.
async fn show(
    State(app): State<App>,
    frame: Frame,
    signed_in: SignedIn,
    Query(query): Query<AccountsQuery>,
) -> Result<Response, PageError> {
    let page = AccountsPage {
        frame,
        accounts: store::accounts(&mut *app.database.acquire().await?, signed_in.user_id).await?,
        here: signed_in.account_id,
        shown_to: ShownTo::new(&signed_in),
        because: because(&query.because),
        now: app.clock.now(),
    };
    Ok(page.ok())
}

/// `POST /profile/accounts/take-back`: an account that is being deleted stays.
async fn take_back(
    State(app): State<App>,
    signed_in: SignedIn,
    client: Client,
    Form(shown_to): Form<ShownTo>,
) -> Result<Response, PageError> {
    let now = app.clock.now();
    let mut tx = app.database.begin().await?;
    if let Some(answer) = shown_to.answered(&app, &mut tx, &signed_in).await? {
        return Ok(answer);
    }
    users::by_id_for_update(&mut tx, signed_in.user_id).await?;
    if shown_to.accept(&mut tx, TAKEN_BACK, now).await?
        && deletion::take_back_accounts(&mut tx, signed_in.user_id, &client, now).await? == 0
    {
        // It is gone, or was taken back before: the page shows which.
        return Ok(Redirect::to(PAGE).into_response());
    }
    tx.commit().await?;
    Ok(Redirect::to(TAKEN_BACK).into_response())
}
