use askama::Template;
use time::OffsetDateTime;

use super::form::{Field, NotMeForm};
use crate::{
    accounts::notices::Notice,
    web::{filters, page::Frame},
};

/// `/not-me`.
#[derive(Template)]
#[template(path = "notices/not_me.html")]
pub struct NotMePage {
    pub frame: Frame,
    pub form: NotMeForm,
    pub notice: Notice,
    /// Whether the account has another address by now, so that this one is given back, for a password.
    pub is_undo: bool,
    pub now: OffsetDateTime,
}

/// What a link can no longer do, and what can be done instead.
#[derive(Template)]
#[template(path = "notices/no_notice.html")]
pub struct NoNoticePage {
    pub frame: Frame,
    /// Whether somebody else has the address by now; else the link was used, ran out or never was.
    pub is_taken: bool,
    /// How many days a notice can be answered.
    pub days: i64,
}
