//! What a person does, one folder each. Features never import features.

pub mod dev_mailbox;
pub mod forward_auth;
pub mod help;
pub mod home;
pub mod login;
pub mod notices;
pub mod pairing;
pub mod profile;
pub mod recovery;
pub mod registration;
pub mod sessions;
pub mod support;
