use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use tower_sessions::Session;

use super::{PAGE, page::AccountsPage};
use crate::{
    accounts::{
        activity::{self, Event},
        devices,
        pairs::{self, Counterpart},
        sessions::SignedIn,
        users,
    },
    domain::{Client, Password, PasswordHash},
    web::{
        device::Device,
        error::PageError,
        fields::captcha::{CaptchaField, SentCaptcha},
        form::{self, Complaints, Form},
        page::{Frame, Page},
        proof::{Unproved, prove_user},
        session,
        signed_in_form::ShownTo,
        state::App,
    },
};

/// Where it leads.
const SWITCHED: &str = "/profile";

/// The fields, where the password is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
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

/// The button, as it was sent, with the password that it asks once on each device after that was changed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SwitchForm {
    #[serde(flatten)]
    shown_to: ShownTo,
    password: Password,
    #[serde(flatten)]
    sent_captcha: SentCaptcha,
    #[serde(skip)]
    pub captcha: Option<CaptchaField>,
    #[serde(skip)]
    pub complaints: Complaints<Field>,
    #[serde(skip)]
    pub advice: String,
}

/// `POST /profile/accounts/switch`: from now on this browser is the counterpart.
pub async fn submit(
    State(app): State<App>,
    frame: Frame,
    session: Session,
    signed_in: Result<SignedIn, PageError>,
    client: Client,
    device: Device,
    Form(mut form): Form<SwitchForm>,
) -> Result<Response, PageError> {
    let must_change = app.config.generated_password_must_change;
    let mut connection = app.database.acquire().await?;
    // Sent twice, it comes from a session that is gone the second time.
    let signed_in = match form.shown_to.sender(&app, &mut connection, signed_in).await? {
        Ok(signed_in) => signed_in,
        Err(answer) => return Ok(answer),
    };
    let to = pairs::counterpart(&mut connection, signed_in.account_id, device.0, must_change).await?;
    let Some(to) = to else { return Ok(Redirect::to(PAGE).into_response()) };
    if form.sent_captcha.wants_another() {
        form.captcha = CaptchaField::new(&app, &mut connection).await?;
    }
    drop(connection);
    let page = async |form| -> sqlx::Result<AccountsPage> {
        let page = AccountsPage::new(&app, frame, &signed_in, device).await?;
        Ok(AccountsPage { switch: form, ..page })
    };
    if form.sent_captcha.wants_another() {
        return Ok(page(form).await?.ok());
    }
    if let Some(barred) = to.barred {
        let problem = Some(AccountsPage::why_barred(&barred).to_owned());
        return Ok(AccountsPage { problem, ..page(SwitchForm::default()).await? }.unprocessable());
    }
    let Ok(proved) = prove(&app, &client, device, &to, &mut form).await? else {
        return Ok(page(form).await?.unprocessable());
    };
    if !switch(&app, &session, &signed_in, &to, proved.as_ref(), &client, device, &form.shown_to).await? {
        // Something was changed meanwhile: the page shows what.
        return Ok(Redirect::to(PAGE).into_response());
    }
    Ok(Redirect::to(SWITCHED).into_response())
}

/// Proves the password of the counterpart's user where that is wanted. What is wrong is in the form.
async fn prove(
    app: &App,
    client: &Client,
    device: Device,
    to: &Counterpart,
    form: &mut SwitchForm,
) -> Result<Result<Option<PasswordHash>, ()>, PageError> {
    if !to.wants_password {
        return Ok(Ok(None));
    }
    let password = std::mem::take(&mut form.password);
    if password.is_empty() {
        form.captcha = form.sent_captcha.again(app, &mut *app.database.acquire().await?).await?;
        let words = format!(
            "The password of {} was changed. Enter it once to switch there on this device.",
            to.email
        );
        form.complaints.add(Field::Password, words);
        return Ok(Err(()));
    }
    let asked = (&form.sent_captcha, None);
    let wrong = format!("This is not the password of {}.", to.email);
    match prove_user(app, client, device, Some(&to.email), &password, asked, &wrong).await? {
        Ok(there) => Ok(Ok(Some(there.password_hash))),
        Err(Unproved { why, captcha, advice }) => {
            why.tell(&mut form.complaints, Field::Password, Field::Captcha);
            form.captcha = captcha;
            form.advice = advice.join(" ");
            Ok(Err(()))
        }
    }
}

/// Switches, once. Returns false where it can no longer be done.
#[allow(clippy::too_many_arguments, reason = "all that a switch depends on")]
async fn switch(
    app: &App,
    session: &Session,
    signed_in: &SignedIn,
    to: &Counterpart,
    proved: Option<&PasswordHash>,
    client: &Client,
    device: Device,
    shown_to: &ShownTo,
) -> Result<bool, PageError> {
    let (now, must_change) = (app.clock.now(), app.config.generated_password_must_change);
    let mut tx = app.database.begin().await?;
    users::hold(&mut tx, &[signed_in.user_id, to.user_id]).await?;
    if !shown_to.accept(&mut tx, SWITCHED, now).await? {
        return Ok(true);
    }
    if let Some(proved) = proved {
        let there = users::by_id(&mut tx, to.user_id).await?;
        if there.is_none_or(|there| there.password_hash != *proved) {
            return Ok(false);
        }
        devices::know(&mut tx, to.user_id, device.0, now).await?;
    }
    // Looked up again, now that nobody changes it.
    let to = match pairs::counterpart(&mut tx, signed_in.account_id, device.0, must_change).await? {
        Some(now) if now.account_id == to.account_id && now.barred.is_none() && !now.wants_password => now,
        _ => return Ok(false),
    };
    let Some(switched) = session::switch(&mut tx, signed_in, &to, client, now).await? else {
        return Ok(false);
    };
    if to.user_id != signed_in.user_id {
        let event = Event::SwitchedHere { from: signed_in.email.clone() };
        activity::record(&mut tx, to.user_id, &event, Some(client), now).await?;
    }
    tx.commit().await?;
    switched.tell(session).await?;
    Ok(true)
}
