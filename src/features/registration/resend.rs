use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use time::OffsetDateTime;

use super::{
    handlers::WAITING_PAGE,
    promise,
    waiting::{self, Held},
};
use crate::{
    accounts::{budgets, registrations},
    domain::{Client, FormId, RegistrationId},
    mail::{self, LetterStatus},
    web::{
        device::Device,
        error::PageError,
        fields::captcha::{CaptchaField, SentCaptcha},
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
    if let Some(answer) = form.shown.answered(&app, &mut connection, None).await? {
        return Ok(answer);
    }
    let id: RegistrationId = form.registration.parse().map_err(|_| PageError::NotFound)?;
    registrations::own(&mut connection, id, device.0, now).await?.ok_or(PageError::NotFound)?;
    let mut complaints = Complaints::default();
    if form.sent_captcha.wants_another() {
        let captcha = CaptchaField::new(&app, &mut connection).await?;
        let held = Held { registration: id, captcha, complaints };
        return Ok(waiting::page(&app, &mut connection, frame, device, Some(held)).await?.ok());
    }
    let has_spent_captcha = match promise::admit(&app, &mut connection, &client, &form.sent_captcha).await? {
        Ok(has_spent_captcha) => has_spent_captcha,
        Err(words) => {
            complaints.add(Field::Captcha, words);
            let captcha = form.sent_captcha.again_or_new(&app, &mut connection).await?;
            let held = Held { registration: id, captcha, complaints };
            return Ok(waiting::page(&app, &mut connection, frame, device, Some(held))
                .await?
                .unprocessable());
        }
    };
    drop(connection);
    let mut tx = app.database.begin().await?;
    // The form, then the client, then the registration, as a correction does: otherwise each could wait for
    // the other.
    if !form.shown.accept(&mut tx, WAITING_PAGE, now).await? {
        return Ok(Redirect::to(WAITING_PAGE).into_response());
    }
    promise::line_up(&app, &mut tx, &client, has_spent_captcha, now).await?;
    let registration = registrations::by_id_for_update(&mut tx, id, now).await?.ok_or(PageError::NotFound)?;
    let letters = mail::about(&mut tx, &[id.0]).await?;
    match Again::after(&waiting::of(&registration, &letters), now) {
        Again::From(until) => return Err(PageError::TooMany { until, now }),
        Again::Now(_) if registration.confirmed.is_none() => {}
        // The page says why none is sent.
        Again::Now(_) | Again::No => return Ok(Redirect::to(WAITING_PAGE).into_response()),
    }
    if !promise::letter(&app, &mut tx, &client, &registration.email, id, now).await? {
        return Err(PageError::TooMany { until: now + budgets::REGISTRATION_LETTERS.window, now });
    }
    tx.commit().await?;
    Ok(Redirect::to(WAITING_PAGE).into_response())
}
