//! Registering. A filled-in form becomes a *registration*, and a letter with a link goes to its
//! address; the answer to that letter turns it into a user with an account.
//!
//! 1. `/register`: five fields, all required ([`form`], [`handlers`]). The answer to a valid form
//!    is the same, in the same time, whether or not the address is known: nothing is looked up.
//! 2. The letter ([`letter`]) knows: to a new address it brings the link, to a known one it says
//!    that there is a user already.
//! 3. `/register/letter`: what is true of the letters of this browser's registrations ([`waiting`]), each of
//!    which can be sent again ([`resend`]), or to another address ([`correction`]).
//! 4. `/confirm`: the button in the browser that registered, the button and the password in any
//!    other ([`confirmation`]); so a link scanner confirms nothing, and nobody confirms what a
//!    stranger began.

mod confirmation;
mod correction;
mod form;
mod handlers;
mod letter;
mod page;
mod promise;
mod resend;
mod waiting;

use axum::{Router, routing::get};

use crate::{mail::Registry, platform::config::Config, web::state::App};

/// The pages.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/register", get(handlers::show).post(handlers::submit))
        .route("/register/letter", get(waiting::show))
        .route("/register/letter/resend", get(resend::show).post(resend::submit))
        .route("/register/letter/address", get(correction::show).post(correction::submit))
        .route("/confirm", get(confirmation::show).post(confirmation::submit))
}

/// The letters.
pub fn letters(registry: Registry, config: &Config) -> Registry {
    registry.with(letter::RegistrationLetter::new(config))
}
