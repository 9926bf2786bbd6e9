use serde::Deserialize;

use super::store::Account;
use crate::{
    domain::Password,
    regions::{Hint, Languages},
    web::{
        current_password::CurrentPassword,
        fields::region,
        form::{self, Complaints},
        signed_in_form::ShownTo,
    },
};

/// The fields of both forms, in their order on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Region,
    Email,
    Password,
    CurrentPassword,
    Captcha,
}

impl form::Field for Field {
    fn name(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::Email => "email",
            Self::Password => "password",
            Self::CurrentPassword => "current_password",
            Self::Captcha => "captcha_answer",
        }
    }
}

/// Both forms of the page, as one of them was sent, and as they are shown again.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AccountsForm {
    #[serde(flatten)]
    pub shown_to: ShownTo,
    /// To add an account: where it is.
    pub region: String,
    pub region_id: String,
    pub region_was: String,
    /// To link one: the other user's address and password. Only that form has the field.
    pub email: Option<String>,
    pub password: Password,
    #[serde(flatten)]
    pub proof: CurrentPassword,
    #[serde(skip)]
    pub complaints: Complaints<Field>,
    /// The regions that the typed text may mean.
    #[serde(skip)]
    pub choices: Vec<Hint>,
    /// What may have gone wrong while the other password was typed.
    #[serde(skip)]
    pub advice: String,
}

impl AccountsForm {
    /// The one that links, rather than the one that adds.
    pub fn links(&self) -> bool {
        self.email.is_some()
    }

    /// Where nothing else was typed, the new account is where the first one is.
    pub fn fill_in(&mut self, first: &Account, languages: &Languages) {
        if self.region.is_empty() && (self.links() || self.complaints.is_empty()) {
            self.region = region::full_name(&first.region_id, languages);
            self.region_id = first.region_id.to_string();
        }
    }
}
