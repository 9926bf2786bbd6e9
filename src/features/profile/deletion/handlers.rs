use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use tower_sessions::Session;

use super::{
    form::{DeletionForm, DeletionRequest, Scope},
    page::DeletionPage,
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
        session,
        state::App,
    },
};

const PAGE: &str = "/profile/delete";
/// Where somebody arrives who is being deleted: logged out.
const USER_GOES: &str = "/login?because=deletion";
/// Where somebody goes on as their other account.
const ACCOUNT_GOES: &str = "/profile/accounts?because=account-deletion";

/// `GET /profile/delete`.
pub async fn show(State(app): State<App>, frame: Frame, signed_in: SignedIn) -> Result<Response, PageError> {
    let other = store::other_account(&mut *app.database.acquire().await?, &signed_in).await?;
    let form = DeletionForm::new(&signed_in);
    Ok(DeletionPage { frame, form, here: signed_in.account_type, other }.ok())
}

/// `POST /profile/delete`: begins the grace.
pub async fn submit(
    State(app): State<App>,
    frame: Frame,
    session: Session,
    signed_in: Result<SignedIn, PageError>,
    client: Client,
    device: Device,
    Form(mut form): Form<DeletionForm>,
) -> Result<Response, PageError> {
    let mut connection = app.database.acquire().await?;
    let signed_in = match form.shown_to.sender(&app, &mut connection, signed_in).await? {
        Ok(signed_in) => signed_in,
        Err(answer) => return Ok(answer),
    };
    let other = store::other_account(&mut connection, &signed_in).await?;
    drop(connection);
    let page = |form| DeletionPage { frame, form, here: signed_in.account_type, other };
    if form.proof.wants_another_captcha() {
        form.proof.keep_captcha(&app).await?;
        return Ok(page(form).ok());
    }
    let request = match form.understand(&app, &client, device, &signed_in, other.is_some()).await? {
        Ok(request) => request,
        Err(form) => return Ok(page(form).unprocessable()),
    };
    let Some(redirect) = begin_grace(&app, &request, &signed_in, &client).await? else {
        // Something else was changed meanwhile; the page shows what can be deleted now.
        return Ok(Redirect::to(PAGE).into_response());
    };
    if request.scope == Scope::User {
        session::log_out(&session).await?;
    }
    Ok(Redirect::to(redirect).into_response())
}

/// Begins the grace once, and says where that leads; `None` where what the form says no longer holds.
async fn begin_grace(
    app: &App,
    request: &DeletionRequest,
    signed_in: &SignedIn,
    client: &Client,
) -> sqlx::Result<Option<&'static str>> {
    let now = app.clock.now();
    let redirect = match request.scope {
        Scope::User => USER_GOES,
        Scope::Account => ACCOUNT_GOES,
    };
    let mut tx = app.database.begin().await?;
    let user = users::by_id_for_update(&mut tx, signed_in.user_id).await?;
    let Some(user) = user.filter(|user| user.password_hash == request.proved) else { return Ok(None) };
    if !request.shown_to.accept(&mut tx, redirect, now).await? {
        return Ok(Some(redirect));
    }
    let is_begun = match request.scope {
        Scope::User => deletion::ask(&mut tx, &user, client, now).await?,
        Scope::Account => {
            deletion::ask_for_account(&mut tx, &user, signed_in.account_id, client, now).await?
        }
    };
    if !is_begun {
        return Ok(None);
    }
    tx.commit().await?;
    Ok(Some(redirect))
}
