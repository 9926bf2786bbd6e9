use serde::Deserialize;
use sqlx::PgConnection;

use super::sender::Spent;
use crate::{
    domain::{CaptchaId, EmailAddress, is_unseen},
    web::{
        error::PageError,
        fields::{
            captcha::{self, CaptchaField, SentCaptcha},
            email,
        },
        form::{self, Complaints},
        signed_in_form::ShownTo,
        state::App,
    },
};

/// How many characters a message may have.
pub const LONGEST_MESSAGE: usize = 5_000;

/// The fields, in their order on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Email,
    Message,
    Captcha,
}

impl form::Field for Field {
    fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Message => "message",
            Self::Captcha => "captcha_answer",
        }
    }
}

/// The form as it was sent, and as it is shown again.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SupportForm {
    pub email: String,
    pub message: String,
    /// The registration whose letter the message is about.
    pub letter: String,
    #[serde(flatten)]
    pub shown: ShownTo,
    #[serde(flatten)]
    sent_captcha: SentCaptcha,
    #[serde(skip)]
    pub complaints: Complaints<Field>,
    #[serde(skip)]
    pub captcha: Option<CaptchaField>,
}

/// The form as understood.
#[derive(Debug)]
pub struct SupportMessage {
    pub email: EmailAddress,
    pub message: String,
    /// The captcha to spend, where one was asked.
    pub captcha: Option<CaptchaId>,
}

impl SupportForm {
    /// One that nobody has sent yet.
    pub fn new(email: String, letter: String, captcha: Option<CaptchaField>) -> Self {
        Self { email, letter, captcha, shown: ShownTo::anybody(), ..Self::default() }
    }

    /// Whether somebody wants another task and nothing else.
    pub fn wants_new_captcha(&self) -> bool {
        self.sent_captcha.wants_another()
    }

    /// The same form with another task.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn with_new_captcha(self, app: &App, connection: &mut PgConnection) -> sqlx::Result<Self> {
        Ok(Self { captcha: CaptchaField::new(app, connection).await?, ..self })
    }

    /// Everything that is wrong is said at once. A captcha is asked once the sender's first requests are
    /// used up.
    ///
    /// # Errors
    /// [`PageError::TooMany`] where captchas are off then; and when the database fails.
    pub async fn understand(
        &mut self,
        app: &App,
        connection: &mut PgConnection,
        spent: Spent,
    ) -> Result<Option<SupportMessage>, PageError> {
        let email = email::read(&self.email).map_err(|words| self.complaints.add(Field::Email, words));
        let message = read(&self.message).map_err(|words| self.complaints.add(Field::Message, words));
        let judged = self.sent_captcha.judge_once_spent(app, connection, spent.captcha_until).await?;
        let captcha = judged.map_err(|words| self.complaints.add(Field::Captcha, words));
        if let (Ok(email), Ok(message), Ok(captcha)) = (email, message, captcha) {
            return Ok(Some(SupportMessage { email, message, captcha }));
        }
        if spent.captcha_until.is_some() {
            self.captcha = self.sent_captcha.again_or_new(app, connection).await?;
        }
        Ok(None)
    }

    /// Complains about the captcha alone: other requests spent it meanwhile, or what went without one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn captcha_is_missing(
        &mut self,
        app: &App,
        connection: &mut PgConnection,
        message: &SupportMessage,
    ) -> sqlx::Result<()> {
        self.complaints.add(Field::Captcha, captcha::spent_meanwhile(message.captcha));
        self.captcha = CaptchaField::new(app, connection).await?;
        Ok(())
    }
}

/// The message as it is kept: with plain line breaks, and without what is not seen, steers a terminal, or turns
/// the direction of writing.
fn read(typed: &str) -> Result<String, String> {
    let lines = typed.replace("\r\n", "\n").replace('\r', "\n");
    let message: String = lines.chars().filter(|c| !is_unseen(*c) || matches!(c, '\n' | '\t')).collect();
    let message = message.trim();
    match message.chars().count() {
        0 => Err("Write what it is about.".to_owned()),
        long if long > LONGEST_MESSAGE => {
            Err(format!("Your message has {long} characters. It must have no more than {LONGEST_MESSAGE}."))
        }
        _ => Ok(message.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_keeps_its_lines_and_loses_what_steers_a_terminal() {
        assert_eq!(read(" a\r\nb\rc\td\u{1b}[31m\u{7} ").unwrap(), "a\nb\nc\td[31m");
        assert_eq!(read("a\u{202e}b\u{200b}c").unwrap(), "abc");
        assert!(read(&"ä".repeat(LONGEST_MESSAGE)).is_ok());
        assert!(read(&"\r\n".repeat(9)).is_err());
    }
}
