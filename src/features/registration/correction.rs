//! `/register/letter/address`: another address for a registration of this browser.

use askama::Template;
use axum::{
    extract::{Query, State},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use sqlx::PgConnection;

use super::{handlers::WAITING_PAGE, promise};
use crate::{
    accounts::{
        budgets,
        registrations::{self, Registration},
    },
    domain::{CaptchaId, Client, EmailAddress, RegistrationId},
    mail,
    web::{
        device::Device,
        error::PageError,
        fields::{
            captcha::{self, CaptchaField, SentCaptcha},
            email,
        },
        form::{self, Complaints, Form},
        page::{Frame, Page},
        signed_in_form::ShownTo,
        state::App,
    },
};

/// The form's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Email,
    Captcha,
}

impl form::Field for Field {
    fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Captcha => "captcha_answer",
        }
    }
}

/// The form as it was sent, and as it is shown again; the address of the page names the registration, too.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CorrectionForm {
    registration: String,
    email: String,
    #[serde(flatten)]
    shown: ShownTo,
    #[serde(flatten)]
    sent_captcha: SentCaptcha,
    #[serde(skip)]
    captcha: Option<CaptchaField>,
    #[serde(skip)]
    complaints: Complaints<Field>,
}

/// `/register/letter/address`.
#[derive(Template)]
#[template(path = "registration/address.html")]
struct CorrectionPage {
    frame: Frame,
    registration: Registration,
    /// How many corrections are left.
    left: i16,
    form: CorrectionForm,
    hint: String,
}

/// `GET /register/letter/address?registration=`.
pub async fn show(
    State(app): State<App>,
    frame: Frame,
    client: Client,
    device: Device,
    Query(mut form): Query<CorrectionForm>,
) -> Result<Response, PageError> {
    let mut connection = app.database.acquire().await?;
    let Some((registration, left)) = own(&app, &mut connection, &form, device).await? else {
        return Ok(Redirect::to(WAITING_PAGE).into_response());
    };
    form.shown = ShownTo::anybody();
    form.captcha = CaptchaField::once_spent(&app, &mut connection, budgets::letters_of(&client)).await?;
    if form.email.is_empty() {
        form.email = registration.email.to_string();
    }
    let hint = email::hint(&app.config);
    Ok(CorrectionPage { frame, registration, left, form, hint }.ok())
}

/// `POST /register/letter/address`: the letter goes to another address. Nothing that went to the first one
/// is good any more, and nobody there is told.
pub async fn submit(
    State(app): State<App>,
    frame: Frame,
    client: Client,
    device: Device,
    Form(form): Form<CorrectionForm>,
) -> Result<Response, PageError> {
    let shown = form.shown.clone();
    if let Some(answer) = shown.answered(&app, &mut *app.database.acquire().await?, None).await? {
        return Ok(answer);
    }
    let answer = answer(&app, frame, &client, device, form).await;
    shown.or_earlier(&app, answer).await
}

/// The answer to a form that was not accepted before.
async fn answer(
    app: &App,
    frame: Frame,
    client: &Client,
    device: Device,
    mut form: CorrectionForm,
) -> Result<Response, PageError> {
    let mut connection = app.database.acquire().await?;
    let Some((registration, left)) = own(app, &mut connection, &form, device).await? else {
        return Ok(Redirect::to(WAITING_PAGE).into_response());
    };
    let (id, present) = (registration.id, registration.email.clone());
    let page = |form| CorrectionPage { frame, registration, left, form, hint: email::hint(&app.config) };
    if left == 0 {
        return Ok(page(form).unprocessable());
    }
    if form.sent_captcha.wants_another() {
        form.captcha = CaptchaField::new(app, &mut connection).await?;
        return Ok(page(form).ok());
    }
    let chosen =
        email::choose(&form.email, &app.config).and_then(|email| match email.key() == present.key() {
            true => Err("The letter goes to this address already. Enter another one.".to_owned()),
            false => Ok(email),
        });
    let email = chosen.map_err(|words| form.complaints.add(Field::Email, words));
    let captcha = promise::admit(app, &mut connection, client, &form.sent_captcha).await?;
    let captcha = captcha.map_err(|words| form.complaints.add(Field::Captcha, words));
    drop(connection);
    if let (Ok(email), Ok(captcha)) = (email, captcha) {
        if correct(app, client, &form.shown, id, &email, captcha).await? {
            return Ok(Redirect::to(WAITING_PAGE).into_response());
        }
        form.complaints.add(Field::Captcha, captcha::spent_meanwhile(captcha));
    }
    let mut connection = app.database.acquire().await?;
    let asks_captcha =
        app.budgets.letters_spent_until(&mut connection, client, app.clock.now()).await?.is_some();
    if asks_captcha || form.complaints.about(Field::Captcha).is_some() {
        form.captcha = form.sent_captcha.again_or_new(app, &mut connection).await?;
    }
    Ok(page(form).unprocessable())
}

/// The registration of this browser that the form speaks of, and how often it can still be corrected; `None`
/// where it is confirmed.
async fn own(
    app: &App,
    connection: &mut PgConnection,
    form: &CorrectionForm,
    device: Device,
) -> Result<Option<(Registration, i16)>, PageError> {
    let id = form.registration.parse().map_err(|_| PageError::NotFound)?;
    let own = registrations::own(connection, id, device.0, app.clock.now()).await?;
    let registration = own.ok_or(PageError::NotFound)?;
    if registration.confirmed.is_some() {
        return Ok(None);
    }
    let left = registrations::corrections_left(connection, id).await?;
    Ok(Some((registration, left)))
}

/// Corrects the address, once. Returns false where its captcha was spent by another form.
async fn correct(
    app: &App,
    client: &Client,
    shown: &ShownTo,
    id: RegistrationId,
    email: &EmailAddress,
    captcha: Option<CaptchaId>,
) -> Result<bool, PageError> {
    let now = app.clock.now();
    let mut tx = app.database.begin().await?;
    if !shown.accept(&mut tx, WAITING_PAGE, now).await? {
        // The same form, sent twice at once: the other one corrected it.
        return Ok(true);
    }
    if !promise::line_up(app, &mut tx, client, captcha, now).await? {
        return Ok(false);
    }
    let registration = registrations::by_id_for_update(&mut tx, id, now).await?.ok_or(PageError::NotFound)?;
    // Where it was confirmed meanwhile, or corrected often enough, the pages say so.
    if registration.confirmed.is_none() && registrations::correct(&mut tx, id, email).await? {
        mail::drop_waiting(&mut tx, id.0).await?;
        promise::letter(app, &mut tx, client, email, id, now).await?;
        tx.commit().await?;
    }
    Ok(true)
}
