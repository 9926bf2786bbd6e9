//! One try at a password, on any form that asks for one.

use time::OffsetDateTime;
use tracing::Instrument;

use super::{
    device::Device,
    error::{PageError, refuse_spent},
    fields::{
        captcha::{CaptchaField, SentCaptcha},
        password::typing_advice,
    },
    form::{self, Complaints},
    standing::{Held, Standing},
    state::App,
};
use crate::{
    accounts::{
        budgets::{self, Budget, Subject, Try},
        credentials::{self, Credentials},
    },
    domain::{Client, EmailAddress, Password, PasswordHash},
    platform::password_hasher::Verdict,
};

/// What is wrong, and with which of the two fields.
#[derive(Debug)]
pub enum NotProved {
    /// With the password.
    Password(String),
    /// With the captcha.
    Captcha(String),
    /// With the address: its password opens nothing here, and no captcha helps.
    Shut(String),
}

impl NotProved {
    /// Says it beside the field that it is wrong with; of the address, beside its password.
    pub fn tell<F: form::Field>(self, complaints: &mut Complaints<F>, password: F, captcha: F) {
        match self {
            Self::Password(words) | Self::Shut(words) => complaints.add(password, words),
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

/// The one sentence for every failure of an address with its password.
pub const FAILED: &str = "The email address or the password is wrong.";

/// Proves the password of whoever has an address, within the budgets of log in, and at the cost of one hash
/// whether or not anybody has it. A generated one that was not used yet proves nothing. Where the form wants a
/// captcha until `letters_until` anyway, one right answer serves both. `wrong` is what is said of a wrong one.
/// Holds no connection while it waits.
///
/// # Errors
/// [`PageError::TooMany`], [`PageError::Busy`]; and when the database fails.
pub async fn prove_user(
    app: &App,
    client: &Client,
    device: Device,
    email: Option<&EmailAddress>,
    password: &Password,
    (sent_captcha, letters_until): (&SentCaptcha, Option<OffsetDateTime>),
    wrong: &str,
) -> Result<Result<Credentials, Unproved>, PageError> {
    let unproved =
        |why, captcha| Ok(Err(Unproved { why, captcha, advice: typing_advice(password.reveal()) }));
    let mut connection = app.database.acquire().await?;
    let credentials = match email {
        Some(email) => credentials::by_email(&mut connection, email, device.0, app.clock.now()).await?,
        None => None,
    };
    let device_is_known = credentials.as_ref().is_some_and(|credentials| credentials.device_is_known);
    let standing =
        Standing::begin(app, &mut connection, client, device, email, device_is_known, password).await?;
    let passed = standing.pass(app, &mut connection, sent_captcha, password, letters_until).await?;
    if let Err(Held { is_shut, words, captcha }) = passed {
        return unproved(if is_shut { NotProved::Shut(words) } else { NotProved::Captcha(words) }, captcha);
    }
    drop(connection);
    let Standing { under_way, counted, .. } = standing;
    let stored = credentials.as_ref().map(|credentials| &credentials.password_hash);
    let verdict = prove(app, client, under_way, counted.clone(), password, stored, &[]).await?;
    match (credentials, verdict) {
        (Some(credentials), Verdict::Right { .. }) => Ok(Ok(credentials)),
        _ => {
            let mut connection = app.database.acquire().await?;
            let captcha = match letters_until {
                Some(_) => CaptchaField::new(app, &mut connection).await?,
                None => Standing::next_captcha(app, &mut connection, &counted).await?,
            };
            unproved(NotProved::Password(wrong.to_owned()), captcha)
        }
    }
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
