use serde::Deserialize;

use crate::{
    accounts::sessions::SignedIn,
    domain::{Client, Password, PasswordHash},
    web::{
        current_password::CurrentPassword,
        device::Device,
        error::PageError,
        fields::password,
        form::{self, Complaints},
        proof::NotProved,
        signed_in_form::ShownTo,
        state::App,
    },
};

/// The fields, in their order on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    CurrentPassword,
    Captcha,
    NewPassword,
}

impl form::Field for Field {
    fn name(self) -> &'static str {
        match self {
            Self::CurrentPassword => "current_password",
            Self::Captcha => "captcha_answer",
            Self::NewPassword => "new_password",
        }
    }
}

/// The form as it was sent, and as it is shown again.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PasswordForm {
    #[serde(flatten)]
    pub shown_to: ShownTo,
    #[serde(flatten)]
    pub proof: CurrentPassword,
    new_password: Password,
    #[serde(skip)]
    pub complaints: Complaints<Field>,
}

/// The form as understood.
#[derive(Debug)]
pub struct PasswordRequest {
    /// What the current password was compared with.
    pub old: PasswordHash,
    pub new: Password,
}

impl PasswordForm {
    /// An empty one.
    pub fn new(signed_in: &SignedIn) -> Self {
        Self { shown_to: ShownTo::new(signed_in), ..Self::default() }
    }

    /// An empty one that says why the sent one was in vain.
    pub fn overtaken(shown_to: ShownTo) -> Self {
        let mut form = Self { shown_to, ..Self::default() };
        let words =
            "Your password was changed meanwhile, from another page. Enter the one that is current now.";
        form.complaints.add(Field::CurrentPassword, words);
        form
    }

    /// Everything that is wrong is said at once, where it costs nothing: the current password is hashed
    /// only for a new one that can be taken.
    pub async fn understand(
        mut self,
        app: &App,
        client: &Client,
        device: Device,
        signed_in: &SignedIn,
    ) -> Result<Result<PasswordRequest, Self>, PageError> {
        let new = std::mem::take(&mut self.new_password);
        let is_the_current_one = self.proof.is(&new);
        let complaint = password::complaint(&new, Some(&signed_in.email), &app.config);
        let old = match complaint.is_some() && self.proof.complaint().is_none() {
            true => self.proof.ask_again(app).await.map(|()| None)?,
            false => self.prove(app, client, device, signed_in).await?,
        };
        if let Some(words) = complaint {
            self.complaints.add(Field::NewPassword, words);
        } else if old.is_some() && is_the_current_one {
            self.complaints.add(Field::NewPassword, "This is your current password. Choose another.");
        }
        match old {
            Some(old) if self.complaints.is_empty() => Ok(Ok(PasswordRequest { old, new })),
            _ => Ok(Err(self)),
        }
    }

    async fn prove(
        &mut self,
        app: &App,
        client: &Client,
        device: Device,
        signed_in: &SignedIn,
    ) -> Result<Option<PasswordHash>, PageError> {
        let proved = self.proof.prove(app, client, device, &signed_in.email).await?;
        let tell = |not_proved: NotProved| {
            not_proved.tell(&mut self.complaints, Field::CurrentPassword, Field::Captcha);
        };
        Ok(proved.map_err(tell).ok())
    }
}
