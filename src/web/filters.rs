//! What templates write by a filter.

use askama::{Values, filters::Safe};
use time::{OffsetDateTime, format_description::FormatItem, macros::format_description};

use crate::platform::clock::{clock_time, said_time};

const MACHINE: &[FormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

/// [`clock_time`] as an element that a script turns into the browser's own zone.
#[askama::filter_fn]
pub fn clock(at: &OffsetDateTime, _: &dyn Values, now: &OffsetDateTime) -> askama::Result<Safe<String>> {
    Ok(element(*at, "", &clock_time(*at, *now)))
}

/// [`said_time`] as such an element.
#[askama::filter_fn]
pub fn at(at: &OffsetDateTime, _: &dyn Values, now: &OffsetDateTime) -> askama::Result<Safe<String>> {
    Ok(element(*at, " data-said", &said_time(*at, *now)))
}

fn element(at: OffsetDateTime, mark: &str, words: &str) -> Safe<String> {
    let machine = at.format(MACHINE).unwrap_or_default();
    Safe(format!("<time datetime=\"{machine}\"{mark}>{words}</time>"))
}
