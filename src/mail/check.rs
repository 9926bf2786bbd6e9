//! Whether letters leave as they should, for operators who set that up: past the queue, whatever waits there.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

use super::{
    draft::Draft,
    message::Stationery,
    smtp::SmtpSender,
    transport::{Outcome, Transport},
};
use crate::{
    domain::{EmailAddress, LetterId},
    platform::config::{Config, SmtpService},
};

/// How long either may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens a connection to the mail service, with the TLS and the log in that the settings name. Either way what is
/// returned says how far it came.
pub async fn hand_shake(config: &Config, service: &SmtpService) -> Result<String, String> {
    let sender = SmtpSender::new(service.clone(), config.public_url.host());
    let sender = sender.map_err(|error| format!("TLS cannot be set up: {error:#}"))?;
    sender.hand_shake(Instant::now() + PATIENCE).await
}

/// Sends a letter that says nothing but that it arrived. Either way what is returned are the mail service's
/// words, or ours where it said none.
pub async fn send_letter(config: &Config, to: &EmailAddress, now: OffsetDateTime) -> Result<String, String> {
    let draft = Draft {
        subject: "A letter to test the mail service",
        paragraphs: vec![
            "The operators of Vestibule sent this letter to see whether it arrives. It did.".to_owned(),
        ],
        password: None,
        button: "Open the site",
        address: config.public_url.with("/"),
        why: "You get this letter because the operators named this address for it. There is nothing to do.",
    };
    let letter = Stationery::from_config(config).write(LetterId::new(), to.clone(), draft.words(), None, now);
    let letter = letter.map_err(|error| format!("it could not be written: {error:#}"))?;
    let mut transport = Transport::from_config(config).map_err(|error| format!("{error:#}"))?;
    let outcome = transport.deliver(&letter, Instant::now() + PATIENCE).await;
    transport.hang_up().await;
    match outcome {
        Outcome::HandedOver(words) => Ok(words),
        Outcome::NoService(words)
        | Outcome::TryLater(words)
        | Outcome::Never(words)
        | Outcome::Unknown(words) => Err(words),
    }
}
