//! One more letter for a registration, at the cost of the client who asks for it.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::letter::RegistrationLetter;
use crate::{
    accounts::budgets::{self, Subject},
    domain::{Client, EmailAddress, RegistrationId},
    mail,
    web::{
        error::{PageError, refuse_spent},
        fields::captcha::SentCaptcha,
        state::App,
    },
};

/// Why a captcha is wanted.
const MANY_LETTERS: &str = "Many letters were asked for from your network within the last hour. Enter the result of the \
     task in the picture.";

/// Lets a client ask for one more letter: freely, or, once its letters are used up, for a captcha, which is
/// spent by that. Returns whether one was. What is wrong is a sentence.
pub async fn admit(
    app: &App,
    connection: &mut PgConnection,
    client: &Client,
    sent_captcha: &SentCaptcha,
) -> Result<Result<bool, String>, PageError> {
    match app.budgets.letters_spent_until(connection, client, app.clock.now()).await? {
        None => Ok(Ok(false)),
        Some(until) => {
            let passed = sent_captcha.pass_because(app, connection, until, MANY_LETTERS).await?;
            Ok(passed.map(|()| true))
        }
    }
}

/// Waits for others of this client's who ask for a letter, and looks once more: whoever has spent no captcha
/// is refused where they have used up what goes without one. To be called before the registration is held,
/// or two who hold one half each would wait for the other.
pub async fn line_up(
    app: &App,
    tx: &mut PgConnection,
    client: &Client,
    has_spent_captcha: bool,
    now: OffsetDateTime,
) -> Result<(), PageError> {
    let [client_letters] = app.budgets.usage_in_line(tx, [budgets::letters_of(client)], now).await?;
    if has_spent_captcha { Ok(()) } else { refuse_spent(client_letters, now) }
}

/// Promises a registration's letter, at the client's cost: it leaves now, or when the recipient has not had
/// a day's letters any more. Returns false where as many as that wait already.
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
