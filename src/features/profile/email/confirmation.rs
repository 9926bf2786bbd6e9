//! The answer to the letter, which alone changes the address.

use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::form::Field;
use crate::{
    accounts::{
        activity::{self, Event},
        email_changes::{self, EmailChange},
        generated_passwords,
        notices::{self, NewNotice, NoticeKind},
        sessions::{self, SignedIn},
        users::{self, Holder, User},
    },
    domain::{Client, EmailAddress, PasswordHash, Token, TokenHash},
    web::{
        current_password::CurrentPassword,
        device::Device,
        error::PageError,
        filters,
        form::{Complaints, Form},
        letter_link::Link,
        page::{Frame, Page},
        proof::NotProved,
        signed_in_form::ShownTo,
        standing::locked_out,
        state::App,
    },
};

/// The form as it was sent, and as it is shown again.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ConfirmationForm {
    token: String,
    #[serde(flatten)]
    shown_to: ShownTo,
    #[serde(flatten)]
    proof: CurrentPassword,
    #[serde(skip)]
    complaints: Complaints<Field>,
}

/// `/profile/email/confirm`: the button, and where somebody else or nobody is logged in the password.
#[derive(Template)]
#[template(path = "profile/email_confirm.html")]
struct ConfirmationPage {
    frame: Frame,
    form: ConfirmationForm,
    change: EmailChange,
    /// The address that it takes the place of, for its user alone; any other browser is asked for the
    /// password.
    present: Option<EmailAddress>,
    now: OffsetDateTime,
}

/// What a link can no longer do, and what can be done instead.
#[derive(Template)]
#[template(path = "profile/no_email_change.html")]
struct NoEmailChangePage {
    frame: Frame,
    /// Whether the address is somebody else's by now, or kept for somebody else; else the link was used, cancelled, ran
    /// out or never was.
    is_taken: bool,
    /// How many days a change waits for its answer.
    days: i64,
}

/// `GET /profile/email/confirm?token=`: shows what would be changed, and changes nothing.
pub async fn show(
    State(app): State<App>,
    frame: Frame,
    signed_in: Option<SignedIn>,
    Query(link): Query<Link>,
) -> Result<Response, PageError> {
    let mut connection = app.database.acquire().await?;
    let (change, _) = match look_up(&mut connection, &link.token, app.clock.now()).await? {
        Ok(found) => found,
        Err(closed) => return Ok(closed.answer(frame)),
    };
    let own = own(&app, signed_in, &change)?;
    let form = ConfirmationForm::new(link.token, own.as_ref());
    Ok(ConfirmationPage::new(&app, frame, form, change, own.as_ref()).ok())
}

/// `POST /profile/email/confirm`: changes the address, and tells the old one.
pub async fn submit(
    State(app): State<App>,
    frame: Frame,
    signed_in: Option<SignedIn>,
    client: Client,
    device: Device,
    Form(mut form): Form<ConfirmationForm>,
) -> Result<Response, PageError> {
    let mut connection = app.database.acquire().await?;
    let now = app.clock.now();
    let found = look_up(&mut connection, &form.token, now).await?;
    // Afterwards: the same form, sent twice at once, may have used the link up before it was looked up.
    if let Some(answer) = form.shown_to.answered(&app, &mut connection, signed_in.as_ref()).await? {
        return Ok(answer);
    }
    let (change, user) = match found {
        Ok(found) => found,
        Err(closed) => return Ok(closed.answer(frame)),
    };
    // A connection is not held while the hash waits for its thread.
    drop(connection);
    let own = own(&app, signed_in, &change)?;
    if form.proof.wants_another_captcha() {
        form.proof.keep_captcha(&app).await?;
        return Ok(ConfirmationPage::new(&app, frame, form, change, own.as_ref()).ok());
    }
    let outcome = match &own {
        Some(own) => confirm(&app, &form, &change, Proof::Session(own.session), &client).await?,
        None => match form.proof.prove(&app, &client, device, &user.email).await? {
            Ok(proved) => confirm(&app, &form, &change, Proof::Password(proved), &client).await?,
            Err(not_proved) => Err(Refusal::NotProved(not_proved)),
        },
    };
    match outcome {
        Ok(redirect) => Ok(Redirect::to(redirect).into_response()),
        Err(Refusal::Closed(closed)) => Ok(closed.answer(frame)),
        Err(Refusal::NotProved(not_proved)) => {
            not_proved.tell(&mut form.complaints, Field::CurrentPassword, Field::Captcha);
            Ok(ConfirmationPage::new(&app, frame, form, change, None).unprocessable())
        }
    }
}

/// Why a link can do nothing.
enum Closed {
    /// Its address is somebody else's by now, or kept for somebody else.
    Taken,
    /// It was used or cancelled, ran out or never was.
    Nothing,
}

/// Why a form is refused.
enum Refusal {
    /// The link can do nothing.
    Closed(Closed),
    /// Whoever sent it may not use it.
    NotProved(NotProved),
}

/// The change that a link speaks of, with its user, where it can be done.
async fn look_up(
    connection: &mut PgConnection,
    token: &str,
    now: OffsetDateTime,
) -> sqlx::Result<Result<(EmailChange, User), Closed>> {
    let Some(token) = Token::parse(token) else { return Ok(Err(Closed::Nothing)) };
    let Some(change) = email_changes::by_token(connection, token.hash(), now).await? else {
        return Ok(Err(Closed::Nothing));
    };
    let Some(user) = users::by_id(connection, change.user_id).await? else {
        return Ok(Err(Closed::Nothing));
    };
    Ok(match users::holder(connection, &change.email, now).await? {
        Some(Holder::Reserved { by, .. }) if by == change.user_id => Ok((change, user)),
        Some(_) => Err(Closed::Taken),
        None => Ok((change, user)),
    })
}

