//! What an operator runs: one file for each group of commands, which say what they have to say through
//! [`output`].

mod letters;
mod migrate;
mod output;
mod registrations;
mod serve;
mod support;
mod users;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sqlx::PgConnection;
use time::OffsetDateTime;
use tokio::runtime::Runtime;

use self::{
    letters::LettersCommand,
    output::{NotFound, Output},
    registrations::RegistrationsCommand,
    support::SupportCommand,
    users::UsersCommand,
};
use crate::platform::{
    clock::Clock,
    config::Config,
    database::{self, DatabaseServer},
    telemetry,
};

/// The front door of a marketplace where customers find artists.
///
/// Settings come from the environment (VESTIBULE_…) and from .env; .env.example lists them. Commands work beside
/// a site that is being served, on the same database.
#[derive(Parser)]
#[command(name = "vestibule", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Say it as one JSON document, of the shape that the README describes
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the site (this is also what happens without a command); it only logs, and `--json` changes nothing
    Serve,
    /// Bring the database's tables to this version, and stop
    Migrate,
    /// Look after users
    #[command(subcommand)]
    Users(UsersCommand),
    /// Look at registrations
    #[command(subcommand)]
    Registrations(RegistrationsCommand),
    /// Look after letters
    #[command(subcommand)]
    Letters(LettersCommand),
    /// Look after what people wrote to support
    #[command(subcommand)]
    Support(SupportCommand),
}

const EXIT_CODES: &str = "\
Exit codes:
  0  it was done, or had been done before
  1  it could not be done; standard error says why
  2  the command line or a setting is wrong
  3  what it was to be done to is not there
  (letters bounced: 0 and 75)";

/// What tells a mail server to bring a report again (sysexits' EX_TEMPFAIL).
const BRING_AGAIN: u8 = 75;

/// The exit codes of what did not go well; a mail server that runs a command gets 75 instead of any, so that no
/// report is lost.
const FAILED: u8 = 1;
const WRONG_SETTINGS: u8 = 2;
const NOT_FOUND: u8 = 3;

/// Runs what the command line asks for. `--help` says what the exit code means.
pub fn main() -> ExitCode {
    let Arguments { command, json } = Arguments::parse();
    let command = command.unwrap_or(Command::Serve);
    let is_for_mail_server = matches!(command, Command::Letters(LettersCommand::Bounced { .. }));
    let end = |code| ExitCode::from(if is_for_mail_server { BRING_AGAIN } else { code });
    let config = match Config::from_environment() {
        Ok(config) => config,
        Err(wrong) => {
            eprintln!("{wrong}");
            return end(WRONG_SETTINGS);
        }
    };
    match telemetry::start_logging(&config.log).and_then(|()| run(command, config, Output { json })) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vestibule: {error:#}");
            end(if error.is::<NotFound>() { NOT_FOUND } else { FAILED })
        }
    }
}

fn run(command: Command, config: Config, output: Output) -> anyhow::Result<()> {
    match command {
        Command::Serve => serve::run(config),
        Command::Migrate => migrate::run(&config, output),
        Command::Users(command) => command.run(&config, output),
        Command::Registrations(command) => command.run(&config, output),
        Command::Letters(command) => command.run(&config, output),
        Command::Support(command) => command.run(&config, output),
    }
}

/// Does a command's work in one transaction, on the database of the site, whether or not it is being served
/// where `DATABASE_URL` names one, and else beside it.
fn in_transaction<T>(
    config: &Config,
    work: impl AsyncFnOnce(&mut PgConnection, OffsetDateTime) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let server = DatabaseServer::join(config)?;
    Runtime::new()?.block_on(async {
        let database = database::connect(server.connect_options(), 0).await?;
        let mut tx = database.begin().await?;
        let done = work(&mut tx, Clock::system().now()).await?;
        tx.commit().await?;
        Ok(done)
    })
}
