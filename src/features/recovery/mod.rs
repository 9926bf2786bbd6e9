//! Recovering a forgotten password. Whoever enters an address at `/recover` is answered the same, in the
//! same time, whether or not somebody has it: the same statements are run, and only the letter knows.
//!
//! To a user it brings a generated password (`accounts::generated_passwords`), which is harmless until it
//! is used at log in; to an address that nobody has it says so ([`letter`]). Where an address has had as
//! many letters as it may, the answer is the same, and none goes.

mod form;
mod handlers;
mod letter;
mod page;

use axum::{Router, routing::get};

use crate::{
    mail::Registry,
    platform::{config::Config, password_hasher::PasswordHasher},
    web::state::App,
};

/// The pages.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/recover", get(handlers::show).post(handlers::submit))
        .route("/recover/sent", get(handlers::sent))
}

/// The letters.
pub fn letters(registry: Registry, config: &Config, hasher: &PasswordHasher) -> Registry {
    registry.with(letter::NoSuchUserLetter::new(config, hasher))
}
