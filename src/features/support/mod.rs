//! Writing to support, for anyone: `/support` takes an address and a message, and answers with a
//! reference. What was written is stored, and in the same transaction two letters are promised: the message
//! to the address that the settings name, if any, with the sender's as `Reply-To`; and to the sender an
//! acknowledgement, which has the reference and never the message, since a stranger may have typed that
//! address.
//!
//! Who comes from the waiting page takes along what became of the letter ([`own_letter`]): looked up here,
//! and only for a registration that this very browser made.
//!
//! The first requests of a day go without a captcha, so that whom the site keeps out is heard ([`sender`]).

mod form;
mod handlers;
mod letter;
mod own_letter;
mod page;
mod sender;

use axum::{Router, extract::DefaultBodyLimit, middleware::from_fn, routing::get};

use crate::{
    mail::Registry,
    platform::config::Config,
    web::{form::read_whole, state::App},
};

/// The form is no larger, in bytes: the longest message, where each character is sent as twelve, and what
/// stands beside it. All other forms are smaller.
const LARGEST_BODY: usize = 64 * 1024;

/// The pages.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/support", get(handlers::show).post(handlers::submit))
        .route("/support/sent", get(handlers::sent))
        .layer(from_fn(read_whole))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
}

/// The letters.
pub fn letters(registry: Registry, config: &Config) -> Registry {
    registry.with(letter::SupportRequestLetter).with(letter::AcknowledgementLetter::new(config))
}
