use askama::Template;
use time::OffsetDateTime;

use super::form::{EmailChangeForm, Field};
use crate::{
    accounts::{budgets, email_changes::EmailChange, notices},
    domain::EmailAddress,
    platform::config::Config,
    web::{fields::email, filters, page::Frame, signed_in_form::ShownTo},
};

/// `/profile/email`.
#[derive(Template)]
#[template(path = "profile/email.html")]
pub struct EmailChangePage<'a> {
    pub frame: Frame,
    pub form: EmailChangeForm,
    pub present: EmailAddress,
    /// What waits for its answer, each with what its button carries.
    pub pending: Vec<(EmailChange, ShownTo)>,
    /// What led here, in a sentence.
    pub because: Option<&'static str>,
    pub config: &'a Config,
    pub now: OffsetDateTime,
}

/// What led somebody to `/profile/email`, in a sentence; `None` for any other word.
pub fn because(word: &str) -> Option<&'static str> {
    match word {
        "letter" => Some(
            "A letter goes to the new address. When you open its link and press the button there, your address \
             changes; until then, everything stays as it is.",
        ),
        "cancelled" => Some("The change is cancelled, and the links in its letters no longer work."),
        _ => None,
    }
}
