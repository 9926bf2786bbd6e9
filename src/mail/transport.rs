use anyhow::Context;
use tokio::time::Instant;

use super::{local_mailbox::LocalMailbox, message::Outgoing, smtp::SmtpSender};
use crate::platform::config::Config;

/// Where letters leave to. Each worker has its own clone.
#[derive(Clone)]
pub(super) enum Transport {
    /// A mail service.
    Smtp(Box<SmtpSender>),
    /// The mailbox page of one's own machine.
    Files(LocalMailbox),
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was taken, with these words.
    HandedOver(String),
    /// The mail service itself does not answer, or lets nobody in; this says nothing of the letter.
    NoService(String),
    /// It was not taken now: 4xx, or the connection broke off.
    TryLater(String),
    /// It will never be taken: 5xx.
    Never(String),
    /// It may have been taken: it is sent again under the same `Message-ID`.
    Unknown(String),
}

impl Transport {
    /// What the settings name.
    ///
    /// # Errors
    /// When they name neither, or the machine's root certificates cannot be used.
    pub fn from_config(config: &Config) -> anyhow::Result<Self> {
        match &config.mail.smtp {
            Some(service) => {
                let sender = SmtpSender::new(service.clone(), config.public_url.host())?;
                Ok(Self::Smtp(Box::new(sender)))
            }
            None => {
                let mailbox = LocalMailbox::from_config(config).context("letters need VESTIBULE_SMTP_URL")?;
                Ok(Self::Files(mailbox))
            }
        }
    }

    /// Hands a letter over, before `deadline` or not at all.
    pub async fn deliver(&mut self, letter: &Outgoing, deadline: Instant) -> Outcome {
        match self {
            Self::Smtp(sender) => sender.deliver(&letter.envelope, &letter.raw, deadline).await,
            Self::Files(mailbox) => match mailbox.deliver(letter).await {
                Ok(()) => Outcome::HandedOver("put into the mailbox folder".to_owned()),
                Err(error) => {
                    tracing::error!(%error, "the mailbox folder cannot be written");
                    Outcome::TryLater("the mailbox folder cannot be written".to_owned())
                }
            },
        }
    }

    /// Ends a connection that has not been used for a while.
    pub async fn rest(&mut self) {
        if let Self::Smtp(sender) = self {
            sender.rest().await;
        }
    }

    /// Ends the connection.
    pub async fn hang_up(&mut self) {
        if let Self::Smtp(sender) = self {
            sender.hang_up().await;
        }
    }
}
