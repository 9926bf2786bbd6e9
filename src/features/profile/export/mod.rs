//! Somebody's data, taken along: everything that we hold on them as one JSON document, for who proves the
//! password. `docs/export.md` says what stands in it.

mod document;
mod form;
mod handlers;
mod store;

use axum::{Router, routing::get};

use crate::web::state::App;

/// The pages.
pub fn routes() -> Router<App> {
    Router::new().route("/profile/export", get(handlers::show).post(handlers::submit))
}
