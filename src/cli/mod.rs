//! What an operator runs.

mod migrate;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::platform::{config::Config, telemetry};

/// The front door of a marketplace where customers find artists.
///
/// Settings come from the environment (VESTIBULE_…) and from .env; .env.example lists them.
#[derive(Parser)]
#[command(name = "vestibule", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the site (this is also what happens without a command)
    Serve,
    /// Bring the database's tables to this version, and stop
    Migrate,
}

/// Runs what the command line asks for. The exit code is 0 when it was done, 1 when it could not
/// be, and 2 when the command line or the settings are wrong.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match Config::from_environment() {
        Ok(config) => config,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(2);
        }
    };
    let done = telemetry::start_logging(&config.log).and_then(|()| match arguments.command {
        None | Some(Command::Serve) => serve::run(config),
        Some(Command::Migrate) => migrate::run(&config),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vestibule: {error:#}");
            ExitCode::FAILURE
        }
    }
}
