use askama::Template;

use super::form::{Field, RecoveryForm};
use crate::{
    accounts::generated_passwords::{self, AtMost},
    platform::config::Config,
    web::{fields::email::COMMON_DOMAINS, page::Frame},
};

/// `/recover`.
#[derive(Template)]
#[template(path = "recovery/recover.html")]
pub struct RecoveryPage {
    pub frame: Frame,
    pub form: RecoveryForm,
}

/// `/recover/sent`: what is true for every address.
#[derive(Template)]
#[template(path = "recovery/sent.html")]
pub struct SentPage {
    frame: Frame,
    /// For how many hours a generated password can be used.
    hours: i64,
    at_most: Option<AtMost>,
}

impl SentPage {
    /// With the numbers in force.
    pub fn new(frame: Frame, config: &Config) -> Self {
        Self { frame, hours: generated_passwords::LIFETIME.whole_hours(), at_most: AtMost::of(config) }
    }
}
