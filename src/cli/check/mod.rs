//! `vestibule check`: whether all that the site needs is there. Nothing is changed; only the letter that is
//! asked for leaves.

mod proxy;

use anyhow::ensure;
use serde::Serialize;
use sqlx::PgPool;
use tokio::runtime::Runtime;

use super::{
    output::{Output, harmless},
    serve,
};
use crate::{
    domain::EmailAddress,
    mail,
    platform::{
        clock::Clock,
        config::{Config, WrongSettings},
        database::{self, DatabaseServer, Tables},
    },
};

/// All that was found.
#[derive(Serialize)]
struct Report {
    is_good: bool,
    findings: Vec<Finding>,
}

/// What was found of one thing.
#[derive(Serialize)]
pub struct Finding {
    /// Of which.
    what: &'static str,
    is_good: bool,
    /// What was found, in words.
    found: String,
    /// What to do, where it is not good.
    to_do: Option<String>,
}

impl Finding {
    fn good(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, is_good: true, found: found.into(), to_do: None }
    }

    fn bad(what: &'static str, found: impl Into<String>, to_do: impl Into<String>) -> Self {
        Self { what, is_good: false, found: found.into(), to_do: Some(to_do.into()) }
    }

    fn line(&self) -> String {
        let word = if self.is_good { "good" } else { "bad " };
        let to_do = self.to_do.as_ref().map(|to_do| format!("\n                to do: {to_do}"));
        harmless(&format!("{word}  {:<8}  {}{}", self.what, self.found, to_do.unwrap_or_default()))
    }
}

/// Looks at everything, and says what it found.
///
/// # Errors
/// Where something is bad.
pub fn run(
    config: Result<Config, WrongSettings>,
    output: Output,
    mail_to: Option<&EmailAddress>,
) -> anyhow::Result<()> {
    let findings = match config {
        Ok(config) => look(&config, mail_to)?,
        Err(wrong) => wrong
            .lines()
            .map(|line| Finding::bad("settings", line, "set it right; .env.example lists every setting"))
            .collect(),
    };
    let report = Report { is_good: findings.iter().all(|finding| finding.is_good), findings };
    output.say(&report, || report.findings.iter().map(Finding::line).collect::<Vec<_>>().join("\n"))?;
    ensure!(report.is_good, "not all is good");
    Ok(())
}

fn look(config: &Config, mail_to: Option<&EmailAddress>) -> anyhow::Result<Vec<Finding>> {
    let mut findings = vec![settings(config)];
    // The server of the database is asked for outside the async runtime.
    let server = DatabaseServer::join(config);
    Runtime::new()?.block_on(async {
        findings.extend(database(server).await);
        findings.push(mail_service(config).await);
        if let Some(to) = mail_to {
            findings.push(letter(config, to).await);
        }
        findings.extend(proxy::findings(config).await);
    });
    Ok(findings)
}

fn settings(config: &Config) -> Finding {
    let mut found = vec!["all are understood"];
    found.extend(serve::warnings(config));
    match serve::can_start(config) {
        Ok(()) => Finding::good("settings", found.join("; ")),
        Err(error) => Finding::bad("settings", "the site would not start", error.to_string()),
    }
}

async fn database(server: anyhow::Result<DatabaseServer>) -> Vec<Finding> {
    let asking = async {
        let server = server?;
        let pool = database::connect(server.connect_options(), 0).await?;
        let clocks = database::compare_clocks(&pool, Clock::system().now()).await;
        let to_do = "set both clocks right, and let NTP keep them so";
        let wrong_clock = clocks.err().map(|error| Finding::bad("database", error.to_string(), to_do));
        let findings = [Some(version(&pool).await), wrong_clock, Some(tables(&pool).await)];
        anyhow::Ok(findings.into_iter().flatten().collect())
    };
    asking.await.unwrap_or_else(|error| {
        let to_do = "see whether it runs there and lets us in, and whether DATABASE_URL has its host, database, user and \
             password, with %40 for an @ and so on; without one, the embedded one answers while the site is being served";
        vec![Finding::bad("database", format!("{error:#}"), to_do)]
    })
}

async fn version(pool: &PgPool) -> Finding {
    match (database::version(pool).await, database::is_read_only(pool).await) {
        (Ok(version), Ok(false)) => Finding::good("database", format!("PostgreSQL {version} answers")),
        (Ok(version), Ok(true)) => Finding::bad(
            "database",
            format!("PostgreSQL {version} answers, and can only be read"),
            "let DATABASE_URL name the primary, and a user who may write",
        ),
        (Err(error), _) | (_, Err(error)) => {
            Finding::bad("database", error.to_string(), "look into the log of the database")
        }
    }
}

async fn tables(pool: &PgPool) -> Finding {
    let migrate = "run vestibule migrate, or serve, which migrates when it starts";
    match database::tables(pool).await {
        Ok(Tables::UpToDate) => Finding::good("tables", "they are up to date"),
        Ok(Tables::Behind(1)) => Finding::bad("tables", "one migration is missing", migrate),
        Ok(Tables::Behind(missing)) => {
            Finding::bad("tables", format!("{missing} migrations are missing"), migrate)
        }
        Ok(Tables::Ahead) => {
            Finding::good("tables", "a newer version has migrated them, and this one may go on beside it")
        }
        Err(error) => Finding::bad("tables", error.to_string(), "let its user own the database"),
    }
}

async fn mail_service(config: &Config) -> Finding {
    match &config.mail.smtp {
        Some(service) => match mail::check::hand_shake(config, service).await {
            Ok(words) => Finding::good("mail", words),
            Err(words) => Finding::bad(
                "mail",
                words,
                "set VESTIBULE_SMTP_URL to what the mail service expects: host, port, TLS, user and password",
            ),
        },
        None if config.has_dev_mailbox() => {
            let page = config.public_url.with("/dev/mailbox");
            Finding::good("mail", format!("letters are not sent, and shown at {page}"))
        }
        None => Finding::bad("mail", "letters go nowhere", "set VESTIBULE_SMTP_URL"),
    }
}

async fn letter(config: &Config, to: &EmailAddress) -> Finding {
    match mail::check::send_letter(config, to, Clock::system().now()).await {
        Ok(words) => Finding::good("letter", format!("handed over: {words}; see whether it arrives at {to}")),
        Err(words) => Finding::bad("letter", words, "see what the mail service asks of sender and recipient"),
    }
}
