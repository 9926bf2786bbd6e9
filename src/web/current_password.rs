//! The password of who is logged in, asked once more before what a stranger at an open browser must not
//! do. It is tried like any other: by one hash, within the budgets of log in.

use serde::Deserialize;
use time::OffsetDateTime;

use super::{
    device::Device,
    error::PageError,
    fields::{
        captcha::{CaptchaField, SentCaptcha},
        password::KEPT_BY_NO_PAGE,
    },
    proof::{NotProved, Unproved, prove_user},
    state::App,
};
use crate::domain::{Client, EmailAddress, Password, PasswordHash};

/// The field as a form was sent with it, with the captcha that goes along once a budget wants one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CurrentPassword {
    current_password: Password,
    #[serde(flatten)]
    sent_captcha: SentCaptcha,
    /// Until when the form wants a captcha anyway, for the letter that it causes: one serves both.
    #[serde(skip)]
    pub letters_until: Option<OffsetDateTime>,
    /// The captcha that the form shows.
    #[serde(skip)]
    pub captcha: Option<CaptchaField>,
    /// What may have gone wrong while the password was typed.
    #[serde(skip)]
    pub advice: String,
}

impl CurrentPassword {
    /// The captcha that goes along with it.
    pub fn sent_captcha(&self) -> &SentCaptcha {
        &self.sent_captcha
    }

    /// Whether it is this password, until it is proved.
    pub fn is(&self, password: &Password) -> bool {
        self.current_password.reveal() == password.reveal()
    }

    /// Whether another task is wanted, and nothing else.
    pub fn wants_another_captcha(&self) -> bool {
        self.sent_captcha.wants_another()
    }

    /// What is wrong before anything is compared, as a sentence, or `None`.
    pub fn complaint(&self) -> Option<&'static str> {
        self.current_password.is_empty().then_some("Enter your current password.")
    }

    /// A new captcha, for who wants another task; the same one where the form is shown again for
    /// another reason; and where a letter wants one, always one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_captcha(&mut self, app: &App) -> Result<(), PageError> {
        let mut connection = app.database.acquire().await?;
        self.captcha = match self.wants_another_captcha() {
            true => CaptchaField::new(app, &mut connection).await?,
            false if self.letters_until.is_some() => {
                self.sent_captcha.again_or_new(app, &mut connection).await?
            }
            false => self.sent_captcha.again(app, &mut connection).await?,
        };
        Ok(())
    }

    /// Where something else is wrong with the form: the password is not compared, and asked again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ask_again(&mut self, app: &App) -> Result<(), PageError> {
        self.keep_captcha(app).await?;
        KEPT_BY_NO_PAGE.clone_into(&mut self.advice);
        Ok(())
    }

    /// Proves the password of the user with this address; returns what it was compared with. Where it is
    /// not proved, the form shows again what this leaves in it. Holds no connection while it waits.
    ///
    /// # Errors
    /// [`PageError::TooMany`], [`PageError::Busy`]; and when the database fails.
    pub async fn prove(
        &mut self,
        app: &App,
        client: &Client,
        device: Device,
        email: &EmailAddress,
    ) -> Result<Result<PasswordHash, NotProved>, PageError> {
        if let Some(words) = self.complaint() {
            self.keep_captcha(app).await?;
            return Ok(Err(NotProved::Password(words.to_owned())));
        }
        let password = std::mem::take(&mut self.current_password);
        let asked = (&self.sent_captcha, self.letters_until);
        let wrong = "This is not your current password.";
        match prove_user(app, client, device, Some(email), &password, asked, wrong).await? {
            Ok(credentials) => Ok(Ok(credentials.password_hash)),
            Err(Unproved { why, captcha, advice }) => {
                self.captcha = captcha;
                if matches!(why, NotProved::Password(_)) {
                    self.advice = advice.join(" ");
                }
                Ok(Err(why))
            }
        }
    }
}
