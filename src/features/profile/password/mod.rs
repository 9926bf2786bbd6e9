//! Another password. The current one is proved first; then the new one holds, what was mailed is void,
//! all other sessions end, other browsers are unknown again, and a letter tells so.
//!
//! `/.well-known/change-password` is where password managers look for this page (W3C, “A Well-Known URL
//! for Changing Passwords”).

mod form;
mod handlers;
mod page;

use axum::{Router, response::Redirect, routing::get};

use crate::web::{session::CHANGE_PASSWORD, state::App};

/// The pages.
pub fn routes() -> Router<App> {
    Router::new()
        .route(CHANGE_PASSWORD, get(handlers::show).post(handlers::submit))
        .route("/.well-known/change-password", get(|| async { Redirect::to(CHANGE_PASSWORD) }))
}
