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
        budgets::{self, Subject, Usage},
        registrations::{self, Registration},
        sessions::{NewSession, SignedIn},
        users,
    },
    domain::{AccountId, Password, Token, UserId},
    platform::password_hasher::Verdict,
    web::{
        client_address::Client,
        device::Device,
        error::{PageError, refuse_spent},
        fields::{
            captcha::{CaptchaField, SentCaptcha},
            password::typing_advice,
            region,
        },
        filters,
        form::{self, Complaints, Form},
        page::{Frame, Page},
        proof, session,
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

/// What a letter's link carries.
#[derive(Deserialize)]
pub struct Link {
    #[serde(default)]
    token: String,
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
    /// Whether the address has a user by now; else the link ran out or never was.
    has_user: bool,
    /// How many days a registration waits for its answer.
    days: i64,
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
        Err(closed) => return Ok(closed.answer(frame, signed_in.as_ref())),
    };
    let asks_password = !registrations::is_own(&mut connection, &registration, device.0).await?;
    let mut page = ConfirmationPage::new(&app, frame, link.token, registration, asks_password);
    if asks_password {
        page.captcha = slowing_captcha(&app, &mut connection, &page.registration).await?;
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
        Err(closed) => return Ok(closed.answer(frame, signed_in.as_ref())),
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
        && let Some(NotProved { complaints, captcha }) = prove(&app, &client, &form, &registration).await?
    {
        let advice = typing_advice(form.password.reveal());
        let page = ConfirmationPage::new(&app, frame, form.token, registration, true);
        return Ok(ConfirmationPage { complaints, captcha, advice, ..page }.unprocessable());
    }
    let (user_id, account_id) = match confirm(&app, &registration, now).await? {
        Ok(made) => made,
        Err(closed) => return Ok(closed.answer(frame, signed_in.as_ref())),
    };
    let new = NewSession {
        user_id,
        account_id,
        device: device.0,
        remember: false,
        client_address: client.address,
        user_agent: client.user_agent,
    };
    session::log_in(&session, &app.clock, &new).await?;
    Ok(Redirect::to("/profile").into_response())
}

/// A registration that a link can do nothing with.
enum Closed {
    /// It was answered before.
    Used(Registration),
    /// Its address has a user by now.
    HasUser,
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
    Ok(match registration.confirmed {
        Some(_) => Err(Closed::Used(registration)),
        None if users::stored_email(connection, &registration.email).await?.is_some() => {
            // The same form, sent twice at once, may have made that user since the registration was read.
            match registrations::by_id(connection, registration.id, now).await? {
                Some(used) if used.confirmed.is_some() => Err(Closed::Used(used)),
                _ => Err(Closed::HasUser),
            }
        }
        None => Ok(registration),
    })
}

fn is_sent_again(registration: &Registration, now: OffsetDateTime) -> bool {
    registration.confirmed.is_some_and(|(at, ..)| at + SENT_AGAIN_WITHIN > now)
}

/// What to show again where the password was not proved.
#[derive(Default)]
struct NotProved {
    complaints: Complaints<Field>,
    captcha: Option<CaptchaField>,
}

/// Asks the password of a browser that did not make the registration; `None` where it was right.
async fn prove(
    app: &App,
    client: &Client,
    form: &ConfirmationForm,
    registration: &Registration,
) -> Result<Option<NotProved>, PageError> {
    let now = app.clock.now();
    let counted = [
        (budgets::CLIENT_FAILURES, Subject::client(client.network())),
        (budgets::CONFIRMATION_FAILURES, Subject::registration(registration.id)),
    ];
    let mut complaints = Complaints::default();
    if form.password.is_empty() {
        complaints.add(Field::Password, "Enter your password.");
        let mut connection = app.database.acquire().await?;
        let captcha = form.sent_captcha.again(app, &mut connection).await?;
        return Ok(Some(NotProved { complaints, captcha }));
    }
    let mut connection = app.database.acquire().await?;
    let (under_way, [client_failures, failures]) = app.budgets.begin(&mut connection, counted, now).await?;
    refuse_spent(client_failures, now)?;
    if let Usage::Spent { until } = failures
        && let Err(words) = form.sent_captcha.pass(app, &mut connection, until).await?
    {
        complaints.add(Field::Captcha, words);
        let captcha = form.sent_captcha.again_or_new(app, &mut connection).await?;
        return Ok(Some(NotProved { complaints, captcha }));
    }
    drop(connection);
    let stored = Some(&registration.password_hash);
    match proof::prove(app, client, under_way, counted.to_vec(), &form.password, stored).await? {
        Verdict::Right { .. } => Ok(None),
        Verdict::Wrong => {
            complaints.add(Field::Password, "This is not the password that you chose when you registered.");
            let mut connection = app.database.acquire().await?;
            let captcha = slowing_captcha(app, &mut connection, registration).await?;
            Ok(Some(NotProved { complaints, captcha }))
        }
    }
}

/// The captcha that the form shows once too many passwords were wrong.
async fn slowing_captcha(
    app: &App,
    connection: &mut PgConnection,
    registration: &Registration,
) -> sqlx::Result<Option<CaptchaField>> {
    let counted = [(budgets::CONFIRMATION_FAILURES, Subject::registration(registration.id))];
    match app.budgets.usage(connection, counted, app.clock.now()).await? {
        [Usage::Free { .. }] => Ok(None),
        [Usage::Spent { .. }] => CaptchaField::new(app, connection).await,
    }
}

/// Makes the user and the account, once: whoever answers a second time is given the same.
async fn confirm(
    app: &App,
    registration: &Registration,
    now: OffsetDateTime,
) -> sqlx::Result<Result<(UserId, AccountId), Closed>> {
    let mut tx = app.database.begin().await?;
    let Some(registration) = registrations::by_id_for_update(&mut tx, registration.id, now).await? else {
        return Ok(Err(Closed::Nothing));
    };
    if let Some((_, user, account)) = registration.confirmed {
        return Ok(Ok((user, account)));
    }
    let Some((user, account)) = users::insert(&mut tx, &registration, now).await? else {
        return Ok(Err(Closed::HasUser));
    };
    registrations::set_confirmed(&mut tx, registration.id, user, account, now).await?;
    tx.commit().await?;
    Ok(Ok((user, account)))
}

impl Closed {
    /// The answer to a link that confirms nothing.
    fn answer(self, frame: Frame, signed_in: Option<&SignedIn>) -> Response {
        let days = registrations::LIFETIME.whole_days();
        match self {
            Self::Used(registration) => {
                let user = registration.confirmed.map(|(_, user, _)| user);
                let is_here = signed_in.is_some_and(|signed_in| Some(signed_in.user_id) == user);
                let to = if is_here { "/profile" } else { "/login" };
                Redirect::to(&format!("{to}?because=already-confirmed")).into_response()
            }
            Self::HasUser => NoConfirmationPage { frame, has_user: true, days }.with_status(StatusCode::GONE),
            Self::Nothing => {
                NoConfirmationPage { frame, has_user: false, days }.with_status(StatusCode::NOT_FOUND)
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
