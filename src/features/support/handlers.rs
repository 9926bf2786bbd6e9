use axum::{
    extract::{Query, State},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    form::{SupportForm, SupportMessage},
    letter::{AcknowledgementLetter, SupportRequestLetter},
    own_letter,
    page::{SentPage, SupportPage},
    sender::Sender,
};
use crate::{
    accounts::{
        budgets::{self, Subject},
        sessions::SignedIn,
        support_requests::{self, NewSupportRequest},
    },
    captcha,
    domain::{Client, SupportReference},
    mail,
    web::{
        device::Device,
        error::PageError,
        fields::captcha::CaptchaField,
        form::Form,
        page::{Frame, Page},
        signed_in_form::ShownTo,
        state::App,
    },
};

/// What a link to the page may bring along.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct About {
    /// The registration whose letter it is about.
    letter: String,
}

/// `GET /support`.
pub async fn show(
    State(app): State<App>,
    frame: Frame,
    signed_in: Option<SignedIn>,
    client: Client,
    device: Device,
    Query(about): Query<About>,
) -> Result<Response, PageError> {
    let sender = Sender::new(&client, signed_in.as_ref());
    let email = signed_in.map_or_else(String::new, |signed_in| signed_in.email.to_string());
    let mut connection = app.database.acquire().await?;
    let captcha = match sender.spent(&app, &mut connection).await?.captcha_until {
        Some(_) => CaptchaField::new(&app, &mut connection).await?,
        None => None,
    };
    let letter_state = own_letter::state(&mut connection, &about.letter, device, app.clock.now()).await?;
    // What does not travel along is not carried either.
    let letter = if letter_state.is_some() { about.letter } else { String::new() };
    Ok(SupportPage { frame, form: SupportForm::new(email, letter, captcha), letter_state }.ok())
}

/// `POST /support`: takes what anybody writes, and answers with a reference.
pub async fn submit(
    State(app): State<App>,
    frame: Frame,
    signed_in: Option<SignedIn>,
    client: Client,
    device: Device,
    Form(form): Form<SupportForm>,
) -> Result<Response, PageError> {
    let shown = form.shown.clone();
    if let Some(answer) = shown.answered(&app, &mut *app.database.acquire().await?, None).await? {
        return Ok(answer);
    }
    let answer = take(&app, frame, &Sender::new(&client, signed_in.as_ref()), device, form).await;
    shown.or_earlier(&app, answer).await
}

/// The answer to a form that was not taken before.
async fn take(
    app: &App,
    frame: Frame,
    sender: &Sender,
    device: Device,
    mut form: SupportForm,
) -> Result<Response, PageError> {
    let mut connection = app.database.acquire().await?;
    let letter_state = own_letter::state(&mut connection, &form.letter, device, app.clock.now()).await?;
    if form.wants_new_captcha() {
        let form = form.with_new_captcha(app, &mut connection).await?;
        return Ok(SupportPage { frame, form, letter_state }.ok());
    }
    let spent = sender.spent(app, &mut connection).await?;
    if let Some(until) = spent.shut_until {
        return Err(PageError::TooMany { until, now: app.clock.now() });
    }
    let Some(message) = form.understand(app, &mut connection, spent).await? else {
        return Ok(SupportPage { frame, form, letter_state }.unprocessable());
    };
    drop(connection);
    if let Some(redirect) = keep(app, sender, &form.shown, &message, letter_state.as_deref()).await? {
        return Ok(Redirect::to(&redirect).into_response());
    }
    form.captcha_is_missing(app, &mut *app.database.acquire().await?, &message).await?;
    Ok(SupportPage { frame, form, letter_state }.unprocessable())
}

/// Stores the request with its letters, and returns where its form leads; `None` where the same form was
/// taken at the same time, its captcha was spent by another form, or others of this sender's have used up
/// meanwhile what goes without one.
async fn keep(
    app: &App,
    sender: &Sender,
    shown: &ShownTo,
    message: &SupportMessage,
    letter_state: Option<&str>,
) -> Result<Option<String>, PageError> {
    let now = app.clock.now();
    let reference = SupportReference::generate();
    let redirect = format!("/support/sent?reference={reference}");
    let mut tx = app.database.begin().await?;
    if !shown.accept(&mut tx, &redirect, now).await? {
        return Ok(None);
    }
    if let Some(captcha) = message.captcha
        && !captcha::store::spend(&mut tx, captcha, now).await?
    {
        return Ok(None);
    }
    let spent = sender.spent_in_line(app, &mut tx).await?;
    if let Some(until) = spent.shut_until {
        return Err(PageError::TooMany { until, now });
    }
    if let Some(until) = spent.captcha_until.filter(|_| message.captcha.is_none()) {
        return if app.config.captcha { Ok(None) } else { Err(PageError::TooMany { until, now }) };
    }
    let request = NewSupportRequest {
        reference: &reference,
        email: &message.email,
        message: &message.message,
        user_id: sender.user_id,
        letter_state,
    };
    let id = support_requests::insert(&mut tx, &request, now).await?;
    if let Some(support) = &app.config.support_email {
        mail::enqueue::<SupportRequestLetter>(&mut tx, support, Some(id.0), now).await?;
    }
    let recipient = Subject::address(&message.email);
    if app.budgets.spend_if_free(&mut tx, budgets::SUPPORT_ACKNOWLEDGEMENTS, recipient, now).await? {
        mail::enqueue::<AcknowledgementLetter>(&mut tx, &message.email, Some(id.0), now).await?;
    }
    sender.spend(app, &mut tx, now).await?;
    tx.commit().await?;
    Ok(Some(redirect))
}

/// Which request the page speaks of.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    reference: String,
}

/// `GET /support/sent`: says the reference, and nothing else of the request.
pub async fn sent(
    State(app): State<App>,
    frame: Frame,
    Query(sent): Query<Sent>,
) -> Result<Response, PageError> {
    let reference = SupportReference::parse(&sent.reference).ok_or(PageError::NotFound)?;
    match support_requests::exists(&mut *app.database.acquire().await?, &reference).await? {
        true => Ok(SentPage { frame, reference }.ok()),
        false => Err(PageError::NotFound),
    }
}
