use serde::Deserialize;

use crate::{
    accounts::{
        budgets::{self, Budget, Subject},
        notices::Notice,
    },
    domain::{Client, Password},
    web::{
        error::PageError,
        fields::captcha::{CaptchaField, SentCaptcha},
        form::{self, Complaints},
        proof::{self, Asked, Unproved},
        signed_in_form::ShownTo,
        state::App,
    },
};

/// What is said of a wrong password.
const WRONG: &str = "This is not the password that the account had just before. If somebody else had changed it by \
     then, use the earliest notice that you got: it asks for the password that you know.";

/// The fields, in their order on the page.
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

/// The form as it was sent, and as it is shown again.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct NotMeForm {
    pub token: String,
    password: Password,
    #[serde(flatten)]
    pub shown_to: ShownTo,
    #[serde(flatten)]
    pub sent_captcha: SentCaptcha,
    #[serde(skip)]
    pub complaints: Complaints<Field>,
    /// What may have gone wrong while the password was typed.
    #[serde(skip)]
    pub advice: String,
    #[serde(skip)]
    pub captcha: Option<CaptchaField>,
}

impl NotMeForm {
    /// One for a link that was just opened.
    pub fn new(token: String) -> Self {
        Self { token, shown_to: ShownTo::anybody(), ..Self::default() }
    }

    /// Compares the password with the one that held just before what the notice tells; returns whether it
    /// is right. Where it is not, the form shows again what this leaves in it.
    pub async fn prove(&mut self, app: &App, client: &Client, notice: &Notice) -> Result<bool, PageError> {
        let password = std::mem::take(&mut self.password);
        let asked = Asked {
            password: &password,
            sent_captcha: &self.sent_captcha,
            stored: &notice.password_hash,
            counted: by_address(notice),
            missing: "Enter the password.",
            wrong: WRONG,
        };
        let Err(Unproved { why, captcha, advice }) = proof::prove_asked(app, client, asked).await? else {
            return Ok(true);
        };
        why.tell(&mut self.complaints, Field::Password, Field::Captcha);
        self.captcha = captcha;
        self.advice = advice.join(" ");
        Ok(false)
    }
}

/// What wrong passwords are counted against, beside the client; not those in a row, or strangers would shut
/// the owner out.
pub fn by_address(notice: &Notice) -> (Budget, Subject) {
    (budgets::ADDRESS_FAILURES, Subject::address(&notice.email))
}
