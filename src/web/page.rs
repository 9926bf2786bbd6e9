use askama::Template;
use axum::{
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};

use super::signed_in_form::ShownTo;
use crate::{domain::AccountType, regions::Languages};

/// What every page shows around its own part.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// As whom one is here, when logged in.
    pub here: Option<Here>,
    /// The languages of whoever asked, for what is not written by us: the names of regions.
    pub languages: Languages,
    /// Where people may write when the site cannot help them.
    pub support_email: Option<String>,
    /// Whether letters are not sent but lie in the mailbox of this machine.
    pub has_dev_mailbox: bool,
}

/// As whom one is here: the account that the header names.
#[derive(Clone, Debug)]
pub struct Here {
    /// The display name where there is one, else the email address.
    pub name: String,
    /// Which of the two account types it is.
    pub account_type: AccountType,
    /// The button that leads to its counterpart, where there is one to switch to.
    pub switch: Option<ShownTo>,
}

/// A template that is answered as a whole page.
pub trait Page: Template + Sized {
    /// 200.
    fn ok(self) -> Response {
        self.with_status(StatusCode::OK)
    }

    /// 422: the form again, with what is wrong in it.
    fn unprocessable(self) -> Response {
        self.with_status(StatusCode::UNPROCESSABLE_ENTITY)
    }

    /// The page with any other status. A template that cannot be rendered is a 500, which the
    /// layer of error pages dresses.
    fn with_status(self, status: StatusCode) -> Response {
        match self.render() {
            Ok(html) => (status, [(header::CACHE_CONTROL, "no-store")], Html(html)).into_response(),
            Err(error) => {
                tracing::error!(%error, "a template could not be rendered");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

impl<T: Template> Page for T {}
