use serde::Deserialize;
use sqlx::PgConnection;

use crate::{
    accounts::budgets::Usage,
    domain::{CaptchaId, EmailAddress},
    web::{
        error::PageError,
        fields::{
            captcha::{self, CaptchaField, SentCaptcha},
            email,
        },
        form::{self, Complaints},
        state::App,
    },
};

/// The fields, in their order on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Email,
    Captcha,
}

impl form::Field for Field {
    fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Captcha => "captcha_answer",
        }
    }
}

/// The form as it was sent, and as it is shown again.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RecoveryForm {
    pub email: String,
    #[serde(flatten)]
    sent_captcha: SentCaptcha,
    #[serde(skip)]
    pub complaints: Complaints<Field>,
    #[serde(skip)]
    pub captcha: Option<CaptchaField>,
}

/// The form as understood.
#[derive(Debug)]
pub struct RecoveryRequest {
    pub email: EmailAddress,
    /// The captcha to spend, where one was asked.
    pub captcha: Option<CaptchaId>,
}

impl RecoveryForm {
    /// One that nobody has sent yet.
    pub fn new(email: String, captcha: Option<CaptchaField>) -> Self {
        Self { email, captcha, ..Self::default() }
    }

    /// Whether somebody wants another task and nothing else.
    pub fn wants_new_captcha(&self) -> bool {
        self.sent_captcha.wants_another()
    }

    /// Everything that is wrong is said at once. A captcha is asked once this client's letters are used
    /// up.
    ///
    /// # Errors
    /// [`PageError::TooMany`] where captchas are off then; and when the database fails.
    pub async fn understand(
        mut self,
        app: &App,
        connection: &mut PgConnection,
        client_letters: Usage,
    ) -> Result<Result<RecoveryRequest, Self>, PageError> {
        let email = email::read(&self.email).map_err(|words| self.complaints.add(Field::Email, words));
        let spent_until = client_letters.spent_until();
        let judged = self.sent_captcha.judge_once_spent(app, connection, spent_until).await?;
        let captcha = judged.map_err(|words| self.complaints.add(Field::Captcha, words));
        match (email, captcha) {
            (Ok(email), Ok(captcha)) => Ok(Ok(RecoveryRequest { email, captcha })),
            _ => {
                if client_letters.is_spent() {
                    self.captcha = self.sent_captcha.again_or_new(app, connection).await?;
                }
                Ok(Err(self))
            }
        }
    }

    /// The form with a complaint about the captcha alone: other requests spent it meanwhile, or what went
    /// without one.
    pub async fn captcha_is_missing(
        request: RecoveryRequest,
        app: &App,
        connection: &mut PgConnection,
    ) -> sqlx::Result<Self> {
        let captcha = CaptchaField::new(app, connection).await?;
        let mut form = Self::new(request.email.to_string(), captcha);
        form.complaints.add(Field::Captcha, captcha::spent_meanwhile(request.captcha));
        Ok(form)
    }
}
