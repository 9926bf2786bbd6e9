//! `/register/letter/resend`: one more letter for a registration of this browser.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use time::OffsetDateTime;

use super::{
    handlers::WAITING_PAGE,
    promise,
    waiting::{self, Hurdle},
};
use crate::{
    accounts::{budgets, registrations},
    domain::{CaptchaId, Client, FormId, RegistrationId},
    mail::{self, LetterStatus},
    web::{
        device::Device,
        error::PageError,
        fields::captcha::{self, CaptchaField, SentCaptcha},
        form::{self, Complaints, Form},
        page::{Frame, Page},
        signed_in_form::ShownTo,
        state::App,
    },
};

/// The button's one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The captcha, once many letters were asked for.
    Captcha,
}

impl form::Field for Field {
    fn name(self) -> &'static str {
        match self {
            Self::Captcha => "captcha_answer",
        }
    }
}

/// The button that sends a letter again, as it was sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ResendForm {
    registration: String,
    #[serde(flatten)]
    shown: ShownTo,
    #[serde(flatten)]
    sent_captcha: SentCaptcha,
}

/// Whether a registration's letter can be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// By a form that is good for one more letter: its id is that of the last one, or of the registration.
    Now(FormId),
    /// From then on.
    From(OffsetDateTime),
    /// One is still under way.
    No,
}

impl Again {
    /// After these letters of a registration, oldest first.
    pub fn after(registration: RegistrationId, letters: &[&LetterStatus], now: OffsetDateTime) -> Self {
        let Some(last) = letters.last() else { return Self::Now(FormId(registration.0)) };
        // One that is under way still comes by itself.
        let settled: Option<Vec<_>> = letters.iter().map(|letter| letter.settled_at).collect();
        let Some(settled_at) = settled.and_then(|times| times.into_iter().max()) else { return Self::No };
        let resends = letters.len() - 1;
        let from = settled_at + budgets::RESENDS_APART[resends.min(budgets::RESENDS_APART.len() - 1)];
        if from > now { Self::From(from) } else { Self::Now(FormId(last.id.0)) }
    }
}

/// `GET /register/letter/resend`: the button stands on the waiting page.
pub async fn show() -> Redirect {
    Redirect::to(WAITING_PAGE)
}

/// `POST /register/letter/resend`: promises one more letter; earlier ones stay good.
pub async fn submit(
    State(app): State<App>,
    frame: Frame,
    client: Client,
    device: Device,
    Form(form): Form<ResendForm>,
) -> Result<Response, PageError> {
    if let Some(answer) = form.shown.answered(&app, &mut *app.database.acquire().await?, None).await? {
        return Ok(answer);
    }
    let answer = answer(&app, frame, &client, device, &form).await;
    form.shown.or_earlier(&app, answer).await
}

/// The answer to a button that was not pressed before.
async fn answer(
    app: &App,
    frame: Frame,
    client: &Client,
    device: Device,
    form: &ResendForm,
) -> Result<Response, PageError> {
    let now = app.clock.now();
    let mut connection = app.database.acquire().await?;
    let id: RegistrationId = form.registration.parse().map_err(|_| PageError::NotFound)?;
    let registration =
        registrations::own(&mut connection, id, device.0, now).await?.ok_or(PageError::NotFound)?;
    let mut complaints = Complaints::default();
    if form.sent_captcha.wants_another() {
        let captcha = CaptchaField::new(app, &mut connection).await?;
        let hurdle = Hurdle { registration: id, captcha, complaints };
        return Ok(waiting::page(app, &mut connection, frame, device, Some(hurdle)).await?.ok());
    }
    // Before a captcha is solved for nothing; what counts is looked at once more when the letter is promised.
    let letters = mail::about(&mut connection, &[id.0]).await?;
    if let Again::From(until) = Again::after(id, &waiting::letters_of(&registration, &letters), now) {
        return Err(PageError::TooMany { until, now });
    }
    let captcha = match promise::admit(app, &mut connection, client, &form.sent_captcha).await? {
        Ok(captcha) => {
            drop(connection);
            if send_again(app, client, &form.shown, id, captcha).await? {
                return Ok(Redirect::to(WAITING_PAGE).into_response());
            }
            connection = app.database.acquire().await?;
            complaints.add(Field::Captcha, captcha::spent_meanwhile(captcha));
            CaptchaField::new(app, &mut connection).await?
        }
        Err(words) => {
            complaints.add(Field::Captcha, words);
            form.sent_captcha.again_or_new(app, &mut connection).await?
        }
    };
    let hurdle = Hurdle { registration: id, captcha, complaints };
    Ok(waiting::page(app, &mut connection, frame, device, Some(hurdle)).await?.unprocessable())
}

/// Promises the letter, once. Returns false where its captcha was spent by another form.
async fn send_again(
    app: &App,
    client: &Client,
    shown: &ShownTo,
    id: RegistrationId,
    captcha: Option<CaptchaId>,
) -> Result<bool, PageError> {
    let now = app.clock.now();
    let mut tx = app.database.begin().await?;
    // The form, then the captcha and the client, then the registration, as a correction does: otherwise each
    // could wait for the other.
    if !shown.accept(&mut tx, WAITING_PAGE, now).await? {
        return Ok(true);
    }
    if !promise::line_up(app, &mut tx, client, captcha, now).await? {
        return Ok(false);
    }
    let registration = registrations::by_id_for_update(&mut tx, id, now).await?.ok_or(PageError::NotFound)?;
    let letters = mail::about(&mut tx, &[id.0]).await?;
    match Again::after(id, &waiting::letters_of(&registration, &letters), now) {
        Again::From(until) => return Err(PageError::TooMany { until, now }),
        Again::Now(_) if registration.confirmed.is_none() => {}
        // The page says why none is sent.
        Again::Now(_) | Again::No => return Ok(true),
    }
    if !promise::letter(app, &mut tx, client, &registration.email, id, now).await? {
        return Err(PageError::TooMany { until: now + budgets::REGISTRATION_LETTERS.window, now });
    }
    tx.commit().await?;
    Ok(true)
}
