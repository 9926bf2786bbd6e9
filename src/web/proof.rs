//! One try at a password, on any form that asks for one.

use tracing::Instrument;

use super::{
    error::{PageError, refuse_spent},
    fields::{
        captcha::{CaptchaField, SentCaptcha},
        password::typing_advice,
    },
    form::{self, Complaints},
    state::App,
};
use crate::{
    accounts::budgets::{self, Budget, Subject, Try},
    domain::{Client, Password, PasswordHash},
    platform::password_hasher::Verdict,
};

/// What is wrong, and with which of the two fields.
#[derive(Debug)]
pub enum NotProved {
    /// With the password.
    Password(String),
    /// With the captcha.
    Captcha(String),
}

impl NotProved {
    /// Says it beside the field that it is wrong with.
    pub fn tell<F: form::Field>(self, complaints: &mut Complaints<F>, password: F, captcha: F) {
        match self {
            Self::Password(words) => complaints.add(password, words),
            Self::Captcha(words) => complaints.add(captcha, words),
        }
    }
}

/// A password that is asked beside the button to which a letter's link leads.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// What was typed.
    pub password: &'a Password,
    /// The captcha that came along.
    pub sent_captcha: &'a SentCaptcha,
    /// What it is compared with.
    pub stored: &'a PasswordHash,
    /// What a wrong one is counted against, beside the client; once it is spent, a captcha is wanted.
    pub counted: (Budget, Subject),
    /// What is said where none was typed.
    pub missing: &'static str,
    /// What is said of a wrong one.
    pub wrong: &'static str,
}

/// What a form shows again whose password was not proved.
#[derive(Debug)]
pub struct Unproved {
    /// What is wrong.
    pub why: NotProved,
    /// The captcha that the form shows.
    pub captcha: Option<CaptchaField>,
    /// What may have gone wrong while the password was typed.
    pub advice: Vec<String>,
}

/// Proves a password that is asked beside a button, within the budgets. Holds no connection while it waits.
///
/// # Errors
/// [`PageError::TooMany`], [`PageError::Busy`]; and when the database fails.
pub async fn prove_asked(
    app: &App,
    client: &Client,
    asked: Asked<'_>,
) -> Result<Result<(), Unproved>, PageError> {
    let Asked { password, sent_captcha, stored, counted, missing, wrong } = asked;
    let unproved =
        |why, captcha| Ok(Err(Unproved { why, captcha, advice: typing_advice(password.reveal()) }));
    let mut connection = app.database.acquire().await?;
    if password.is_empty() {
        let captcha = sent_captcha.again(app, &mut connection).await?;
        return unproved(NotProved::Password(missing.to_owned()), captcha);
    }
    let now = app.clock.now();
    let both = [(budgets::CLIENT_FAILURES, Subject::client(client.network())), counted];
    let (under_way, [client_failures, failures]) = app.budgets.begin(&mut connection, both, now).await?;
    refuse_spent(client_failures, now)?;
    if let Some(until) = failures.spent_until()
        && let Err(words) = sent_captcha.pass(app, &mut connection, until).await?
    {
        let captcha = sent_captcha.again_or_new(app, &mut connection).await?;
        return unproved(NotProved::Captcha(words), captcha);
    }
    drop(connection);
    let verdict = prove(app, client, under_way, both.to_vec(), password, Some(stored), &[]).await?;
    if matches!(verdict, Verdict::Right { .. }) {
        return Ok(Ok(()));
    }
    let captcha = CaptchaField::once_spent(app, &mut *app.database.acquire().await?, counted).await?;
    unproved(NotProved::Password(wrong.to_owned()), captcha)
}

/// Compares a password with what is stored, and with the `generated` ones that were made alike, by one
/// hash, and counts a wrong one against `counted`. It goes on to its end when the person hangs up: they
/// have tried as well.
///
/// # Errors
/// [`PageError::Busy`] when too many passwords wait; and when the database fails.
pub async fn prove(
    app: &App,
    client: &Client,
    under_way: Try,
    counted: Vec<(Budget, Subject)>,
    password: &Password,
    stored: Option<&PasswordHash>,
    generated: &[PasswordHash],
) -> Result<Verdict, PageError> {
    let (app, network, password) = (app.clone(), client.network(), password.clone());
    let (stored, generated) = (stored.cloned(), generated.to_vec());
    let proof = async move {
        let verdict = app.hasher.verify(network, &password, stored.as_ref(), &generated).await?;
        if verdict == Verdict::Wrong {
            let mut connection = app.database.acquire().await?;
            app.budgets.spend(&mut connection, &counted, app.clock.now()).await?;
        }
        // Only now that it is counted it is no longer under way.
        drop(under_way);
        Ok(verdict)
    };
    tokio::spawn(proof.in_current_span()).await.map_err(|error| PageError::Internal(error.into()))?
}
