use axum::{
    extract::{Query, State},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use tower_sessions::Session;

use super::{
    form::{Field, LoginForm, LoginRequest},
    page::{Because, LoginPage},
};
use crate::{
    accounts::{
        budgets,
        credentials::{self, Credentials, NewPassword},
        deletion,
        sessions::SignedIn,
    },
    domain::{Client, OwnPath},
    platform::password_hasher::Verdict,
    web::{
        device::Device,
        error::PageError,
        fields::{captcha::CaptchaField, password::typing_advice},
        form::Form,
        page::{Frame, Page},
        proof::{FAILED, prove},
        session::{self, LOGGED_OUT, Proved},
        standing::{Held, Standing, locked_out},
        state::App,
    },
};

/// Where who has logged in within the grace of their deletion is told that they stay.
const DELETION_TAKEN_BACK: &str = "/profile?because=deletion-taken-back";

/// What a link to the log in page says.
#[derive(Deserialize)]
pub struct LoginQuery {
    #[serde(default)]
    next: String,
    #[serde(default)]
    because: String,
}

/// `GET /login`; who is logged in already is led on.
pub async fn show(
    frame: Frame,
    signed_in: Option<SignedIn>,
    _: Device,
    Query(query): Query<LoginQuery>,
) -> Response {
    let next = OwnPath::parse(&query.next);
    let because = Because::parse(&query.because);
    if signed_in.is_some() && !because.is_some_and(Because::is_of_any_account) {
        return Redirect::to(&destination(next)).into_response();
    }
    LoginPage { frame, form: LoginForm::leading_to(next), because }.ok()
}

/// `POST /login`.
pub async fn submit(
    State(app): State<App>,
    frame: Frame,
    session: Session,
    client: Client,
    device: Device,
    Form(mut form): Form<LoginForm>,
) -> Result<Response, PageError> {
    let page = |form| LoginPage { frame, form, because: None };
    let mut connection = app.database.acquire().await?;
    if form.sent_captcha.wants_another() {
        form.captcha = CaptchaField::new(&app, &mut connection).await?;
        return Ok(page(form).ok());
    }
    let Some(request) = form.understand() else {
        form.captcha = form.sent_captcha.again(&app, &mut connection).await?;
        return Ok(page(form).unprocessable());
    };
    let credentials = match &request.email {
        Some(email) => credentials::by_email(&mut connection, email, device.0, app.clock.now()).await?,
        None => None,
    };
    let device_is_known = credentials.as_ref().is_some_and(|credentials| credentials.device_is_known);
    let email = request.email.as_ref();
    let password = &request.password;
    let standing =
        Standing::begin(&app, &mut connection, &client, device, email, device_is_known, password).await?;
    let passed = standing.pass(&app, &mut connection, &form.sent_captcha, password, None).await?;
    if let Err(Held { is_shut, words, captcha }) = passed {
        form.complaints.add(if is_shut { Field::Email } else { Field::Captcha }, words);
        form.captcha = captcha;
        form.advice = typing_advice(request.password.reveal());
        return Ok(page(form).unprocessable());
    }
    // A connection is not held while the hash waits for its thread.
    drop(connection);
    let Standing { under_way, counted, row, .. } = standing;
    let stored = credentials.as_ref().map(|credentials| &credentials.password_hash);
    let generated = credentials.as_ref().map_or(&[][..], |credentials| &credentials.generated);
    let verdict =
        prove(&app, &client, under_way, counted.clone(), &request.password, stored, generated).await?;
    match (credentials, verdict) {
        (Some(credentials), Verdict::Right { .. } | Verdict::Generated(_)) if credentials.is_locked => {
            form.complaints.add(Field::Email, locked_out(&app));
            Ok(page(form).unprocessable())
        }
        (Some(mut credentials), verdict @ (Verdict::Right { .. } | Verdict::Generated(_))) => {
            if let Some(row) = row {
                let mut connection = app.database.acquire().await?;
                app.budgets.restore(&mut connection, budgets::ADDRESS_FAILURES_IN_A_ROW, row).await?;
            }
            match verdict {
                // While a generated one is alive, the old salt is needed, and the hash would be for nothing.
                Verdict::Right { needs_renewal: true } if credentials.generated.is_empty() => {
                    renew_hash(&app, &client, &request, &mut credentials).await;
                }
                Verdict::Generated(place) => {
                    use_generated(&app, &client, device, &mut credentials, place).await?;
                }
                _ => {}
            }
            let stays =
                credentials.is_being_deleted && take_back_deletion(&app, &client, &credentials).await?;
            let proved = Proved {
                user_id: credentials.user_id,
                account_id: credentials.account_id,
                password_hash: &credentials.password_hash,
            };
            session::log_in(&app, &session, client, device, proved, request.remember).await?;
            match stays {
                // Before anything else: perhaps it was not they who asked for it.
                true => Ok(Redirect::to(DELETION_TAKEN_BACK).into_response()),
                false => Ok(Redirect::to(&destination(request.next)).into_response()),
            }
        }
        _ => {
            let mut connection = app.database.acquire().await?;
            form.captcha = Standing::next_captcha(&app, &mut connection, &counted).await?;
            form.complaints.add(Field::Password, FAILED);
            form.advice = typing_advice(request.password.reveal());
            Ok(page(form).unprocessable())
        }
    }
}

/// Makes a generated password the password: it was used. Where it no longer opens by now, no session is
/// made with it either.
async fn use_generated(
    app: &App,
    client: &Client,
    device: Device,
    credentials: &mut Credentials,
    place: usize,
) -> sqlx::Result<()> {
    let Some(generated) = credentials.generated.get(place).cloned() else { return Ok(()) };
    let new = NewPassword {
        user_id: credentials.user_id,
        old: &credentials.password_hash,
        new: &generated,
        is_chosen: false,
        session: None,
        device: device.0,
        client,
    };
    let mut tx = app.database.begin().await?;
    credentials::set_password(&mut tx, &new, app.clock.now()).await?;
    tx.commit().await?;
    credentials.password_hash = generated;
    Ok(())
}

/// Makes a hash anew that was made with other parameters than today's. Where that cannot be done now,
/// the next log in does it.
async fn renew_hash(app: &App, client: &Client, request: &LoginRequest, credentials: &mut Credentials) {
    let Ok(new) = app.hasher.hash(client.network(), &request.password).await else { return };
    let renewed = async || -> sqlx::Result<bool> {
        let mut tx = app.database.begin().await?;
        let old = &credentials.password_hash;
        let renewed = credentials::renew_hash(&mut tx, credentials.user_id, old, &new).await?;
        tx.commit().await?;
        Ok(renewed)
    };
    match renewed().await {
        Ok(true) => credentials.password_hash = new,
        Ok(false) => {}
        Err(error) => tracing::warn!(%error, "a password hash was not renewed"),
    }
}

/// Whoever logs in stays. Returns false where the deletion was taken back meanwhile, or done.
async fn take_back_deletion(app: &App, client: &Client, credentials: &Credentials) -> sqlx::Result<bool> {
    let mut tx = app.database.begin().await?;
    let stays = deletion::take_back(&mut tx, credentials.user_id, client, app.clock.now()).await?;
    tx.commit().await?;
    Ok(stays)
}

/// Where log in leads: where one was going, else to the profile.
fn destination(next: Option<OwnPath>) -> String {
    next.map_or_else(|| "/profile".to_owned(), |next| next.to_string())
}

/// `GET /logout`: nobody is logged out by following a link; the button is in the header.
pub async fn show_log_out() -> Redirect {
    Redirect::to("/profile")
}

/// `POST /logout`.
pub async fn log_out(session: Session) -> Result<Redirect, PageError> {
    session::log_out(&session).await?;
    Ok(Redirect::to(LOGGED_OUT))
}