/// Who is logged in, where it is the user whose address changes.
fn own(app: &App, signed_in: Option<SignedIn>, change: &EmailChange) -> Result<Option<SignedIn>, PageError> {
    let own = signed_in.filter(|signed_in| signed_in.user_id == change.user_id);
    let must_change = app.config.generated_password_must_change;
    match own.as_ref().is_some_and(|own| must_change && own.password_is_generated) {
        true => Err(PageError::ChangePasswordFirst),
        false => Ok(own),
    }
}

/// By what somebody may change the address; it must still hold when it is done.
enum Proof {
    /// They are logged in as its user.
    Session(TokenHash),
    /// They know the password; this is what it was compared with.
    Password(PasswordHash),
}

/// Changes the address once, and says where to go.
async fn confirm(
    app: &App,
    form: &ConfirmationForm,
    change: &EmailChange,
    proof: Proof,
    client: &Client,
) -> sqlx::Result<Result<&'static str, Refusal>> {
    let now = app.clock.now();
    let redirect = match proof {
        Proof::Session(_) => "/profile?because=email-changed",
        Proof::Password(_) => "/login?because=email-changed",
    };
    let mut tx = app.database.begin().await?;
    if !form.shown_to.accept(&mut tx, redirect, now).await? {
        // The same form, sent twice at once: the other one changed it.
        return Ok(Ok(redirect));
    }
    let Some(user) = users::by_id_for_update(&mut tx, change.user_id).await? else {
        return Ok(Err(Refusal::Closed(Closed::Nothing)));
    };
    // Looked up again: whoever held the user may have cancelled it, or had another one confirmed.
    let Some(change) = email_changes::by_id(&mut tx, change.id, now).await? else {
        return Ok(Err(Refusal::Closed(Closed::Nothing)));
    };
    if let Some(words) = obstacle(app, &mut tx, &user, &proof).await? {
        return Ok(Err(Refusal::NotProved(NotProved::Password(words))));
    }
    let holder = users::holder(&mut tx, &change.email, now).await?;
    if !users::set_email(&mut tx, user.id, &change.email, now).await? {
        return Ok(Err(Refusal::Closed(Closed::Taken)));
    }
    email_changes::void(&mut tx, user.id).await?;
    generated_passwords::void(&mut tx, user.id).await?;
    let event = Event::EmailChanged { old: user.email.clone(), new: change.email.clone() };
    activity::record(&mut tx, user.id, &event, Some(client), now).await?;
    match holder {
        // Back to one that is kept for them: that is an undo, and gives none itself.
        Some(Holder::Reserved { .. }) => {
            notices::void_elsewhere(&mut tx, user.id, &change.email).await?;
            notices::tell_left(&mut tx, &user, now).await?;
        }
        _ => {
            let notice = NewNotice {
                user_id: user.id,
                kind: NoticeKind::EmailChanged,
                to: &user.email,
                client,
                password_hash: &user.password_hash,
            };
            notices::send(&mut tx, &notice, now).await?;
        }
    }
    tx.commit().await?;
    Ok(Ok(redirect))
}

/// Why this user's address does not change although it was asked for rightly, as a sentence.
async fn obstacle(
    app: &App,
    connection: &mut PgConnection,
    user: &User,
    proof: &Proof,
) -> sqlx::Result<Option<String>> {
    let still_holds = match proof {
        Proof::Session(session) => sessions::is_live(connection, *session).await?,
        Proof::Password(proved) => *proved == user.password_hash,
    };
    let must_change = app.config.generated_password_must_change && user.password_is_generated;
    Ok(match user {
        _ if !still_holds => Some(
            "The password was changed just now, or you were logged out. Enter the current one.".to_owned(),
        ),
        User { is_locked: true, .. } => Some(locked_out(app)),
        User { deletion_due_at: Some(_), .. } => Some(
            "This account is being deleted. Log in, which takes that back, and open the link again."
                .to_owned(),
        ),
        _ if must_change => Some(
            "This password is a generated one. Log in and change it, and open the link again.".to_owned(),
        ),
        _ => None,
    })
}

impl Closed {
    /// The answer to a link that changes nothing.
    fn answer(self, frame: Frame) -> Response {
        let days = email_changes::LIFETIME.whole_days();
        match self {
            Self::Taken => NoEmailChangePage { frame, is_taken: true, days }.with_status(StatusCode::GONE),
            Self::Nothing => {
                NoEmailChangePage { frame, is_taken: false, days }.with_status(StatusCode::NOT_FOUND)
            }
        }
    }
}

impl ConfirmationForm {
    /// One for a link that was just opened.
    fn new(token: String, own: Option<&SignedIn>) -> Self {
        Self { token, shown_to: own.map_or_else(ShownTo::anybody, ShownTo::new), ..Self::default() }
    }
}

impl ConfirmationPage {
    fn new(
        app: &App,
        frame: Frame,
        form: ConfirmationForm,
        change: EmailChange,
        own: Option<&SignedIn>,
    ) -> Self {
        Self { frame, form, change, present: own.map(|own| own.email.clone()), now: app.clock.now() }
    }
}
