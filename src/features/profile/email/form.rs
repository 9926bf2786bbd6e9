use serde::Deserialize;

use crate::{
    accounts::sessions::SignedIn,
    domain::{Client, EmailAddress},
    web::{
        current_password::CurrentPassword,
        device::Device,
        error::PageError,
        fields::email,
        form::{self, Complaints},
        signed_in_form::ShownTo,
        state::App,
    },
};

/// The fields, in their order on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Email,
    CurrentPassword,
    Captcha,
}

impl form::Field for Field {
    fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::CurrentPassword => "current_password",
            Self::Captcha => "captcha_answer",
        }
    }
}

/// The form as it was sent, and as it is shown again.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct EmailChangeForm {
    pub email: String,
    #[serde(flatten)]
    pub shown_to: ShownTo,
    #[serde(flatten)]
    pub proof: CurrentPassword,
    #[serde(skip)]
    pub complaints: Complaints<Field>,
}

/// The form as understood, once the password was proved.
#[derive(Debug)]
pub struct EmailChangeRequest {
    pub email: EmailAddress,
    pub shown_to: ShownTo,
}

/// The form of a wish that is given up.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CancelForm {
    pub change: String,
    #[serde(flatten)]
    pub shown_to: ShownTo,
}

impl EmailChangeForm {
    /// An empty one.
    pub fn new(signed_in: &SignedIn) -> Self {
        Self { shown_to: ShownTo::new(signed_in), ..Self::default() }
    }

    /// The address that was chosen instead of the present one. Everything that is wrong is said at once,
    /// where it costs nothing: the current password is hashed only for an address that can be taken.
    pub async fn understand(
        mut self,
        app: &App,
        client: &Client,
        device: Device,
        signed_in: &SignedIn,
    ) -> Result<Result<EmailChangeRequest, Self>, PageError> {
        let present = &signed_in.email;
        let chosen =
            email::choose(&self.email, &app.config).and_then(|email| match email.key() == present.key() {
                true => Err("This is your address already. Enter another one.".to_owned()),
                false => Ok(email),
            });
        let email = chosen.map_err(|words| self.complaints.add(Field::Email, words));
        if email.is_err() && self.proof.complaint().is_none() {
            self.proof.ask_again(app).await?;
        } else if let Err(not_proved) = self.proof.prove(app, client, device, present).await? {
            not_proved.tell(&mut self.complaints, Field::CurrentPassword, Field::Captcha);
        }
        match email {
            Ok(email) if self.complaints.is_empty() => {
                Ok(Ok(EmailChangeRequest { email, shown_to: self.shown_to }))
            }
            _ => Ok(Err(self)),
        }
    }
}
