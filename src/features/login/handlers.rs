use axum::{
    extract::{Query, State},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use tower_sessions::Session;

use super::{
    form::{Field, LoginForm, LoginRequest},
    page::{Because, LoginPage},
    standing::Standing,
};
use crate::{
    accounts::{
        budgets,
        credentials::{self, Credentials},
        sessions::{NewSession, SignedIn},
    },
    domain::OwnPath,
    platform::password_hasher::Verdict,
    web::{
        client_address::Client,
        device::Device,
        error::PageError,
        fields::{captcha::CaptchaField, password::typing_advice},
        form::Form,
        page::{Frame, Page},
        proof::prove,
        session,
        state::App,
    },
};

/// The one sentence for every failure.
const FAILED: &str = "The email address or the password is wrong.";

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
    if signed_in.is_some() {
        return Redirect::to(&destination(next)).into_response();
    }
    LoginPage { frame, form: LoginForm::leading_to(next), because: Because::parse(&query.because) }.ok()
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
        Some(email) => credentials::by_email(&mut connection, email, device.0).await?,
        None => None,
    };
    let device_is_known = credentials.as_ref().is_some_and(|credentials| credentials.device_is_known);
    let email = request.email.as_ref();
    let standing = Standing::begin(&app, &mut connection, &client, device, email, device_is_known).await?;
    if let Err(words) = standing.pass(&app, &mut connection, &form.sent_captcha).await? {
        form.complaints.add(if standing.is_shut { Field::Email } else { Field::Captcha }, words);
        if !standing.is_shut {
            form.captcha = form.sent_captcha.again_or_new(&app, &mut connection).await?;
        }
        return Ok(page(form).unprocessable());
    }
    // A connection is not held while the hash waits for its thread.
    drop(connection);
    let Standing { under_way, counted, row, .. } = standing;
    let stored = credentials.as_ref().map(|credentials| &credentials.password_hash);
    let verdict = prove(&app, &client, under_way, counted.clone(), &request.password, stored).await?;
    match (credentials, verdict) {
        (Some(credentials), Verdict::Right { .. }) if credentials.is_locked => {
            let support = app.config.support_email.as_deref().unwrap_or("support");
            let words = format!("You are locked out of this site. Write to {support} to find out why.");
            form.complaints.add(Field::Email, words);
            Ok(page(form).unprocessable())
        }
        (Some(credentials), Verdict::Right { needs_renewal }) => {
            if let Some(row) = row {
                let mut connection = app.database.acquire().await?;
                app.budgets.restore(&mut connection, budgets::ADDRESS_FAILURES_IN_A_ROW, row).await?;
            }
            if needs_renewal {
                renew_hash(&app, &client, &request, &credentials).await;
            }
            let new = NewSession {
                user_id: credentials.user_id,
                account_id: credentials.account_id,
                device: device.0,
                remember: request.remember,
                client_address: client.address,
                user_agent: client.user_agent,
            };
            session::log_in(&session, &app.clock, &new).await?;
            Ok(Redirect::to(&destination(request.next)).into_response())
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

/// Makes a hash anew that was made with other parameters than today's. Where that cannot be done now,
/// the next log in does it.
async fn renew_hash(app: &App, client: &Client, request: &LoginRequest, credentials: &Credentials) {
    let Ok(new) = app.hasher.hash(client.network(), &request.password).await else { return };
    let renewed = match app.database.acquire().await {
        Ok(mut connection) => {
            credentials::renew_hash(&mut connection, credentials.user_id, &credentials.password_hash, &new)
                .await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = renewed {
        tracing::warn!(%error, "a password hash was not renewed");
    }
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
    Ok(Redirect::to("/login?because=logged-out"))
}
