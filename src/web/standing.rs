//! How somebody who tries a password stands with the budgets.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{
    device::Device,
    error::{PageError, refuse_spent},
    fields::captcha::{CaptchaField, SentCaptcha},
    state::App,
};
use crate::{
    accounts::budgets::{self, Budget, Subject, Try, Usage},
    domain::{Client, EmailAddress, Password},
};

/// What is said of an address for which too many passwords were tried in a row.
const SHUT: &str = "Too many wrong passwords were tried for this address. \
     The password opens only in a browser in which you have logged in before. Anywhere else, press \
     “Have you forgotten your password?”: the one that is mailed to you opens everywhere.";

/// Why a captcha is wanted where the password alone would not want one.
const MANY_LETTERS: &str = "Many letters were asked for from your network within the last hour. Enter the result of the \
     task, and your password again.";

/// What is said to who is locked out by operators, once the password was right.
pub fn locked_out(app: &App) -> String {
    let support =
        app.config.support_email.as_ref().map_or("support (at the foot of this page)", EmailAddress::as_str);
    format!("You are locked out of this site. Write to {support} to find out why.")
}

/// Why a try is not let through.
#[derive(Debug)]
pub struct Held {
    /// Whether no captcha helps.
    pub is_shut: bool,
    /// The reason, as a sentence.
    pub words: String,
    /// The captcha to solve first.
    pub captcha: Option<CaptchaField>,
}

/// How somebody who tries a password stands with the budgets. It is looked up before anything is
/// hashed, by one statement, and is the same for known and unknown addresses.
pub struct Standing {
    /// The try itself.
    pub under_way: Try,
    /// What a wrong password is counted against.
    pub counted: Vec<(Budget, Subject)>,
    /// Until when the form wants a captcha.
    slowed_until: Option<OffsetDateTime>,
    /// Whether only a device that this user has logged in on may try.
    is_shut: bool,
    /// Whose failures in a row a log in ends, where there are any.
    pub row: Option<Subject>,
}

impl Standing {
    /// Begins a try.
    ///
    /// # Errors
    /// [`PageError::TooMany`] where this client may not try at all; and when the database fails.
    pub async fn begin(
        app: &App,
        connection: &mut PgConnection,
        client: &Client,
        device: Device,
        email: Option<&EmailAddress>,
        device_is_known: bool,
        password: &Password,
    ) -> Result<Self, PageError> {
        let now = app.clock.now();
        let by_client = (budgets::CLIENT_FAILURES, Subject::client(client.network()));
        let Some(email) = email else {
            let (under_way, [client_failures]) = app.budgets.begin(connection, [by_client], now).await?;
            refuse_spent(client_failures, now)?;
            let counted = vec![by_client];
            return Ok(Self { under_way, counted, slowed_until: None, is_shut: false, row: None });
        };
        let address = Subject::address(email);
        let by_device = (budgets::DEVICE_FAILURES, Subject::device(email, device.0));
        let by_address = (budgets::ADDRESS_FAILURES, address);
        let in_a_row = (budgets::ADDRESS_FAILURES_IN_A_ROW, address);
        // A device is asked about as well where it is not known, so that both cost the same.
        let asked = [by_client, by_device, by_address, in_a_row];
        let (under_way, [client_failures, device_failures, address_failures, row]) =
            app.budgets.begin(connection, asked, now).await?;
        refuse_spent(client_failures, now)?;
        let ended_row = (row != Usage::Free { untouched: true }).then_some(address);
        if device_is_known && !device_failures.is_spent() {
            let counted = vec![by_client, by_device];
            return Ok(Self { under_way, counted, slowed_until: None, is_shut: false, row: ended_row });
        }
        // What nobody guesses shuts nobody out either.
        let counted = match password.looks_generated() {
            true => vec![by_client],
            false => vec![by_client, by_address, in_a_row],
        };
        Ok(Self {
            under_way,
            counted,
            slowed_until: address_failures.spent_until(),
            is_shut: row.is_spent(),
            row: ended_row,
        })
    }

    /// Lets the try through; once slowed down, for a captcha's right answer, or for what has the shape of
    /// a generated password, which nobody guesses. Where the form causes a letter that wants a captcha
    /// until `letters_until`, it is wanted of everybody; one right answer serves both. What is wrong is said.
    ///
    /// # Errors
    /// [`PageError::TooMany`] where captchas are off; and when the database fails.
    pub async fn pass(
        &self,
        app: &App,
        connection: &mut PgConnection,
        sent: &SentCaptcha,
        password: &Password,
        letters_until: Option<OffsetDateTime>,
    ) -> Result<Result<(), Held>, PageError> {
        let is_guess = !password.looks_generated();
        if self.is_shut && is_guess {
            return Ok(Err(Held { is_shut: true, words: SHUT.to_owned(), captcha: None }));
        }
        let passed = match (self.slowed_until.filter(|_| is_guess), letters_until) {
            (Some(until), _) => sent.pass(app, connection, until).await?,
            (None, Some(until)) => sent.pass_because(app, connection, until, MANY_LETTERS).await?,
            (None, None) => Ok(()),
        };
        match passed {
            Ok(()) => Ok(Ok(())),
            Err(words) => {
                let captcha = sent.again_or_new(app, connection).await?;
                Ok(Err(Held { is_shut: false, words, captcha }))
            }
        }
    }

    /// The captcha that the form shows after a wrong password, where the next try wants one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next_captcha(
        app: &App,
        connection: &mut PgConnection,
        counted: &[(Budget, Subject)],
    ) -> sqlx::Result<Option<CaptchaField>> {
        match counted.iter().find(|(budget, _)| *budget == budgets::ADDRESS_FAILURES) {
            Some(by_address) => CaptchaField::once_spent(app, connection, *by_address).await,
            None => Ok(None),
        }
    }
}
