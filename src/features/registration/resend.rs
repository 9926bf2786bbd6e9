use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use time::OffsetDateTime;

use super::{
    handlers::{MANY_LETTERS, WAITING_PAGE, promise_letter},
    waiting::{self, Held},
};
use crate::{
    accounts::{accepted_forms, budgets, registrations},
    domain::{Client, FormId, RegistrationId},
    mail::{self, LetterStatus},
    web::{
        device::Device,
        error::{PageError, refuse_spent},
        fields::captcha::{CaptchaField, SentCaptcha},
        form::Form,
        page::{Frame, Page},
        state::App,
    },
};

/// The button that sends a letter again, as it was sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ResendForm {
    registration: String,
    form_id: String,
    #[serde(flatten)]
    sent_captcha: SentCaptcha,
}

/// Whether a registration's letter can be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// By a form that is good for one more letter: its id is that of the last one.
    Now(FormId),
    /// From then on.
    From(OffsetDateTime),
    /// There is none that has come to its end.
    No,
}

impl Again {
    /// After these letters of one registration, oldest first.
    pub fn after(letters: &[&LetterStatus], now: OffsetDateTime) -> Self {
        let Some(last) = letters.last() else { return Self::No };
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
    let now = app.clock.now();
    let mut connection = app.database.acquire().await?;
    let form_id: FormId = form.form_id.parse().unwrap_or_else(|_| FormId::new());
    if let Some(redirect) = accepted_forms::redirect_of(&mut connection, form_id, now).await? {
        return Ok(Redirect::to(&redirect).into_response());
    }
    let id: RegistrationId = form.registration.parse().map_err(|_| PageError::NotFound)?;
    registrations::own(&mut connection, id, device.0, now).await?.ok_or(PageError::NotFound)?;
    let held = |captcha, complaint| Held { registration: id, captcha, complaint };
    if form.sent_captcha.wants_another() {
        let held = held(CaptchaField::new(&app, &mut connection).await?, None);
        return Ok(waiting::page(&app, &mut connection, frame, device, Some(held)).await?.ok());
    }
    let by_client = budgets::letters_of(&client);
    let [client_letters] = app.budgets.usage(&mut connection, [by_client], now).await?;
    let mut has_passed = false;
    if let Some(until) = client_letters.spent_until() {
        match form.sent_captcha.pass_because(&app, &mut connection, until, MANY_LETTERS).await? {
            Ok(()) => has_passed = true,
            Err(words) => {
                let captcha = form.sent_captcha.again_or_new(&app, &mut connection).await?;
                let page =
                    waiting::page(&app, &mut connection, frame, device, Some(held(captcha, Some(words))));
                return Ok(page.await?.unprocessable());
            }
        }
    }
    drop(connection);
    let mut tx = app.database.begin().await?;
    // The form, then the client, then the registration, as a correction does: otherwise each could wait for
    // the other.
    if !accepted_forms::accept(&mut tx, form_id, WAITING_PAGE, now).await? {
        return Ok(Redirect::to(WAITING_PAGE).into_response());
    }
    let [client_letters] = app.budgets.usage_in_line(&mut tx, [by_client], now).await?;
    if !has_passed {
        refuse_spent(client_letters, now)?;
    }
    let registration = registrations::by_id_for_update(&mut tx, id, now).await?.ok_or(PageError::NotFound)?;
    let letters = mail::about(&mut tx, &[id.0]).await?;
    match Again::after(&waiting::of(&registration, &letters), now) {
        Again::From(until) => return Err(PageError::TooMany { until, now }),
        Again::Now(_) if registration.confirmed.is_none() => {}
        // The page says why none is sent.
        Again::Now(_) | Again::No => return Ok(Redirect::to(WAITING_PAGE).into_response()),
    }
    if !promise_letter(&app, &mut tx, &client, &registration.email, id, now).await? {
        return Err(PageError::TooMany { until: now + budgets::REGISTRATION_LETTERS.window, now });
    }
    tx.commit().await?;
    Ok(Redirect::to(WAITING_PAGE).into_response())
}
