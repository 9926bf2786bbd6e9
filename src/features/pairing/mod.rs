//! The two account types of one person. `/profile/accounts` shows them, and adds the one that is missing:
//!
//! - a new one beside the first, with the same email and password ([`add`]), or
//! - one that was registered with another address, by proving that too ([`link`]).
//!
//! Either way the two are a pair, and one button leads from the one to the other ([`switch`]). Those of two
//! users are parted again by another ([`unlink`]), and one that is being deleted is taken back by a third.

mod add;
mod form;
mod handlers;
mod link;
mod page;
mod store;
mod switch;
mod unlink;

use axum::{
    Router,
    routing::{get, post},
};

use crate::web::state::App;

const PAGE: &str = "/profile/accounts";

/// The pages.
pub fn routes() -> Router<App> {
    Router::new()
        .route(PAGE, get(handlers::show).post(handlers::submit))
        .route("/profile/accounts/switch", post(switch::submit).get(handlers::lead_to_page))
        .route("/profile/accounts/unlink", post(unlink::submit).get(handlers::lead_to_page))
        .route("/profile/accounts/take-back", post(handlers::take_back).get(handlers::lead_to_page))
}
