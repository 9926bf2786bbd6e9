use serde::Deserialize;

use crate::{
    accounts::sessions::SignedIn,
    domain::{Client, PasswordHash},
    web::{
        current_password::CurrentPassword,
        device::Device,
        error::PageError,
        form::{self, Complaints},
        signed_in_form::ShownTo,
        state::App,
    },
};

/// The fields, in their order on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Scope,
    CurrentPassword,
    Captcha,
}

impl form::Field for Field {
    fn name(self) -> &'static str {
        match self {
            Self::Scope => "scope",
            Self::CurrentPassword => "current_password",
            Self::Captcha => "captcha_answer",
        }
    }
}

/// What is to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The account that somebody is here as, one of two.
    Account,
    /// The user, with all accounts.
    User,
}

/// The form as it was sent, and as it is shown again.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DeletionForm {
    pub scope: String,
    #[serde(flatten)]
    pub shown_to: ShownTo,
    #[serde(flatten)]
    pub proof: CurrentPassword,
    #[serde(skip)]
    pub complaints: Complaints<Field>,
}

/// The form as understood.
#[derive(Debug)]
pub struct DeletionRequest {
    pub scope: Scope,
    /// What the password was compared with.
    pub proved: PasswordHash,
    pub shown_to: ShownTo,
}

impl DeletionForm {
    /// An empty one.
    pub fn new(signed_in: &SignedIn) -> Self {
        Self { shown_to: ShownTo::new(signed_in), ..Self::default() }
    }

    /// What is to be deleted, which who has one account is not asked, and the password. Everything that is
    /// wrong is said at once.
    pub async fn understand(
        mut self,
        app: &App,
        client: &Client,
        device: Device,
        signed_in: &SignedIn,
        has_two: bool,
    ) -> Result<Result<DeletionRequest, Self>, PageError> {
        let scope = match self.scope.as_str() {
            _ if !has_two => Some(Scope::User),
            "user" => Some(Scope::User),
            "account" => Some(Scope::Account),
            _ => None,
        };
        if scope.is_none() {
            self.complaints.add(Field::Scope, "Choose what is to be deleted.");
        }
        match (scope, self.proof.prove(app, client, device, &signed_in.email).await?) {
            (Some(scope), Ok(proved)) => Ok(Ok(DeletionRequest { scope, proved, shown_to: self.shown_to })),
            (_, proved) => {
                if let Err(not_proved) = proved {
                    not_proved.tell(&mut self.complaints, Field::CurrentPassword, Field::Captcha);
                }
                Ok(Err(self))
            }
        }
    }
}
