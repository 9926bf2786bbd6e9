use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{
    form::{Admission, RegistrationForm, RegistrationRequest},
    page::RegistrationPage,
    promise,
};
use crate::{
    accounts::{
        accepted_forms, budgets, devices, invitations,
        registrations::{self, NewRegistration},
    },
    domain::{Client, FormId, PasswordHash},
    web::{
        device::Device,
        error::{PageError, refuse_spent},
        form::Form,
        page::{Frame, Page},
        state::App,
    },
};

/// Where a registration leads, whoever asks.
pub const WAITING_PAGE: &str = "/register/letter";

/// `GET /register`. The browser gets its device cookie here, so that a form that it sends twice
/// comes from one device.
///
/// With an invitation's link it asks for no captcha; where that was used or has run out, it says so, and is the
/// page that everybody gets.
pub async fn show(
    State(app): State<App>,
    frame: Frame,
    _: Device,
    Query(link): Query<InvitationLink>,
) -> Result<Response, PageError> {
    let mut connection = app.database.acquire().await?;
    let invited = match &link.invite {
        Some(invite) => RegistrationForm::invited(&app, &mut connection, invite.clone()).await?,
        None => None,
    };
    let invitation_is_gone = link.invite.is_some() && invited.is_none();
    let form = match invited {
        Some(form) => form,
        None => RegistrationForm::empty(&app, &mut connection).await?,
    };
    let page =
        RegistrationPage { frame, form, form_id: FormId::new(), invitation_is_gone, config: &app.config };
    Ok(page.with_status(if invitation_is_gone { StatusCode::GONE } else { StatusCode::OK }))
}

/// What the link of an invitation carries.
#[derive(Deserialize)]
pub struct InvitationLink {
    /// Its secret, where there is one.
    invite: Option<String>,
}

/// `POST /register`: makes a registration and promises its letter, whether or not the address is
/// known.
pub async fn submit(
    State(app): State<App>,
    frame: Frame,
    client: Client,
    device: Device,
    Form(form): Form<RegistrationForm>,
) -> Result<Response, PageError> {
    let mut connection = app.database.acquire().await?;
    let form_id = form.form_id();
    if let Some(redirect) = accepted_forms::redirect_of(&mut connection, form_id, app.clock.now()).await? {
        return Ok(Redirect::to(&redirect).into_response());
    }
    let languages = frame.languages.clone();
    let page =
        |form| RegistrationPage { frame, form, form_id, invitation_is_gone: false, config: &app.config };
    if form.wants_new_captcha() {
        return Ok(page(form.with_new_captcha(&app, &mut connection).await?).ok());
    }
    let request = match form.understand(&app, &mut connection, &languages).await? {
        Ok(request) => request,
        Err(form) => {
            return match accepted_forms::redirect_of(&mut connection, form_id, app.clock.now()).await? {
                // The same form was accepted while this one was read, and its captcha spent with it.
                Some(redirect) => Ok(Redirect::to(&redirect).into_response()),
                None => Ok(page(form).unprocessable()),
            };
        }
    };
    let by_client = budgets::letters_of(&client);
    if matches!(request.admission, Admission::Captcha(None)) {
        // Past this budget a captcha is wanted, which every registration has where there are any.
        let now = app.clock.now();
        let [letters] = app.budgets.usage(&mut connection, [by_client], now).await?;
        refuse_spent(letters, now)?;
    }
    // A connection is not held while the hash waits for its thread.
    drop(connection);
    let password_hash = app.hasher.hash(client.network(), &request.password).await?;
    match accept(&app, &client, device, &request, &password_hash).await? {
        true => Ok(Redirect::to(WAITING_PAGE).into_response()),
        false => {
            let mut connection = app.database.acquire().await?;
            let form =
                RegistrationForm::admission_is_spent(request, &app, &mut connection, &languages).await?;
            Ok(page(form).unprocessable())
        }
    }
}

/// Writes the registration down, with its letter. Returns false where its captcha or its
/// invitation was spent by another form.
async fn accept(
    app: &App,
    client: &Client,
    device: Device,
    request: &RegistrationRequest,
    password_hash: &PasswordHash,
) -> Result<bool, PageError> {
    let now = app.clock.now();
    let mut tx = app.database.begin().await?;
    if !accepted_forms::accept(&mut tx, request.form_id, WAITING_PAGE, now).await? {
        // The same form, sent twice at once: the other one made the registration.
        return Ok(true);
    }
    if !line_up(app, &mut tx, client, request.admission, now).await? {
        return Ok(false);
    }
    let registration = NewRegistration {
        email: &request.email,
        password_hash,
        region_id: &request.region_id,
        account_type: request.account_type,
        device_id: devices::seen(&mut tx, device.0, now).await?,
    };
    let id = registrations::insert(&mut tx, &registration, now).await?;
    // Where a day's letters wait already, none is promised; the waiting page says so.
    promise::letter(app, &mut tx, client, &request.email, id, now).await?;
    tx.commit().await?;
    Ok(true)
}

/// Spends what the registration costs, and lines up for its letter. Returns false where it was spent already.
async fn line_up(
    app: &App,
    tx: &mut PgConnection,
    client: &Client,
    admission: Admission,
    now: OffsetDateTime,
) -> Result<bool, PageError> {
    match admission {
        Admission::Captcha(captcha) => promise::line_up(app, tx, client, captcha, now).await,
        // It lets one registration through, also where the client's letters are used up.
        Admission::Invitation(id) => Ok(invitations::spend(tx, id, now).await?),
    }
}
