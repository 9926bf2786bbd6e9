use askama::Template;

use super::form::{Field, RegistrationForm};
use crate::{
    domain::FormId,
    platform::config::Config,
    web::{
        fields::{email, password},
        page::Frame,
    },
};

/// `/register`.
#[derive(Template)]
#[template(path = "registration/register.html")]
pub struct RegistrationPage<'a> {
    pub frame: Frame,
    pub form: RegistrationForm,
    /// What makes a form that is sent twice one form.
    pub form_id: FormId,
    /// Whether its address names an invitation that cannot be used any more.
    pub invitation_is_gone: bool,
    pub config: &'a Config,
}

impl RegistrationPage<'_> {
    fn password_hint(&self) -> String {
        password::hint(self.config)
    }

    /// Somebody who filled in everything but one field would not look at the others again.
    fn password_advice(&self) -> &'static str {
        let dropped = self.form.was_sent() && self.form.complaints.about(Field::Password).is_none();
        if dropped { password::KEPT_BY_NO_PAGE } else { "" }
    }
}
