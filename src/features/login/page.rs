use askama::Template;

use super::form::{Field, LoginForm};
use crate::{accounts::deletion, web::page::Frame};

/// `/login`.
#[derive(Template)]
#[template(path = "login/login.html")]
pub struct LoginPage {
    pub frame: Frame,
    pub form: LoginForm,
    /// What led here, in a sentence.
    pub because: Option<Because>,
}

impl LoginPage {
    /// Whether to say what often helps: beside a password that did not fit, and where the typed text alone
    /// shows what went wrong.
    fn has_help(&self) -> bool {
        let complaints = &self.form.complaints;
        let is_wrong = complaints.about(Field::Password).is_some() && !self.form.email.is_empty();
        is_wrong || !self.form.advice.is_empty()
    }
}

/// Why somebody finds themselves on the log in page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// The page they wanted needs somebody.
    LogInFirst,
    /// They sent a form, and were logged out.
    NothingSaved,
    /// They logged out.
    LoggedOut,
    /// The link that they opened was used before.
    AlreadyConfirmed,
    /// They said “This was not me”.
    NotMe,
    /// Their address is another one now.
    EmailChanged,
    /// They asked for their deletion.
    Deletion,
}

impl Because {
    /// The reason that a link gives, or `None` for any other word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "log-in-first" => Some(Self::LogInFirst),
            "nothing-saved" => Some(Self::NothingSaved),
            "logged-out" => Some(Self::LoggedOut),
            "already-confirmed" => Some(Self::AlreadyConfirmed),
            "not-me" => Some(Self::NotMe),
            "email-changed" => Some(Self::EmailChanged),
            "deletion" => Some(Self::Deletion),
            _ => None,
        }
    }

    /// Whether it tells of an account that somebody else than who is logged in here may have.
    pub fn is_of_any_account(self) -> bool {
        matches!(self, Self::NotMe | Self::EmailChanged)
    }

    /// The sentence.
    pub fn sentence(self) -> String {
        match self {
            Self::LogInFirst => "Log in first. You come back to where you were going.".to_owned(),
            Self::NothingSaved => {
                "You are logged out, so nothing was saved. Log in, and enter it again on the page that follows.".to_owned()
            }
            Self::LoggedOut => "You are logged out.".to_owned(),
            Self::AlreadyConfirmed => {
                "This registration was confirmed before. Log in with its address and password.".to_owned()
            }
            Self::NotMe => {
                "All sessions of that account are ended, and the old password no longer works. A letter with a new password is on its way \
                 to the address to which the notice was sent."
                    .to_owned()
            }
            Self::EmailChanged => "The email address is changed. Log in with the new one.".to_owned(),
            Self::Deletion => {
                let days = deletion::GRACE.whole_days();
                format!("The deletion of all your data here is asked for. Logging in within {days} days takes it back.")
            }
        }
    }
}
