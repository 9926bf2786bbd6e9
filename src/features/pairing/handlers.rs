use axum::{
    extract::{Query, State},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    PAGE, add,
    form::AccountsForm,
    link,
    page::{AccountsPage, because},
    store,
};
use crate::{
    accounts::{deletion, sessions::SignedIn, users},
    domain::Client,
    web::{
        device::Device,
        error::PageError,
        form::Form,
        page::{Frame, Page},
        signed_in_form::ShownTo,
        state::App,
    },
};

const TAKEN_BACK: &str = "/profile/accounts?because=taken-back";

/// What a link to the page says.
#[derive(Deserialize)]
pub struct AccountsQuery {
    #[serde(default)]
    because: String,
    /// A user who was logged in here just before, and whose account is perhaps to be linked.
    #[serde(default)]
    other: String,
}

/// `GET /profile/accounts`.
pub async fn show(
    State(app): State<App>,
    frame: Frame,
    signed_in: SignedIn,
    device: Device,
    Query(query): Query<AccountsQuery>,
) -> Result<Response, PageError> {
    let mut page = AccountsPage::new(&app, frame, &signed_in, device).await?;
    page.because = because(&query.because);
    let mut form = AccountsForm::default();
    if let Ok(other) = query.other.parse() {
        let email = store::email_known_here(&mut *app.database.acquire().await?, other, device.0).await?;
        form.email = email.map(|email| email.to_string());
    }
    Ok(page.with_form(form).ok())
}

/// `POST /profile/accounts`: adds an account, or links one.
pub async fn submit(
    State(app): State<App>,
    frame: Frame,
    signed_in: SignedIn,
    client: Client,
    device: Device,
    Form(form): Form<AccountsForm>,
) -> Result<Response, PageError> {
    if let Some(answer) = form.shown_to.answered_before(&app, &signed_in).await? {
        return Ok(answer);
    }
    match form.links() {
        true => link::submit(&app, frame, &signed_in, &client, device, form).await,
        false => add::submit(&app, frame, &signed_in, &client, device, form).await,
    }
}

/// `POST /profile/accounts/take-back`: an account that is being deleted stays.
pub async fn take_back(
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

/// `GET` on the address of a button.
pub async fn lead_to_page() -> Redirect {
    Redirect::to(PAGE)
}
