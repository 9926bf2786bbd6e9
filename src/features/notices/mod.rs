//! “This was not me”: the answer to a notice, for whoever gets the letters of the address that it was sent
//! to.
//!
//! 1. `/not-me` shows what happened and what the button does ([`handlers`]); following the link does
//!    nothing.
//! 2. Where the account still has that address, the button shuts everybody out, and a new password goes
//!    there.
//! 3. Where it has another one by now, the address is given back as well, to who knows the password that
//!    held just before ([`form`]). Whoever changed the password first did that after an earlier notice, which
//!    asks for the one that its owner knows.

mod form;
mod handlers;
mod page;

use axum::{Router, routing::get};

use crate::web::state::App;

/// The pages.
pub fn routes() -> Router<App> {
    Router::new().route("/not-me", get(handlers::show).post(handlers::submit))
}
