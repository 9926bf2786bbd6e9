//! What templates write by a filter.

use askama::{Values, filters::Safe};
use time::{OffsetDateTime, format_description::FormatItem, macros::format_description};

const CLOCK: &[FormatItem<'_>] = format_description!("[hour]:[minute]");
const DATE_AND_CLOCK: &[FormatItem<'_>] =
    format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute]");
const MACHINE: &[FormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

/// A clock time in UTC, `HH:MM`, with the date when that is not today's: what pages and letters say.
pub fn clock_time(at: OffsetDateTime, now: OffsetDateTime) -> String {
    let format = if at.date() == now.date() { CLOCK } else { DATE_AND_CLOCK };
    at.format(format).unwrap_or_default()
}

/// [`clock_time`] as an element that a script turns into the browser's own zone.
#[askama::filter_fn]
pub fn clock(at: &OffsetDateTime, _: &dyn Values, now: &OffsetDateTime) -> askama::Result<Safe<String>> {
    let machine = at.format(MACHINE).unwrap_or_default();
    Ok(Safe(format!("<time datetime=\"{machine}\">{}</time>", clock_time(*at, *now))))
}
