use serde::Deserialize;

use crate::{
    accounts::sessions::SignedIn,
    web::{
        current_password::CurrentPassword,
        form::{self, Complaints},
        signed_in_form::ShownTo,
    },
};

/// The fields, in their order on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    CurrentPassword,
    Captcha,
}

impl form::Field for Field {
    fn name(self) -> &'static str {
        match self {
            Self::CurrentPassword => "current_password",
            Self::Captcha => "captcha_answer",
        }
    }
}

/// The form as it was sent, and as it is shown again.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ExportForm {
    #[serde(flatten)]
    pub shown_to: ShownTo,
    #[serde(flatten)]
    pub proof: CurrentPassword,
    #[serde(skip)]
    pub complaints: Complaints<Field>,
}

impl ExportForm {
    /// An empty one.
    pub fn new(signed_in: &SignedIn) -> Self {
        Self { shown_to: ShownTo::new(signed_in), ..Self::default() }
    }
}
