use askama::Template;
use time::OffsetDateTime;

use super::{
    form::{AccountsForm, Field},
    store::{self, Account},
    switch::{Field as SwitchField, SwitchForm},
};
use crate::{
    accounts::{
        pairs::{self, Barred, Counterpart},
        sessions::SignedIn,
    },
    web::{device::Device, fields::region, filters, page::Frame, signed_in_form::ShownTo, state::App},
};

/// `/profile/accounts`.
#[derive(Template)]
#[template(path = "pairing/accounts.html")]
pub struct AccountsPage {
    pub frame: Frame,
    pub accounts: Vec<Account>,
    /// The other one of the pair, where there are two.
    pub counterpart: Option<Counterpart>,
    pub signed_in: SignedIn,
    pub form: AccountsForm,
    pub switch: SwitchForm,
    /// What led here, in a sentence.
    pub because: Option<&'static str>,
    /// Why nothing was done.
    pub problem: Option<String>,
    pub now: OffsetDateTime,
}

impl AccountsPage {
    /// The page as it is at present, with empty forms. No connection is to be held meanwhile.
    pub async fn new(app: &App, frame: Frame, signed_in: &SignedIn, device: Device) -> sqlx::Result<Self> {
        let must_change = app.config.generated_password_must_change;
        let mut connection = app.database.acquire().await?;
        let accounts = store::accounts(&mut connection, signed_in.user_id).await?;
        let counterpart =
            pairs::counterpart(&mut connection, signed_in.account_id, device.0, must_change).await?;
        Ok(Self {
            frame,
            accounts,
            counterpart,
            signed_in: signed_in.clone(),
            form: AccountsForm::default(),
            switch: SwitchForm::default(),
            because: None,
            problem: None,
            now: app.clock.now(),
        })
    }

    /// The same with a form as it was sent, or filled in for who has not sent any.
    pub fn with_form(mut self, mut form: AccountsForm) -> Self {
        if let Some(first) = self.accounts.first() {
            form.fill_in(first, &self.frame.languages);
        }
        self.form = form;
        self
    }

    /// Each form has an id of its own.
    fn shown_to(&self) -> ShownTo {
        ShownTo::new(&self.signed_in)
    }

    /// Why nobody can switch there.
    pub fn why_barred(barred: &Barred) -> &'static str {
        match barred {
            Barred::Locked => "The other account is locked: you cannot switch to it.",
            Barred::BeingDeleted => {
                "The other account is being deleted: you cannot switch to it until that is taken back."
            }
            Barred::MustChangePassword => {
                "The password of the other account is a generated one. Log in with it and change it first."
            }
        }
    }

    fn is_refused(&self) -> bool {
        self.problem.is_some() || !self.form.complaints.is_empty() || !self.switch.complaints.is_empty()
    }
}

/// What led somebody here, in a sentence; `None` for any other word.
pub fn because(word: &str) -> Option<&'static str> {
    match word {
        "account-deletion" => Some("The account is hidden. A letter tells you so."),
        "taken-back" => Some("The account stays, and is shown again."),
        "added" => Some("You have both types of accounts now, and can switch between them."),
        "linked" => Some(
            "The two accounts are linked, and you can switch between them. A letter to each address tells so.",
        ),
        "unlinked" => Some("The two accounts are no longer linked. A letter to each address tells so."),
        _ => None,
    }
}
