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
        pairs::{self, NotAdded},
        registrations::{self, Registration},
        sessions::{self, SignedIn},
        users::{self, Holder, User},
    },
    domain::{AccountId, AccountType, Client, EmailAddress, OwnPath, Password, Token, UserId},
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

/// Where who has added an account arrives.
const ADDED: &str = "/profile/accounts?because=added";

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

/// `/confirm` for a user who has the other account type already.
#[derive(Template)]
#[template(path = "registration/add_account.html")]
struct AdditionPage {
    frame: Frame,
    token: String,
    registration: Registration,
    region: String,
    now: OffsetDateTime,
}

/// How an address is not free.
enum Taken {
    /// Its user has an account of this type.
    Held(AccountType),
    /// Its user's account is linked with another user's, of this type.
    Linked(AccountType),
    /// Its user can add the account, and somebody else is logged in here.
    SomebodyElses(EmailAddress),
    /// It is kept for who gave it up lately, and free from then on, where that is known.
    Reserved { free_from: Option<OffsetDateTime> },
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
        Ok(Found::New(registration)) => registration,
        Ok(Found::Second(registration, user)) => {
            return match who_may_add(&app, signed_in, &registration, user, &link.token)? {
                Ok(_) => Ok(AdditionPage::new(&app, frame, link.token, registration).ok()),
                Err(closed) => Ok(closed.answer(frame, None, app.clock.now())),
            };
        }
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

/// `POST /confirm`: makes the user and the account, and logs in; or adds the account to who is logged in as
/// the user of its address.
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
        Ok(Found::New(registration)) => registration,
        Ok(Found::Second(registration, user)) => {
            drop(connection);
            return match who_may_add(&app, signed_in, &registration, user, &form.token)? {
                Ok(user) => add(&app, frame, user, &registration, &form.token, &client).await,
                Err(closed) => Ok(closed.answer(frame, None, now)),
            };
        }
        Err(Closed::Used(registration)) if is_sent_again(&registration, now) => match signed_in {
            Some(signed_in) if is_of(&registration, Some(&signed_in)) => {
                return Ok(Redirect::to(done(&registration, &signed_in)).into_response());
            }
            _ => registration,
        },
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
    match signed_in.filter(|before| before.user_id != user_id) {
        // They may want to link the two.
        Some(before) => {
            Ok(Redirect::to(&format!("/profile/accounts?other={}", before.user_id)).into_response())
        }
        None => Ok(Redirect::to("/profile").into_response()),
    }
}

/// A registration that waits for an answer.
enum Found {
    /// It is to become a user.
    New(Registration),
    /// It can become nothing but the other account of this user.
    Second(Registration, User),
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
) -> sqlx::Result<Result<Found, Closed>> {
    let Some(token) = Token::parse(token) else { return Ok(Err(Closed::Nothing)) };
    let Some(registration) = registrations::by_token(connection, token.hash(), now).await? else {
        return Ok(Err(Closed::Nothing));
    };
    if registration.confirmed.is_some() {
        return Ok(Err(Closed::Used(registration)));
    }
    let Some(holder) = users::holder(connection, &registration.email, now).await? else {
        return Ok(Ok(Found::New(registration)));
    };
    // The same form, sent twice at once, may have made that user since the registration was read.
    match registrations::by_id(connection, registration.id, now).await? {
        Some(used) if used.confirmed.is_some() => Ok(Err(Closed::Used(used))),
        _ => taken(connection, registration, holder).await,
    }
}

/// What a registration can become whose address has somebody.
async fn taken(
    connection: &mut PgConnection,
    registration: Registration,
    holder: Holder,
) -> sqlx::Result<Result<Found, Closed>> {
    let user = match holder {
        Holder::User(user) => user,
        Holder::Reserved { free_from, .. } => return Ok(Err(Closed::Taken(Taken::Reserved { free_from }))),
    };
    let account_type = registration.account_type;
    Ok(match pairs::why_not_added(connection, user.id, account_type).await? {
        None => Ok(Found::Second(registration, user)),
        Some(NotAdded::Held) => Err(Closed::Taken(Taken::Held(account_type))),
        Some(NotAdded::Linked) => Err(Closed::Taken(Taken::Linked(account_type))),
    })
}

