use askama::Template;

use super::form::{DeletionForm, Field};
use crate::{domain::AccountType, web::page::Frame};

/// `/profile/delete`.
#[derive(Template)]
#[template(path = "profile/delete.html")]
pub struct DeletionPage {
    pub frame: Frame,
    pub form: DeletionForm,
    /// As which account somebody is here.
    pub here: AccountType,
    /// The type of the other account, where there are two to choose from.
    pub other: Option<AccountType>,
}
