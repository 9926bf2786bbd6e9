//! Logging in and out.
//!
//! One failure has one sentence, whatever its cause, and every try costs one hash, whoever asks:
//! an unknown address is compared with a dummy. Guessing is slowed by budgets, and since strangers
//! are counted apart from the devices that a user has logged in on, nobody is locked out by others.

mod form;
mod handlers;
mod page;

use axum::{Router, routing::get};

use crate::web::state::App;

/// The pages.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/login", get(handlers::show).post(handlers::submit))
        .route("/logout", get(handlers::show_log_out).post(handlers::log_out))
}
