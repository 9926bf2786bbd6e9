use std::io::{self, Read};

use anyhow::bail;
use clap::{Subcommand, ValueEnum};
use serde_json::json;
use sqlx::PgConnection;

use super::{
    Limit, in_transaction,
    output::{NotFound, Output, maybe, maybe_time, table, time, values},
};
use crate::{
    domain::LetterId,
    mail::{
        self, Bounced, LetterState,
        by_operators::{self, LetterRow},
    },
    platform::config::Config,
};

/// What an operator, or their mail server, does with letters. None of them shows what a letter says.
#[derive(Subcommand)]
pub enum LettersCommand {
    /// List letters, the latest first
    #[command(
        after_help = "Examples:\n  vestibule letters list --state refused\n  vestibule --json letters list --to ann@example.com --limit 10"
    )]
    List {
        /// Only those in this state
        #[arg(long)]
        state: Option<State>,
        /// Only those to this address, in whatever case
        #[arg(long, value_name = "ADDRESS")]
        to: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// Show a letter, with the mail service's last words
    #[command(after_help = "Example:\n  vestibule letters show 0199c1de-8a4b-7c1e-9c1d-1c1e8a4b7c1e")]
    Show {
        /// Its id
        id: LetterId,
    },
    /// Let a letter leave now that waits, was refused or was given up, as if it had never been tried
    #[command(after_help = "Example:\n  vestibule letters retry 0199c1de-8a4b-7c1e-9c1d-1c1e8a4b7c1e")]
    Retry {
        /// Its id
        id: LetterId,
    },
    /// Take back a letter that waits: it never leaves
    #[command(after_help = "Example:\n  vestibule letters drop 0199c1de-8a4b-7c1e-9c1d-1c1e8a4b7c1e")]
    Drop {
        /// Its id
        id: LetterId,
    },
    /// Take the report that a letter could not be delivered, from standard input
    ///
    /// The report (RFC 3464) makes its letter refused, and whoever waits for it reads why. What is no such
    /// report changes nothing. The exit code is 0 when the report was dealt with, and 75 when it is to be brought
    /// again (sysexits' EX_TEMPFAIL): the database does not answer, the settings are wrong, or the letter is
    /// still being sent.
    #[command(after_help = "Example:\n  vestibule letters bounced --recipient bounce+…@example.com < report")]
    Bounced {
        /// Where the report came to; without it, the report's own header tells
        #[arg(long, value_name = "ADDRESS")]
        recipient: Option<String>,
    },
}

/// The states, as the command line calls them.
#[derive(Clone, Copy, ValueEnum)]
pub enum State {
    /// It waits for a worker, or for the time before which it may not leave
    Queued,
    /// A worker has it in hand
    Sending,
    /// It was not taken yet, and is tried again
    Delayed,
    /// The mail service took it
    #[value(name = "handed_over")]
    HandedOver,
    /// It was not taken, and will not be
    Refused,
    /// It was tried for 24 hours in vain
    #[value(name = "given_up")]
    GivenUp,
}

impl From<State> for LetterState {
    fn from(state: State) -> Self {
        match state {
            State::Queued => Self::Queued,
            State::Sending => Self::Sending,
            State::Delayed => Self::Delayed,
            State::HandedOver => Self::HandedOver,
            State::Refused => Self::Refused,
            State::GivenUp => Self::GivenUp,
        }
    }
}

impl LettersCommand {
    /// Runs the command.
    pub fn run(self, config: &Config, output: Output) -> anyhow::Result<()> {
        match self {
            Self::List { state, to, limit: Limit { limit } } => {
                let state = state.map(LetterState::from);
                let listed = in_transaction(config, async |tx, _| {
                    Ok(by_operators::latest(tx, state, to.as_deref(), limit).await?)
                })?;
                output.say(&listed, || as_table(&listed))
            }
            Self::Show { id } => {
                let letter = in_transaction(config, async |tx, _| letter(tx, id).await)?;
                output.say(&letter, || as_text(&letter))
            }
            Self::Retry { id } => retry(config, output, id),
            Self::Drop { id } => drop_one(config, output, id),
            Self::Bounced { recipient } => bounced(config, output, recipient.as_deref()),
        }
    }
}

