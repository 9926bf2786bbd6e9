use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use tower_sessions::Session;

use crate::{
    accounts::{
        budgets::{self, Budget, Subject},
        registrations::{self, Registration},
        sessions::SignedIn,
        users::{self, Holder},
    },
    domain::{AccountId, Client, Password, Token, UserId},
    web::{
        device::Device,
        error::PageError,
        fields::{
            captcha::{CaptchaField, SentCaptcha},
            region,
        },
        filters,
        form::{self, Complaints, Form},
        letter_link::Link,
        page::{Frame, Page},
        proof::{self, Asked, Unproved},
        session::{self, Proved},
        state::App,
    },
};

/// A confirmation that is sent again this soon is a double click, and answered as the first time. Any
/// later, whoever logged out meanwhile would be logged in again without a password.
const SENT_AGAIN_WITHIN: Duration = Duration::seconds(5);

/// The form's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Password,
    Captcha,
}

impl form::Field for Field {
    fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Captcha => "captcha_answer",
        }
    }
}

/// The form as it was sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ConfirmationForm {
    token: String,
    password: Password,
    #[serde(flatten)]
    sent_captcha: SentCaptcha,
}

/// `/confirm`: the button, and for another browser the password.
#[derive(Template)]
#[template(path = "registration/confirm.html")]
struct ConfirmationPage {
    frame: Frame,
    token: String,
    registration: Registration,
    region: String,
    /// Whether this browser did not make the registration, so that the password is asked.
    asks_password: bool,
    captcha: Option<CaptchaField>,
    complaints: Complaints<Field>,
    advice: Vec<String>,
    now: OffsetDateTime,
}

/// What a link can no longer do, and what can be done instead.
#[derive(Template)]
#[template(path = "registration/no_confirmation.html")]
struct NoConfirmationPage {
    frame: Frame,
    /// Why; else the link ran out or never was.
    taken: Option<Taken>,
    now: OffsetDateTime,
    /// How many days a registration waits for its answer.
    days: i64,
}

/// How an address is not free.
enum Taken {
    /// It has a user by now.
    HasUser,
    /// It is kept for who gave it up lately, and free from then on, where that is known.
    Reserved { free_from: Option<OffsetDateTime> },
}

impl From<Holder> for Taken {
    fn from(holder: Holder) -> Self {
        match holder {
            Holder::User(_) => Self::HasUser,
            Holder::Reserved { free_from, .. } => Self::Reserved { free_from },
        }
    }
}

/// `GET /confirm?token=`: shows what would be confirmed, and changes nothing.
pub async fn show(
    State(app): State<App>,
    frame: Frame,
    signed_in: Option<SignedIn>,
    device: Device,
    Query(link): Query<Link>,
) -> Result<Response, PageError> {
    let mut connection = app.database.acquire().await?;
    let registration = match look_up(&mut connection, &link.token, app.clock.now()).await? {
        Ok(registration) => registration,
        Err(closed) => return Ok(closed.answer(frame, signed_in.as_ref(), app.clock.now())),
    };
    let asks_password = !registrations::is_own(&mut connection, &registration, device.0).await?;
    let mut page = ConfirmationPage::new(&app, frame, link.token, registration, asks_password);
    if asks_password {
        page.captcha =
            CaptchaField::once_spent(&app, &mut connection, by_registration(&page.registration)).await?;
    }
    Ok(page.ok())
}

/// `POST /confirm`: makes the user and the account, and logs in.
pub async fn submit(
    State(app): State<App>,
    frame: Frame,
    signed_in: Option<SignedIn>,
    session: Session,
    client: Client,
    device: Device,
    Form(form): Form<ConfirmationForm>,
) -> Result<Response, PageError> {
    let now = app.clock.now();
    let mut connection = app.database.acquire().await?;
    let registration = match look_up(&mut connection, &form.token, now).await? {
        Ok(registration) => registration,
        Err(Closed::Used(registration)) if is_sent_again(&registration, now) => registration,
        Err(closed) => return Ok(closed.answer(frame, signed_in.as_ref(), app.clock.now())),
    };
    let is_own = registrations::is_own(&mut connection, &registration, device.0).await?;
    if form.sent_captcha.wants_another() {
        let captcha = CaptchaField::new(&app, &mut connection).await?;
        let page = ConfirmationPage::new(&app, frame, form.token, registration, !is_own);
        return Ok(ConfirmationPage { captcha, ..page }.ok());
    }
    // A connection is not held while the hash waits for its thread.
    drop(connection);
    if !is_own
        && let Err(Unproved { why, captcha, advice }) = prove(&app, &client, &form, &registration).await?
    {
        let mut complaints = Complaints::default();
        why.tell(&mut complaints, Field::Password, Field::Captcha);
        let page = ConfirmationPage::new(&app, frame, form.token, registration, true);
        return Ok(ConfirmationPage { complaints, captcha, advice, ..page }.unprocessable());
    }
    let (user_id, account_id) = match confirm(&app, &registration, &form.token, &client, now).await? {
        Ok(made) => made,
        Err(closed) => return Ok(closed.answer(frame, signed_in.as_ref(), app.clock.now())),
    };
    let proved = Proved { user_id, account_id, password_hash: &registration.password_hash };
    session::log_in(&app, &session, client, device, proved, false).await?;
    Ok(Redirect::to("/profile").into_response())
}

