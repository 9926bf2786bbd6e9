//! Another email address.
//!
//! 1. `/profile/email`: the address and the current password ([`form`], [`handlers`]). The answer is the
//!    same whether or not anybody has that address; what waits for its answer is shown there, and can be
//!    cancelled.
//! 2. The letter ([`letter`]) knows: to a free address it brings the link, to any other it says why it does
//!    not.
//! 3. `/profile/email/confirm`: the button in a browser that is logged in as this user, the button and the
//!    password in any other ([`confirmation`]); so neither a link scanner nor whoever owns a mistyped address
//!    confirms anything. The old address is told, and can undo it.

mod confirmation;
mod form;
mod handlers;
mod letter;
mod page;

use axum::{Router, routing::get};

use crate::{mail::Registry, platform::config::Config, web::state::App};

/// The pages.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/profile/email", get(handlers::show).post(handlers::submit))
        .route("/profile/email/cancel", get(handlers::show_cancel).post(handlers::cancel))
        .route("/profile/email/confirm", get(confirmation::show).post(confirmation::submit))
}

/// The letters.
pub fn letters(registry: Registry, config: &Config) -> Registry {
    registry.with(letter::EmailChangeLetter::new(config))
}
