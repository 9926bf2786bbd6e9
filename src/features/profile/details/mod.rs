//! The details of an account: display name, region, phone.
//!
//! They are saved at once and shown, with a button that takes it back: `/profile/details?saved=` names
//! the entry of the user's activity that tells what was changed. The form carries what it was shown
//! with, so that only what the person changed is written, and what another page saved meanwhile is said
//! before it is replaced.

mod change;
mod form;
mod handlers;
mod page;
mod store;

use axum::{Router, response::Redirect, routing::get};

pub use change::{Line, lines};

use crate::web::state::App;

/// Where the details are shown and changed.
const DETAILS: &str = "/profile/details";

/// The pages.
pub fn routes() -> Router<App> {
    Router::new().route(DETAILS, get(handlers::show).post(handlers::submit)).route(
        "/profile/details/take-back",
        get(|| async { Redirect::to(DETAILS) }).post(handlers::take_back),
    )
}
