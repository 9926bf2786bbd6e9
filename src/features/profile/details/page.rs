use askama::Template;

use super::{
    change::{self, Line},
    form::{DetailsForm, Field},
};
use crate::{
    accounts::{
        activity::{Entry, Event},
        sessions::SignedIn,
    },
    domain::{AccountType, ActivityId, DisplayName},
    regions::Languages,
    web::{page::Frame, signed_in_form::ShownTo},
};

/// `/profile/details`.
#[derive(Template)]
#[template(path = "profile/details.html")]
pub struct DetailsPage {
    frame: Frame,
    form: DetailsForm,
    account_type: AccountType,
    /// Whether the counterpart can be changed as well.
    has_counterpart: bool,
    news: Option<News>,
}

/// What was done just before.
#[derive(Debug)]
pub enum News {
    /// A change was saved, and can be taken back.
    Saved {
        change: ActivityId,
        lines: Vec<Line>,
        /// For the form that takes it back.
        shown_to: ShownTo,
        /// Whether the counterpart was changed as well.
        of_both: bool,
    },
    /// A change was taken back, of one account or of both.
    TakenBack { lines: Vec<Line>, of_both: bool },
    /// There was nothing to save.
    NothingChanged,
    /// A change could not be taken back; this stands there now.
    NotTakenBack(Vec<Line>),
}

impl News {
    /// What an entry of somebody's activity tells of the account that they are here as.
    pub fn of(entry: Entry, signed_in: &SignedIn, languages: &Languages) -> Option<Self> {
        match entry.event? {
            Event::DetailsChanged(change) if change.account_id == signed_in.account_id => Some(Self::Saved {
                change: entry.id,
                lines: change::lines(&change, languages),
                shown_to: ShownTo::new(signed_in),
                of_both: change.counterpart.is_some(),
            }),
            Event::DetailsTakenBack(change) if change.account_id == signed_in.account_id => {
                Some(Self::TakenBack {
                    lines: change::lines(&change, languages),
                    of_both: change.counterpart.is_some(),
                })
            }
            _ => None,
        }
    }
}

impl DetailsPage {
    /// For who is logged in, with what was done just before.
    pub fn new(
        frame: Frame,
        signed_in: &SignedIn,
        form: DetailsForm,
        has_counterpart: bool,
        news: Option<News>,
    ) -> Self {
        Self { frame, form, account_type: signed_in.account_type, has_counterpart, news }
    }

    fn is_refused(&self) -> bool {
        !self.form.complaints.is_empty() || matches!(self.news, Some(News::NotTakenBack(_)))
    }

    fn display_name_hint(&self) -> String {
        format!("Optional. What others see you as, in up to {} characters.", DisplayName::MOST_CHARACTERS)
    }
}
