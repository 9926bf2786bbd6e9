use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use time::{Duration, OffsetDateTime, format_description::FormatItem, macros::format_description};

const CLOCK: &[FormatItem<'_>] = format_description!("[hour]:[minute]");
const DATE_AND_CLOCK: &[FormatItem<'_>] =
    format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute]");
const SAID_CLOCK: &[FormatItem<'_>] = format_description!("at [hour]:[minute]");
const SAID_DATE_AND_CLOCK: &[FormatItem<'_>] =
    format_description!("on [day padding:none] [month repr:long] [year] at [hour]:[minute]");

/// The one source of time: statements take it as a parameter and never ask the database, so that
/// a test can let a week pass.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    ahead_microseconds: Arc<AtomicI64>,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// The present, in UTC, in whole microseconds: what PostgreSQL can keep.
    #[allow(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
    pub fn now(&self) -> OffsetDateTime {
        let now = OffsetDateTime::now_utc();
        let ahead = Duration::microseconds(self.ahead_microseconds.load(Ordering::Relaxed));
        now.truncate_to_microsecond() + ahead
    }

    /// Lets time pass for everybody who holds this clock.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.whole_microseconds()).unwrap_or(i64::MAX);
        self.ahead_microseconds.fetch_add(by, Ordering::Relaxed);
    }
}

/// A clock time in UTC, `HH:MM`, with the date when that is not today's: what pages and letters say.
pub fn clock_time(at: OffsetDateTime, now: OffsetDateTime) -> String {
    written(at, if at.date() == now.date() { CLOCK } else { DATE_AND_CLOCK })
}

/// The same within a sentence: `at HH:MM`, and `on 1 May 2026 at HH:MM` when that is not today.
pub fn said_time(at: OffsetDateTime, now: OffsetDateTime) -> String {
    written(at, if at.date() == now.date() { SAID_CLOCK } else { SAID_DATE_AND_CLOCK })
}

/// A clock time with its date, for letters: nobody knows on which day one is read.
pub fn dated(at: OffsetDateTime) -> String {
    format!("{} (UTC)", written(at, DATE_AND_CLOCK))
}

fn written(at: OffsetDateTime, format: &[FormatItem<'_>]) -> String {
    at.format(format).unwrap_or_default()
}