/// A registration that a link can do nothing with.
enum Closed {
    /// It was answered before.
    Used(Registration),
    /// Its address is not free.
    Taken(Taken),
    /// It never was, or it has run out.
    Nothing,
}

/// The registration that a link speaks of, where it waits for an answer.
async fn look_up(
    connection: &mut PgConnection,
    token: &str,
    now: OffsetDateTime,
) -> sqlx::Result<Result<Registration, Closed>> {
    let Some(token) = Token::parse(token) else { return Ok(Err(Closed::Nothing)) };
    let Some(registration) = registrations::by_token(connection, token.hash(), now).await? else {
        return Ok(Err(Closed::Nothing));
    };
    if registration.confirmed.is_some() {
        return Ok(Err(Closed::Used(registration)));
    }
    let Some(holder) = users::holder(connection, &registration.email, now).await? else {
        return Ok(Ok(registration));
    };
    // The same form, sent twice at once, may have made that user since the registration was read.
    Ok(Err(match registrations::by_id(connection, registration.id, now).await? {
        Some(used) if used.confirmed.is_some() => Closed::Used(used),
        _ => Closed::Taken(holder.into()),
    }))
}

fn is_sent_again(registration: &Registration, now: OffsetDateTime) -> bool {
    registration.confirmed.is_some_and(|(at, ..)| at + SENT_AGAIN_WITHIN > now)
}

/// Asks the password of a browser that did not make the registration.
async fn prove(
    app: &App,
    client: &Client,
    form: &ConfirmationForm,
    registration: &Registration,
) -> Result<Result<(), Unproved>, PageError> {
    let asked = Asked {
        password: &form.password,
        sent_captcha: &form.sent_captcha,
        stored: &registration.password_hash,
        counted: by_registration(registration),
        missing: "Enter your password.",
        wrong: "This is not the password that you chose when you registered.",
    };
    proof::prove_asked(app, client, asked).await
}

/// What wrong passwords for a registration are counted against.
fn by_registration(registration: &Registration) -> (Budget, Subject) {
    (budgets::CONFIRMATION_FAILURES, Subject::registration(registration.id))
}

/// Makes the user and the account, once: whoever answers a second time is given the same.
async fn confirm(
    app: &App,
    registration: &Registration,
    token: &str,
    client: &Client,
    now: OffsetDateTime,
) -> sqlx::Result<Result<(UserId, AccountId), Closed>> {
    let Some(token) = Token::parse(token) else { return Ok(Err(Closed::Nothing)) };
    let mut tx = app.database.begin().await?;
    registrations::by_id_for_update(&mut tx, registration.id, now).await?;
    // By its link, once more: a correction that came first has voided it, and nobody has answered the
    // letter to the address that stands there now.
    let Some(registration) = registrations::by_token(&mut tx, token.hash(), now).await? else {
        return Ok(Err(Closed::Nothing));
    };
    if let Some((_, user, account)) = registration.confirmed {
        return Ok(Ok((user, account)));
    }
    let Some((user, account)) = users::insert(&mut tx, &registration, client, now).await? else {
        drop(tx);
        let holder = users::holder(&mut *app.database.acquire().await?, &registration.email, now).await?;
        return Ok(Err(holder.map_or(Closed::Nothing, |holder| Closed::Taken(holder.into()))));
    };
    registrations::set_confirmed(&mut tx, registration.id, user, account, now).await?;
    tx.commit().await?;
    Ok(Ok((user, account)))
}

impl Closed {
    /// The answer to a link that confirms nothing.
    fn answer(self, frame: Frame, signed_in: Option<&SignedIn>, now: OffsetDateTime) -> Response {
        let days = registrations::LIFETIME.whole_days();
        match self {
            Self::Used(registration) => {
                let user = registration.confirmed.map(|(_, user, _)| user);
                let is_here = signed_in.is_some_and(|signed_in| Some(signed_in.user_id) == user);
                let to = if is_here { "/profile" } else { "/login" };
                Redirect::to(&format!("{to}?because=already-confirmed")).into_response()
            }
            Self::Taken(taken) => {
                NoConfirmationPage { frame, taken: Some(taken), now, days }.with_status(StatusCode::GONE)
            }
            Self::Nothing => {
                NoConfirmationPage { frame, taken: None, now, days }.with_status(StatusCode::NOT_FOUND)
            }
        }
    }
}

impl ConfirmationPage {
    fn new(app: &App, frame: Frame, token: String, registration: Registration, asks_password: bool) -> Self {
        Self {
            frame,
            token,
            region: region::full_name(&registration.region_id),
            registration,
            asks_password,
            captcha: None,
            complaints: Complaints::default(),
            advice: Vec::new(),
            now: app.clock.now(),
        }
    }
}
