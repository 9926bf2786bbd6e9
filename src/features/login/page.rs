use askama::Template;

use super::form::{Field, LoginForm};
use crate::web::page::Frame;

/// `/login`.
#[derive(Template)]
#[template(path = "login/login.html")]
pub struct LoginPage {
    pub frame: Frame,
    pub form: LoginForm,
    /// What led here, in a sentence.
    pub because: Option<Because>,
}

/// Why somebody finds themselves on the log in page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// The page they wanted needs somebody.
    LogInFirst,
    /// They logged out.
    LoggedOut,
    /// The link that they opened was used before.
    AlreadyConfirmed,
}

impl Because {
    /// The reason that a link gives, or `None` for any other word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "log-in-first" => Some(Self::LogInFirst),
            "logged-out" => Some(Self::LoggedOut),
            "already-confirmed" => Some(Self::AlreadyConfirmed),
            _ => None,
        }
    }

    /// The sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::LogInFirst => "Log in first. You come back to where you were going.",
            Self::LoggedOut => "You are logged out.",
            Self::AlreadyConfirmed => {
                "This registration was confirmed before. Log in with its address and password."
            }
        }
    }
}
