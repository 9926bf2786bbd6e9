use askama::Template;

use super::form::{Field, PasswordForm};
use crate::{
    accounts::sessions::SignedIn,
    domain::EmailAddress,
    platform::config::Config,
    web::{fields::password, page::Frame, state::App},
};

/// `/profile/password`.
#[derive(Template)]
#[template(path = "profile/password.html")]
pub struct PasswordPage<'a> {
    frame: Frame,
    form: PasswordForm,
    email: EmailAddress,
    is_generated: bool,
    config: &'a Config,
}

impl<'a> PasswordPage<'a> {
    /// For who is logged in.
    pub fn new(app: &'a App, frame: Frame, signed_in: &SignedIn, form: PasswordForm) -> Self {
        Self {
            frame,
            form,
            email: signed_in.email.clone(),
            is_generated: signed_in.password_is_generated,
            config: &app.config,
        }
    }

    /// Somebody who is told of the other field would not look at this one again.
    fn new_password_advice(&self) -> &'static str {
        let dropped =
            !self.form.complaints.is_empty() && self.form.complaints.about(Field::NewPassword).is_none();
        if dropped { password::KEPT_BY_NO_PAGE } else { "" }
    }
}
