use askama::Template;

use super::form::{Field, LONGEST_MESSAGE, SupportForm};
use crate::{
    accounts::budgets,
    domain::SupportReference,
    web::{fields::email::COMMON_DOMAINS, page::Frame},
};

/// `/support`.
#[derive(Template)]
#[template(path = "support/support.html")]
pub struct SupportPage {
    pub frame: Frame,
    pub form: SupportForm,
    /// What became of a letter, which goes along.
    pub letter_state: Option<String>,
}

impl SupportPage {
    fn hint(&self) -> String {
        format!("No more than {LONGEST_MESSAGE} characters. Files cannot be attached.")
    }
}

/// `/support/sent`.
#[derive(Template)]
#[template(path = "support/sent.html")]
pub struct SentPage {
    pub frame: Frame,
    pub reference: SupportReference,
}

impl SentPage {
    fn letters_a_day(&self) -> i64 {
        budgets::SUPPORT_ACKNOWLEDGEMENTS.limit
    }
}
