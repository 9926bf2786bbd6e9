//! How somebody goes, with all that is theirs or with one of two accounts: the password is proved, and the
//! grace begins, in which it can be taken back. `accounts::deletion` does it.

mod form;
mod handlers;
mod page;
mod store;

use axum::{Router, routing::get};

use crate::web::state::App;

/// The pages.
pub fn routes() -> Router<App> {
    Router::new().route("/profile/delete", get(handlers::show).post(handlers::submit))
}
