//! One more letter for a registration, at the cost of the client who asks for it.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::letter::RegistrationLetter;
use crate::{
    accounts::budgets::{self, Subject},
    captcha,
    domain::{CaptchaId, Client, EmailAddress, RegistrationId},
    mail,
    web::{
        error::{PageError, refuse_spent},
        fields::captcha::SentCaptcha,
        state::App,
    },
};

/// Judges the captcha of a client who asks for one more letter, once its letters are used up: `Ok` is the one
/// to spend when the form is accepted. What is wrong is a sentence.
///
/// # Errors
/// [`PageError::TooMany`] where captchas are off then; and when the database fails.
pub async fn admit(
    app: &App,
    connection: &mut PgConnection,
    client: &Client,
    sent_captcha: &SentCaptcha,
) -> Result<Result<Option<CaptchaId>, String>, PageError> {
    let until = app.budgets.letters_spent_until(connection, client, app.clock.now()).await?;
    sent_captcha.judge_once_spent(app, connection, until).await
}

/// Spends the captcha, waits for others of this client's who ask for a letter, and looks once more. Returns
/// false where another form has spent the captcha. To be called before the registration is held, or two who
/// hold one half each would wait for the other.
///
/// # Errors
/// [`PageError::TooMany`] where the letters are used up by now and there is no captcha; and when the database
/// fails.
pub async fn line_up(
    app: &App,
    tx: &mut PgConnection,
    client: &Client,
    captcha: Option<CaptchaId>,
    now: OffsetDateTime,
) -> Result<bool, PageError> {
    if let Some(captcha) = captcha
        && !captcha::store::spend(tx, captcha, now).await?
    {
        return Ok(false);
    }
    let [client_letters] = app.budgets.usage_in_line(tx, [budgets::letters_of(client)], now).await?;
    if captcha.is_none() {
        refuse_spent(client_letters, now)?;
    }
    Ok(true)
}

/// Promises a registration's letter, at the client's cost: it leaves now, or when the recipient has not had
/// a day's letters any more. Returns false where as many as that wait already.
///
/// # Errors
/// When the database fails.
pub async fn letter(
    app: &App,
    tx: &mut PgConnection,
    client: &Client,
    to: &EmailAddress,
    id: RegistrationId,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    app.budgets.spend(tx, &[budgets::letters_of(client)], now).await?;
    let recipient = Subject::address(to);
    let leaves = app.budgets.spend_when_free(tx, budgets::REGISTRATION_LETTERS, recipient, now).await?;
    let Some(leaves) = leaves else { return Ok(false) };
    let letter = mail::enqueue::<RegistrationLetter>(tx, to, Some(id.0), now).await?;
    if leaves > now {
        mail::hold_back(tx, letter, leaves).await?;
    }
    Ok(true)
}
