use clap::Subcommand;

use super::{
    Limit, in_transaction,
    output::{Output, maybe, maybe_time, table, time},
};
use crate::{
    accounts::registrations::{self, RegistrationRow},
    mail::LetterState,
    platform::config::Config,
};

/// What an operator sees of registrations. Nothing here confirms one: that is for whoever reads its letter.
#[derive(Subcommand)]
pub enum RegistrationsCommand {
    /// List registrations, the latest first, each with its latest letter
    #[command(
        after_help = "Examples:\n  vestibule registrations list --email ann@example.com\n  vestibule --json registrations list --limit 10"
    )]
    List {
        /// Only those with this address, in whatever case
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
}

impl RegistrationsCommand {
    /// Runs the command.
    pub fn run(self, config: &Config, output: Output) -> anyhow::Result<()> {
        let Self::List { email, limit: Limit { limit } } = self;
        let listed = in_transaction(config, async |tx, _| {
            Ok(registrations::latest(tx, email.as_deref(), limit).await?)
        })?;
        output.say(&listed, || {
            let row = |one: &RegistrationRow| {
                [
                    one.id.to_string(),
                    one.email.to_string(),
                    one.account_type.to_string(),
                    one.region_id.to_string(),
                    time(one.created_at),
                    maybe_time(one.runs_out_at),
                    maybe_time(one.confirmed_at),
                    maybe(one.letter_state.map(LetterState::as_str)),
                ]
            };
            let heads = ["ID", "EMAIL", "TYPE", "REGION", "CREATED", "RUNS OUT", "CONFIRMED", "LETTER"];
            table(heads, listed.iter().map(row).collect())
        })
    }
}
