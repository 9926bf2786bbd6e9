//! **Vestibule**: the front door of a marketplace where customers find artists.
//!
//! The code is cut along what a person does: each of those things is one word in three places,
//! `src/features/login/`, `templates/login/`, `tests/web/login.rs`. Around them lie the
//! floors below, and imports run downwards only (`tests/architecture.rs` holds it):
//!
//! | floor | what it holds |
//! | --- | --- |
//! | [`cli`] | what an operator runs |
//! | [`server`] | what `serve` runs; here each feature's routes and letters are put together |
//! | [`features`] | what a person does, one folder each; features never import features |
//! | [`web`] | the kit that pages are made of |
//! | [`accounts`] | what several features share, with its SQL |
//! | [`mail`], [`captcha`], [`regions`] | letters, tasks, the gazetteer; they know nothing of each other |
//! | [`platform`] | the world outside: settings, clock, database, hashing, logs |
//! | [`domain`] | plain values |
//!
//! Where an arrow would run upwards, the lower floor says what it needs and [`server`] hands it in.

// Tests may: there a panic is the message.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod accounts;
pub mod captcha;
pub mod cli;
pub mod domain;
pub mod features;
pub mod mail;
pub mod platform;
pub mod regions;
pub mod server;
pub mod web;

#[cfg(test)]
extern crate self as vestibule;

/// The tests' own PostgreSQL, shared with those of the pages.
#[cfg(test)]
#[path = "../tests/web/support/database.rs"]
#[allow(dead_code, reason = "shared with the tests of the pages")]
mod test_database;
