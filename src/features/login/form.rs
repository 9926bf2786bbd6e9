use serde::Deserialize;

use crate::{
    domain::{EmailAddress, OwnPath, Password},
    web::{
        fields::captcha::{CaptchaField, SentCaptcha},
        form::{self, Complaints},
    },
};

/// The fields, in their order on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Email,
    Password,
    Captcha,
}

impl form::Field for Field {
    fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Password => "password",
            Self::Captcha => "captcha_answer",
        }
    }
}

/// The form as it was sent, and as it is shown again.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct LoginForm {
    pub email: String,
    pub password: Password,
    remember: Option<String>,
    pub next: String,
    #[serde(flatten)]
    pub sent_captcha: SentCaptcha,
    #[serde(skip)]
    pub complaints: Complaints<Field>,
    /// What may have gone wrong while the password was typed.
    #[serde(skip)]
    pub advice: Vec<String>,
    #[serde(skip)]
    pub captcha: Option<CaptchaField>,
}

/// The form as understood.
#[derive(Debug)]
pub struct LoginRequest {
    /// `None` for what is no address: nobody has it, and it is answered like any unknown one.
    pub email: Option<EmailAddress>,
    pub password: Password,
    pub remember: bool,
    pub next: Option<OwnPath>,
}

impl LoginForm {
    /// An empty one that leads to `next`.
    pub fn leading_to(next: Option<OwnPath>) -> Self {
        Self { next: next.map_or_else(String::new, |next| next.to_string()), ..Self::default() }
    }

    /// Whether to stay logged in when the browser closes.
    pub fn is_remembered(&self) -> bool {
        self.remember.is_some()
    }

    /// Only what is missing is said: whether it is right is not this form's to know.
    pub fn understand(&mut self) -> Option<LoginRequest> {
        if self.email.trim().is_empty() {
            self.complaints.add(Field::Email, "Enter your email address.");
        }
        if self.password.is_empty() {
            self.complaints.add(Field::Password, "Enter your password.");
        }
        self.complaints.is_empty().then(|| LoginRequest {
            email: EmailAddress::parse(&self.email).ok(),
            password: std::mem::take(&mut self.password),
            remember: self.is_remembered(),
            next: OwnPath::parse(&self.next),
        })
    }
}