/// Only its user adds an account: anybody else logs in first, and comes back.
fn who_may_add(
    app: &App,
    signed_in: Option<SignedIn>,
    registration: &Registration,
    user: User,
    token: &str,
) -> Result<Result<SignedIn, Closed>, PageError> {
    match signed_in {
        Some(signed_in) if signed_in.user_id == user.id => {
            match app.config.generated_password_must_change && signed_in.password_is_generated {
                true => Err(PageError::ChangePasswordFirst),
                false => Ok(Ok(signed_in)),
            }
        }
        // As it was typed there: how the user spells it is not for everybody.
        Some(_) => Ok(Err(Closed::Taken(Taken::SomebodyElses(registration.email.clone())))),
        None => Err(PageError::LogInFirst(OwnPath::parse(&format!("/confirm?token={token}")))),
    }
}

/// Adds the account to who is logged in, once.
async fn add(
    app: &App,
    frame: Frame,
    signed_in: SignedIn,
    registration: &Registration,
    token: &str,
    client: &Client,
) -> Result<Response, PageError> {
    let now = app.clock.now();
    let Some(token) = Token::parse(token) else { return Ok(Closed::Nothing.answer(frame, None, now)) };
    let mut tx = app.database.begin().await?;
    registrations::by_id_for_update(&mut tx, registration.id, now).await?;
    users::hold(&mut tx, &[signed_in.user_id]).await?;
    if !sessions::is_live(&mut tx, signed_in.session).await? {
        return Err(PageError::LogInFirst(OwnPath::parse(&format!("/confirm?token={}", token.reveal()))));
    }
    // Looked up by its link once more, as `confirm` does.
    let Some(registration) = registrations::by_token(&mut tx, token.hash(), now).await? else {
        return Ok(Closed::Nothing.answer(frame, None, now));
    };
    if registration.confirmed.is_some() {
        return Ok(Redirect::to(done(&registration, &signed_in)).into_response());
    }
    // Their address may be another one by now, and this one another user's, or kept for one.
    let user = users::by_id(&mut tx, signed_in.user_id).await?;
    if user.is_none_or(|user| user.email.key() != registration.email.key()) {
        return Ok(Closed::Nothing.answer(frame, None, now));
    }
    let (user, account_type) = (signed_in.user_id, registration.account_type);
    let closed =
        match pairs::add_account(&mut tx, user, account_type, &registration.region_id, client, now).await? {
            Ok(account) => {
                registrations::set_confirmed(&mut tx, registration.id, user, account, now).await?;
                tx.commit().await?;
                return Ok(Redirect::to(ADDED).into_response());
            }
            Err(NotAdded::Held) => Taken::Held(account_type),
            Err(NotAdded::Linked) => Taken::Linked(account_type),
        };
    Ok(Closed::Taken(closed).answer(frame, Some(&signed_in), now))
}

/// Where the button has led that confirmed this registration for who is logged in here.
fn done(registration: &Registration, signed_in: &SignedIn) -> &'static str {
    let is_added = registration.confirmed.is_some_and(|(_, _, account)| account != signed_in.account_id);
    if is_added { ADDED } else { "/profile" }
}

/// Whether a registration became who is logged in here.
fn is_of(registration: &Registration, signed_in: Option<&SignedIn>) -> bool {
    let user = registration.confirmed.map(|(_, user, _)| user);
    signed_in.is_some_and(|signed_in| Some(signed_in.user_id) == user)
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
        let mut connection = app.database.acquire().await?;
        let Some(holder) = users::holder(&mut connection, &registration.email, now).await? else {
            return Ok(Err(Closed::Nothing));
        };
        // Somebody was faster: whoever can still add the account comes by the link again.
        return Ok(Err(match taken(&mut connection, registration, holder).await? {
            Ok(Found::Second(registration, _)) => Closed::Taken(Taken::SomebodyElses(registration.email)),
            Ok(Found::New(_)) => Closed::Nothing,
            Err(closed) => closed,
        }));
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
                let to = if is_of(&registration, signed_in) { "/profile" } else { "/login" };
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

impl AdditionPage {
    fn new(app: &App, frame: Frame, token: String, registration: Registration) -> Self {
        let region = region::full_name(&registration.region_id, &frame.languages);
        Self { frame, token, region, registration, now: app.clock.now() }
    }
}

impl ConfirmationPage {
    fn new(app: &App, frame: Frame, token: String, registration: Registration, asks_password: bool) -> Self {
        Self {
            region: region::full_name(&registration.region_id, &frame.languages),
            frame,
            token,
            registration,
            asks_password,
            captcha: None,
            complaints: Complaints::default(),
            advice: Vec::new(),
            now: app.clock.now(),
        }
    }
}
