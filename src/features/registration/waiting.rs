//! `/register/letter`: what is true of the letters of this browser's registrations.

use askama::Template;
use axum::{extract::State, response::Response};
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::resend::{Again, Field};
use crate::{
    accounts::{
        budgets,
        registrations::{self, Registration},
    },
    domain::RegistrationId,
    mail::{self, LetterState, LetterStatus, Place},
    web::{
        device::Device,
        error::PageError,
        fields::{captcha::CaptchaField, email},
        filters,
        form::Complaints,
        page::{Frame, Page},
        state::App,
    },
};

/// After this long without an answer, something has gone wrong.
const SOMETHING_IS_WRONG_AFTER: Duration = Duration::days(1);

/// `/register/letter`: where the letters of this browser's registrations are.
#[derive(Template)]
#[template(path = "registration/waiting.html")]
pub struct WaitingPage {
    frame: Frame,
    waiting: Vec<Waiting>,
    hurdle: Option<Hurdle>,
    now: OffsetDateTime,
}

/// One registration and its letter. It says the same whether or not the address has a user.
struct Waiting {
    registration: Registration,
    way: Way,
    again: Again,
    likely_domain: Option<&'static str>,
    /// Whether it has waited, at its present address, for longer than a letter may take.
    is_late: bool,
}

/// How far a letter is, as the page tells it.
enum Way {
    /// It was answered: there is a user now.
    Confirmed,
    /// None was promised: as many wait already as may go to this address in a day.
    NotPromised { letters_a_day: i64 },
    /// It waits for its turn.
    Queued(Place),
    /// As many as may went to this address; it waits for a time.
    HeldBack { until: OffsetDateTime, letters_a_day: i64 },
    /// The mail service is being spoken to.
    Sending,
    /// The mail service did not take it yet.
    Delayed { why: String, next_try: OffsetDateTime },
    /// The mail service took it.
    HandedOver { at: OffsetDateTime, domain: String },
    /// The mail service will not take it.
    Refused { why: String },
    /// It was tried for a day in vain.
    GivenUp { why: String },
}

impl Waiting {
    /// Where its address is corrected.
    fn correction(&self) -> String {
        format!("/register/letter/address?registration={}", self.registration.id)
    }

    /// Whether the letter came to an end that is none.
    fn does_not_arrive(&self) -> bool {
        matches!(self.way, Way::Refused { .. } | Way::GivenUp { .. })
    }

    /// Whether nothing about it will change by waiting.
    fn is_final(&self) -> bool {
        let is_settled = matches!(
            self.way,
            Way::NotPromised { .. } | Way::Confirmed | Way::Refused { .. } | Way::GivenUp { .. }
        );
        is_settled && !matches!(self.again, Again::From(_))
    }
}

/// What keeps a letter from being sent again at once.
pub struct Hurdle {
    /// The registration that it belongs to.
    pub registration: RegistrationId,
    /// The captcha to solve first.
    pub captcha: Option<CaptchaField>,
    /// What is wrong.
    pub complaints: Complaints<Field>,
}

/// `GET /register/letter`.
pub async fn show(State(app): State<App>, frame: Frame, device: Device) -> Result<Response, PageError> {
    let mut connection = app.database.acquire().await?;
    Ok(page(&app, &mut connection, frame, device, None).await?.ok())
}

/// The page as it is at present.
pub async fn page(
    app: &App,
    connection: &mut PgConnection,
    frame: Frame,
    device: Device,
    hurdle: Option<Hurdle>,
) -> sqlx::Result<WaitingPage> {
    let now = app.clock.now();
    let registrations = registrations::by_device(connection, device.0, now).await?;
    let ids: Vec<_> = registrations.iter().map(|registration| registration.id.0).collect();
    let letters = mail::about(connection, &ids).await?;
    // A later letter says more than an earlier one.
    let latest =
        registrations.iter().filter_map(|registration| letters_of(registration, &letters).last().copied());
    let waits = |letter: &LetterStatus| letter.state == LetterState::Queued && !letter.is_held_back(now);
    let due_since: Vec<_> = latest.filter(|letter| waits(letter)).map(|letter| letter.due_at).collect();
    let per_minute = app.config.mail.per_minute;
    let mut places = mail::places(connection, &due_since, per_minute, now).await?.into_iter();
    let mut waiting = Vec::new();
    for registration in registrations {
        let letters = letters_of(&registration, &letters);
        let letter = letters.last().copied();
        let place = if letter.is_some_and(waits) { places.next() } else { None };
        let way = Way::of(&registration, letter, place, now);
        let is_under_way = matches!(
            way,
            Way::Queued(_)
                | Way::HeldBack { .. }
                | Way::Sending
                | Way::Delayed { .. }
                | Way::HandedOver { .. }
        );
        waiting.push(Waiting {
            is_late: is_under_way
                && letters.first().is_some_and(|first| first.created_at + SOMETHING_IS_WRONG_AFTER <= now),
            way,
            again: match registration.confirmed {
                Some(_) => Again::No,
                None => Again::after(registration.id, &letters, now),
            },
            likely_domain: email::likely_domain(&registration.email),
            registration,
        });
    }
    Ok(WaitingPage { frame, waiting, hurdle, now })
}

/// A registration's letters to its present address, oldest first.
pub fn letters_of<'a>(registration: &Registration, letters: &'a [LetterStatus]) -> Vec<&'a LetterStatus> {
    let is_theirs =
        |letter: &&LetterStatus| letter.about == Some(registration.id.0) && letter.is_to(&registration.email);
    letters.iter().filter(is_theirs).collect()
}

impl WaitingPage {
    /// What keeps this registration's letter from being sent again, where somebody has just tried.
    fn hurdle(&self, registration: &Registration) -> Option<&Hurdle> {
        self.hurdle.as_ref().filter(|hurdle| hurdle.registration == registration.id)
    }

    fn is_refused(&self) -> bool {
        self.hurdle.as_ref().is_some_and(|hurdle| !hurdle.complaints.is_empty())
    }
}

impl Way {
    fn of(
        registration: &Registration,
        letter: Option<&LetterStatus>,
        place: Option<Place>,
        now: OffsetDateTime,
    ) -> Self {
        if registration.confirmed.is_some() {
            return Self::Confirmed;
        }
        let letters_a_day = budgets::REGISTRATION_LETTERS.limit;
        let Some(letter) = letter else { return Self::NotPromised { letters_a_day } };
        let why = || letter.answer.clone().unwrap_or_else(|| "it does not answer".to_owned());
        match letter.state {
            LetterState::Queued => match place {
                Some(place) => Self::Queued(place),
                None => Self::HeldBack { until: letter.due_at, letters_a_day },
            },
            LetterState::Sending => Self::Sending,
            LetterState::Delayed => Self::Delayed { why: why(), next_try: letter.due_at.max(now) },
            LetterState::HandedOver => Self::HandedOver {
                at: letter.settled_at.unwrap_or(letter.due_at),
                domain: registration.email.domain().to_owned(),
            },
            LetterState::Refused => Self::Refused { why: why() },
            LetterState::GivenUp => Self::GivenUp { why: why() },
        }
    }
}
