use askama::Template;

use super::form::{Field, RegistrationForm};
use crate::{
    domain::FormId,
    platform::config::Config,
    web::{fields::email::COMMON_DOMAINS, page::Frame},
};

/// `/register`.
#[derive(Template)]
#[template(path = "registration/register.html")]
pub struct RegistrationPage<'a> {
    pub frame: Frame,
    pub form: RegistrationForm,
    /// What makes a form that is sent twice one form.
    pub form_id: FormId,
    pub config: &'a Config,
}

impl RegistrationPage<'_> {
    fn email_hint(&self) -> String {
        let allowed = &self.config.email_length;
        format!(
            "An address of {} to {} characters, to which you have permanent access.",
            allowed.start(),
            allowed.end()
        )
    }

    fn password_hint(&self) -> String {
        let allowed = &self.config.password_length;
        format!("{} to {} characters. Capitals and small letters count.", allowed.start(), allowed.end())
    }

    /// Somebody who filled in everything but one field would not look at the others again.
    fn password_advice(&self) -> &'static str {
        let dropped = self.form.was_sent() && self.form.complaints.about(Field::Password).is_none();
        if dropped { "Enter your password again: no page keeps it." } else { "" }
    }

    fn email_advice(&self) -> String {
        let meant = self.form.likely_domain();
        meant.map_or_else(String::new, |domain| format!("Did you mean an address that ends in {domain}?"))
    }
}
