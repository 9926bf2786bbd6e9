//! The system tests: the program beside other people's servers, as Debian packages them. They have a
//! command of their own in the README, which installs what they need; they run as root, since postfix
//! starts as nobody else. What is not there fails a test and is never skipped.

#[path = "../web/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the kit of the tests of the pages")]
mod support;

mod database;
mod instances;
mod letters;
mod neighbours;
mod postfix;
mod proxies;
mod systemd;

use tokio::task::JoinSet;

/// Fails as soon as one of these people has failed.
fn are_well(people: &mut JoinSet<()>) {
    if let Some(Err(error)) = people.try_join_next() {
        std::panic::resume_unwind(error.into_panic());
    }
}
