use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};

use super::{form::PasswordForm, page::PasswordPage};
use crate::{
    accounts::{
        credentials::{self, NewPassword},
        sessions::SignedIn,
    },
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

/// Where a changed password leads.
const CHANGED: &str = "/profile?because=password-changed";

/// `GET /profile/password`.
pub async fn show(State(app): State<App>, frame: Frame, signed_in: SignedIn) -> Response {
    PasswordPage::new(&app, frame, &signed_in, PasswordForm::new(&signed_in)).ok()
}

/// `POST /profile/password`: makes the new password the password.
pub async fn submit(
    State(app): State<App>,
    frame: Frame,
    signed_in: SignedIn,
    client: Client,
    device: Device,
    Form(mut form): Form<PasswordForm>,
) -> Result<Response, PageError> {
    let shown_to = form.shown_to.clone();
    if let Some(answer) = shown_to.answered_before(&app, &signed_in).await? {
        return Ok(answer);
    }
    let page = |form| PasswordPage::new(&app, frame, &signed_in, form);
    if form.proof.wants_another_captcha() {
        form.proof.keep_captcha(&app).await?;
        return Ok(page(form).ok());
    }
    let request = match form.understand(&app, &client, device, &signed_in).await? {
        Ok(request) => request,
        Err(form) => {
            // The same form may have been accepted while this one was read: its current password is none now.
            let answer = shown_to.answered_before(&app, &signed_in).await?;
            return Ok(answer.unwrap_or_else(|| page(form).unprocessable()));
        }
    };
    let hash = app.hasher.hash(client.network(), &request.new).await?;
    let new = NewPassword {
        user_id: signed_in.user_id,
        old: &request.old,
        new: &hash,
        is_chosen: true,
        session: Some(signed_in.session),
        device: device.0,
        client: &client,
    };
    match accept(&app, &shown_to, &new).await? {
        true => Ok(Redirect::to(CHANGED).into_response()),
        false => Ok(page(PasswordForm::overtaken(shown_to)).unprocessable()),
    }
}

/// Returns false where what was proved is no longer the password.
async fn accept(app: &App, shown_to: &ShownTo, new: &NewPassword<'_>) -> sqlx::Result<bool> {
    let now = app.clock.now();
    let mut tx = app.database.begin().await?;
    if !shown_to.accept(&mut tx, CHANGED, now).await? {
        // The same form, sent twice at once: the other one did it.
        return Ok(true);
    }
    if !credentials::set_password(&mut tx, new, now).await? {
        return Ok(false);
    }
    tx.commit().await?;
    Ok(true)
}