fn retry(config: &Config, output: Output, id: LetterId) -> anyhow::Result<()> {
    let letter = in_transaction(config, async |tx, now| {
        let is_retried = by_operators::retry(tx, id, now).await?;
        let letter = letter(tx, id).await?;
        match is_retried {
            true => Ok(letter),
            false => bail!("letter {id} is {}: it cannot be sent again", letter.state.as_str()),
        }
    })?;
    output.say(&letter, || format!("Letter {id} leaves as soon as a worker is free."))
}

fn drop_one(config: &Config, output: Output, id: LetterId) -> anyhow::Result<()> {
    let letter = in_transaction(config, async |tx, _| {
        let letter = letter(tx, id).await?;
        match by_operators::drop_one(tx, id).await? {
            true => Ok(letter),
            false => bail!("letter {id} is {}: only one that waits can be dropped", letter.state.as_str()),
        }
    })?;
    output.say(&letter, || format!("Letter {id} to {} is dropped.", letter.recipient))
}

async fn letter(connection: &mut PgConnection, id: LetterId) -> anyhow::Result<LetterRow> {
    let letter = by_operators::by_id(connection, id).await?;
    letter.ok_or_else(|| NotFound(format!("there is no letter {id}")).into())
}

/// Letters under each other.
pub fn as_table(letters: &[LetterRow]) -> String {
    let row = |letter: &LetterRow| {
        [
            letter.id.to_string(),
            letter.kind.clone(),
            letter.recipient.clone(),
            letter.state.as_str().to_owned(),
            time(letter.created_at),
            maybe_time(letter.settled_at),
            letter.attempts.to_string(),
        ]
    };
    let heads = ["ID", "KIND", "RECIPIENT", "STATE", "CREATED", "SETTLED", "ATTEMPTS"];
    table(heads, letters.iter().map(row).collect())
}

fn as_text(letter: &LetterRow) -> String {
    values([
        ("id", letter.id.to_string()),
        ("kind", letter.kind.clone()),
        ("recipient", letter.recipient.clone()),
        ("about", maybe(letter.about)),
        ("state", letter.state.as_str().to_owned()),
        ("created", time(letter.created_at)),
        ("not before", time(letter.due_at)),
        ("attempts", letter.attempts.to_string()),
        ("first attempt", maybe_time(letter.first_attempt_at)),
        ("settled", maybe_time(letter.settled_at)),
        ("answer", maybe(letter.answer.as_ref())),
    ])
}

/// Takes a report from standard input.
fn bounced(config: &Config, output: Output, recipient: Option<&str>) -> anyhow::Result<()> {
    let mut report = Vec::new();
    let mut input = io::stdin().lock();
    input.by_ref().take(mail::MOST_READ).read_to_end(&mut report)?;
    // A mail server takes it ill where nobody reads to the end.
    io::copy(&mut input, &mut io::sink())?;
    let bounced =
        in_transaction(config, async |tx, now| Ok(mail::bounced(tx, &report, recipient, now).await?))?;
    let refused = match bounced {
        Bounced::Refused(letter) => {
            tracing::info!(%letter, outcome = "refused", "letter bounced");
            Some(letter)
        }
        Bounced::StillSending(letter) => bail!("letter {letter} is still being sent"),
        Bounced::Nothing(why) => {
            tracing::info!(why, "a report changed nothing");
            None
        }
    };
    // What a mail server's command says on standard output may be mailed to somebody: only who asks gets it.
    if output.json { output.say(&json!({ "refused_letter_id": refused }), String::new) } else { Ok(()) }
}
