use askama::Template;
use time::OffsetDateTime;

use super::store::{Place, SessionRow};
use crate::{
    accounts::sessions::SignedIn,
    web::{filters, page::Frame, signed_in_form::ShownTo},
};

/// `/profile/sessions`.
#[derive(Template)]
#[template(path = "sessions/sessions.html")]
pub struct SessionsPage {
    pub frame: Frame,
    /// The session that asks.
    pub here: Option<SessionLine>,
    pub others: Vec<SessionLine>,
    /// The button that ends all others, where there are any.
    pub end_others: ShownTo,
    /// Whether these are not the latest ones.
    pub is_older: bool,
    /// Where those that are still older begin.
    pub older: Option<Place>,
    /// What led here, in a sentence.
    pub because: Option<&'static str>,
    pub now: OffsetDateTime,
}

/// A session with the button that ends it.
pub struct SessionLine {
    pub session: SessionRow,
    pub shown_to: ShownTo,
}

impl SessionLine {
    /// Each has a form of its own, so that one can be ended after the other from the same page.
    pub fn new(session: SessionRow, signed_in: &SignedIn) -> Self {
        Self { session, shown_to: ShownTo::new(signed_in) }
    }
}

/// What led somebody here, in a sentence; `None` for any other word.
pub fn because(word: &str) -> Option<&'static str> {
    match word {
        "ended" => Some("The session is ended. Whoever was logged in there is logged out."),
        "others-ended" => Some("You are logged out everywhere else."),
        _ => None,
    }
}
