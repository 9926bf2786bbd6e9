//! What several features share: who there is, who waits to be, who is logged in where, and how
//! often anybody has tried. Its SQL lies here, in free functions on a connection, so that a handler
//! owns the transaction. Every one of them fails when the database does.

pub mod accepted_forms;
pub mod activity;
pub mod budgets;
pub mod credentials;
pub mod deletion;
/// Browsers, known by their cookie.
pub mod devices;
pub mod email_changes;
pub mod generated_passwords;
pub mod invitations;
pub mod notices;
pub mod pairs;
pub mod registrations;
pub mod sessions;
pub mod support_requests;
/// Users and their accounts.
pub mod users;

use crate::{
    mail::Registry,
    platform::{config::Config, password_hasher::PasswordHasher},
};

/// The letters that several features cause.
pub fn letters(registry: Registry, config: &Config, hasher: &PasswordHasher) -> Registry {
    registry
        .with(deletion::DeletionByOperatorsLetter::new(config))
        .with(generated_passwords::GeneratedPasswordLetter::new(config, hasher))
        .with(invitations::InvitationLetter::new(config))
        .with(notices::NoticeLetter::new(config))
        .with(notices::AddressLeftLetter::new(config))
}
