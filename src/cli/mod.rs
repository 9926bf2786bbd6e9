//! What an operator runs: one file for each group of commands, which say what they have to say through
//! [`output`].
//!
//! A command fails where it cannot be done, with [`NotFound`] where what it was to be done to is not there; none
//! of them says so again.

mod check;
mod letters;
mod migrate;
mod output;
mod registrations;
mod serve;
mod support;
mod users;

use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, Parser, Subcommand};
use sqlx::{PgConnection, error::DatabaseError};
use time::OffsetDateTime;
use tokio::runtime::Runtime;

use self::{
    letters::LettersCommand,
    output::{NotFound, Output},
    registrations::RegistrationsCommand,
    support::SupportCommand,
    users::UsersCommand,
};
use crate::{
    domain::EmailAddress,
    platform::{
        clock::Clock,
        config::{Config, WrongSettings},
        database::{self, DatabaseServer},
        telemetry,
    },
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
    #[command(
        after_help = "Examples:\n  vestibule serve\n  VESTIBULE_LISTEN=127.0.0.1:8080 VESTIBULE_PUBLIC_URL=http://localhost:8080 vestibule serve"
    )]
    Serve,
    /// Bring the database's tables to this version, and stop
    #[command(after_help = "Example:\n  vestibule migrate")]
    Migrate,
    /// Say of everything that the site needs whether it is good, or bad and what to do
    ///
    /// Looks at the settings, the database and its tables, the mail service (the hand-shake with TLS and log in, and
    /// with --mail-to a letter), and what the site sees of a client that comes by way of PUBLIC_URL. Changes nothing.
    /// The exit code is 1 where something is bad.
    #[command(after_help = "Examples:\n  vestibule check\n  vestibule check --mail-to ann@example.com")]
    Check {
        /// Send a letter to this address, past the queue
        #[arg(long, value_name = "ADDRESS", value_parser = EmailAddress::parse)]
        mail_to: Option<EmailAddress>,
    },
    /// Look after users
    #[command(subcommand, after_help = EXIT_CODES)]
    Users(UsersCommand),
    /// Look at registrations
    #[command(subcommand, after_help = EXIT_CODES)]
    Registrations(RegistrationsCommand),
    /// Look after letters
    #[command(subcommand, after_help = EXIT_CODES)]
    Letters(LettersCommand),
    /// Look after what people wrote to support
    #[command(subcommand, after_help = EXIT_CODES)]
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
    // Told by what is typed, so that it is known as well where the rest cannot be understood.
    let words = std::env::args_os().skip(1).filter(|word| !word.as_encoded_bytes().starts_with(b"-"));
    let is_for_mail_server = words.take(2).eq(["letters", "bounced"]);
    let Arguments { command, json } = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(wrong) if is_for_mail_server && wrong.use_stderr() => {
            eprint!("{wrong}");
            return ExitCode::from(BRING_AGAIN);
        }
        Err(said) => said.exit(),
    };
    let command = command.unwrap_or(Command::Serve);
    let Err(error) = run(command, Output { json }) else { return ExitCode::SUCCESS };
    let code = if let Some(wrong) = error.downcast_ref::<WrongSettings>() {
        eprintln!("{wrong}");
        WRONG_SETTINGS
    } else {
        eprintln!("vestibule: {error:#}");
        if error.is::<NotFound>() { NOT_FOUND } else { FAILED }
    };
    ExitCode::from(if is_for_mail_server { BRING_AGAIN } else { code })
}

fn run(command: Command, output: Output) -> anyhow::Result<()> {
    let config = Config::from_environment();
    if let Ok(config) = &config {
        telemetry::start_logging(&config.log)?;
    }
    match command {
        Command::Serve => serve::run(config?),
        Command::Migrate => migrate::run(&config?, output),
        Command::Check { mail_to } => check::run(config, output, mail_to.as_ref()),
        Command::Users(command) => command.run(&config?, output),
        Command::Registrations(command) => command.run(&config?, output),
        Command::Letters(command) => command.run(&config?, output),
        Command::Support(command) => command.run(&config?, output),
    }
}

/// How much of a list is shown.
#[derive(Args)]
struct Limit {
    /// How many at most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
}

/// Does a command's work in one transaction on the site's database: the one that `DATABASE_URL` names, else the
/// embedded one, which answers while the site is being served.
fn in_transaction<T>(
    config: &Config,
    work: impl AsyncFnOnce(&mut PgConnection, OffsetDateTime) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let server = DatabaseServer::join(config)?;
    Runtime::new()?.block_on(async {
        let database = database::connect(server.connect_options(), 0).await?;
        let mut tx = database.begin().await?;
        database::have_patience(&mut tx).await?;
        let done = work(&mut tx, Clock::system().now()).await.map_err(or_migrate)?;
        tx.commit().await?;
        Ok(done)
    })
}

/// The error, or what to do where it is that a table or a column is not there (PostgreSQL, appendix A).
fn or_migrate(error: anyhow::Error) -> anyhow::Error {
    let of_database = error.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    match of_database.and_then(DatabaseError::code).as_deref() {
        Some("42P01" | "42703") => {
            anyhow!("the tables are not there, or older than this version: run vestibule migrate")
        }
        _ => error,
    }
}
