use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{
    accounts::budgets::{self, Budget, Subject, Try, Usage},
    domain::EmailAddress,
    web::{
        client_address::Client,
        device::Device,
        error::{PageError, refuse_spent},
        fields::captcha::{CaptchaField, SentCaptcha},
        state::App,
    },
};

/// What is said of an address for which too many passwords were tried in a row.
const SHUT: &str = "Too many wrong passwords were tried for this address. \
     You can log in only in a browser in which you have logged in before.";

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
    pub is_shut: bool,
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
        Ok(Self {
            under_way,
            counted: vec![by_client, by_address, in_a_row],
            slowed_until: address_failures.spent_until(),
            is_shut: row.is_spent(),
            row: ended_row,
        })
    }

    /// Lets the try through; once slowed down, for a captcha's right answer. What is wrong is a
    /// sentence.
    ///
    /// # Errors
    /// [`PageError::TooMany`] where captchas are off; and when the database fails.
    pub async fn pass(
        &self,
        app: &App,
        connection: &mut PgConnection,
        sent: &SentCaptcha,
    ) -> Result<Result<(), String>, PageError> {
        match self.slowed_until {
            _ if self.is_shut => Ok(Err(SHUT.to_owned())),
            Some(until) => sent.pass(app, connection, until).await,
            None => Ok(Ok(())),
        }
    }

    /// The captcha that the form shows after a wrong password, where the next try wants one.
    pub async fn next_captcha(
        app: &App,
        connection: &mut PgConnection,
        counted: &[(Budget, Subject)],
    ) -> sqlx::Result<Option<CaptchaField>> {
        let by_address = counted.iter().find(|(budget, _)| *budget == budgets::ADDRESS_FAILURES);
        let Some(&by_address) = by_address else { return Ok(None) };
        match app.budgets.usage(connection, [by_address], app.clock.now()).await? {
            [Usage::Free { .. }] => Ok(None),
            [Usage::Spent { .. }] => CaptchaField::new(app, connection).await,
        }
    }
}
