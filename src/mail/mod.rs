//! Letters: what we owe somebody by email, from the wish to its delivery.
//!
//! A feature *enqueues* a letter in the transaction of what caused it ([`enqueue`]); the row holds
//! ids, never a secret and never a body. A worker ([`Workers`]) claims the row under a lease, lets
//! the letter's [`Letter::prepare`] make its secret, composes it, hands it to the mail service with no
//! transaction open, and settles the row. Delivery is at least once: whatever fails in between is done
//! again when the lease ends, under the same `Message-ID`.
//!
//! Functions that take a connection fail when the database does; none of them says so again.
//!
//! This floor knows no feature: each brings its [`Letter`]s, and the server fills the [`Registry`].

mod bounce;
pub mod by_operators;
pub mod check;
mod draft;
mod letter;
mod local_mailbox;
mod measured_stream;
mod message;
mod pace;
mod queue;
mod smtp;
mod transport;
mod worker;

#[cfg(test)]
mod tests;

pub use bounce::{Bounced, MOST_READ, bounced};
pub use draft::Draft;
pub use letter::{Letter, Owed, Prepared, Priority, Registry, Words};
pub use local_mailbox::{LocalLetter, LocalMailbox};
pub use pace::{Place, places, usual_wait};
pub use queue::{
    KEPT, LetterState, LetterStatus, about, drop_waiting, enqueue, enqueue_if, hold_back, numbers, purge,
};
pub use worker::Workers;
