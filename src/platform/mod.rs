//! The world outside: settings, time, the database, hashing, logs, TLS.

/// The one source of time.
pub mod clock;
pub mod config;
pub mod database;
pub mod embedded_postgres;
pub mod password_hasher;
pub mod telemetry;
/// TLS towards other people's servers.
pub mod tls;
