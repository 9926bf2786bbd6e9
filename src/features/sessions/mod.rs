//! Where somebody is logged in: this session first, then the others with the latest log in first, each to
//! be ended by a button, or all others at once. What is ended is logged out with the next page it asks for.

mod handlers;
mod page;
mod store;

use axum::{
    Router,
    routing::{get, post},
};

use crate::web::state::App;

/// The pages.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/profile/sessions", get(handlers::show))
        .route("/profile/sessions/end", post(handlers::end).get(handlers::lead_to_page))
        .route("/profile/sessions/end-others", post(handlers::end_others).get(handlers::lead_to_page))
}
