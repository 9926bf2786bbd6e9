//! What an operator runs.

mod letters;
mod migrate;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::letters::LettersCommand;
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
    /// Look after letters
    #[command(subcommand)]
    Letters(LettersCommand),
}

/// What tells a mail server to bring a report again (sysexits' EX_TEMPFAIL).
const BRING_AGAIN: u8 = 75;

/// Runs what the command line asks for. The exit code is 0 when it was done, 1 when it could not
/// be, and 2 when the command line or the settings are wrong; where a mail server runs it, it is 75
/// instead of either, so that no report is lost.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (wrong_settings, failure) = match arguments.command {
        Some(Command::Letters(LettersCommand::Bounced { .. })) => (BRING_AGAIN, BRING_AGAIN),
        _ => (2, 1),
    };
    let config = match Config::from_environment() {
        Ok(config) => config,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(wrong_settings);
        }
    };
    let done = telemetry::start_logging(&config.log).and_then(|()| match arguments.command {
        None | Some(Command::Serve) => serve::run(config),
        Some(Command::Migrate) => migrate::run(&config),
        Some(Command::Letters(LettersCommand::Bounced { recipient })) => {
            letters::bounced(&config, recipient.as_deref())
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vestibule: {error:#}");
            ExitCode::from(failure)
        }
    }
}
