use clap::Subcommand;
use sqlx::PgConnection;

use super::{
    Limit, in_transaction,
    output::{NotFound, Output, harmless, maybe, maybe_time, table, time, values},
};
use crate::{
    accounts::support_requests::{self, SupportRequestRow},
    domain::SupportReference,
    platform::config::Config,
};

/// What an operator does with what people wrote to support.
#[derive(Subcommand)]
pub enum SupportCommand {
    /// List the open support requests, the latest first
    #[command(after_help = "Examples:\n  vestibule support list\n  vestibule --json support list --all")]
    List {
        /// Also those that were closed
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        limit: Limit,
    },
    /// Show a support request with its message
    #[command(after_help = "Example:\n  vestibule support show K7QM-2XHD-9TRW")]
    Show {
        /// Its reference
        #[arg(value_parser = reference)]
        reference: SupportReference,
    },
    /// Note that a support request was dealt with; nobody is told
    #[command(after_help = "Example:\n  vestibule support close K7QM-2XHD-9TRW")]
    Close {
        /// Its reference
        #[arg(value_parser = reference)]
        reference: SupportReference,
    },
}

fn reference(text: &str) -> Result<SupportReference, &'static str> {
    SupportReference::parse(text).ok_or("no reference, as K7QM-2XHD-9TRW is one")
}

impl SupportCommand {
    /// Runs the command.
    pub fn run(self, config: &Config, output: Output) -> anyhow::Result<()> {
        match self {
            Self::List { all, limit: Limit { limit } } => list(config, output, all, limit),
            Self::Show { reference } => {
                let request = in_transaction(config, async |tx, _| request(tx, &reference).await)?;
                output.say(&request, || as_text(&request))
            }
            Self::Close { reference } => {
                let request = in_transaction(config, async |tx, now| {
                    support_requests::close(tx, &reference, now).await?;
                    request(tx, &reference).await
                })?;
                output.say(&request, || format!("{reference} is closed."))
            }
        }
    }
}

fn list(config: &Config, output: Output, all: bool, limit: i64) -> anyhow::Result<()> {
    let listed = in_transaction(config, async |tx, _| Ok(support_requests::latest(tx, all, limit).await?))?;
    output.say(&listed, || {
        let row = |request: &SupportRequestRow| {
            let (created, closed) = (time(request.created_at), maybe_time(request.closed_at));
            let beginning = request.message.chars().take(50).collect();
            [request.reference.clone(), request.email.to_string(), created, closed, beginning]
        };
        table(["REFERENCE", "EMAIL", "CREATED", "CLOSED", "MESSAGE"], listed.iter().map(row).collect())
    })
}

async fn request(
    connection: &mut PgConnection,
    reference: &SupportReference,
) -> anyhow::Result<SupportRequestRow> {
    let request = support_requests::by_reference(connection, reference).await?;
    request.ok_or_else(|| NotFound(format!("there is no support request {reference}")).into())
}

fn as_text(request: &SupportRequestRow) -> String {
    let head = values([
        ("reference", request.reference.clone()),
        ("email", request.email.to_string()),
        ("user", maybe(request.user_id)),
        ("letter", maybe(request.letter_state.as_ref())),
        ("created", time(request.created_at)),
        ("closed", maybe_time(request.closed_at)),
    ]);
    format!("{head}\n\n{}", harmless(&request.message))
}
