//! What several features share: who there is, who waits to be, who is logged in where, and how
//! often anybody has tried. Its SQL lies here, in free functions on a connection, so that a handler
//! owns the transaction. Every one of them fails when the database does.

pub mod accepted_forms;
pub mod budgets;
pub mod credentials;
/// Browsers, known by their cookie.
pub mod devices;
pub mod registrations;
pub mod sessions;
/// Users and their accounts.
pub mod users;
