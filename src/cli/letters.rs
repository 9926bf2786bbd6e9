use std::io::{self, Read};

use clap::Subcommand;
use tokio::runtime::Runtime;

use crate::{
    mail::{self, Bounced},
    platform::{
        clock::Clock,
        config::Config,
        database::{self, DatabaseServer},
    },
};

/// What an operator, or their mail server, does with letters.
#[derive(Subcommand)]
pub enum LettersCommand {
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

/// Takes a report from standard input.
pub fn bounced(config: &Config, recipient: Option<&str>) -> anyhow::Result<()> {
    let mut report = Vec::new();
    let mut input = io::stdin().lock();
    input.by_ref().take(mail::MOST_READ).read_to_end(&mut report)?;
    // A mail server takes it ill where nobody reads to the end.
    io::copy(&mut input, &mut io::sink())?;
    let server = DatabaseServer::join(config)?;
    let bounced = Runtime::new()?.block_on(async {
        let database = database::connect(server.connect_options(), 0).await?;
        let mut tx = database.begin().await?;
        let bounced = mail::bounced(&mut tx, &report, recipient, Clock::system().now()).await?;
        tx.commit().await?;
        anyhow::Ok(bounced)
    })?;
    match bounced {
        Bounced::Refused(letter) => tracing::info!(%letter, outcome = "refused", "letter bounced"),
        Bounced::StillSending(letter) => anyhow::bail!("letter {letter} is still being sent"),
        Bounced::Nothing(why) => tracing::info!(why, "a report changed nothing"),
    }
    Ok(())
}
