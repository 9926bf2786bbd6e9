use anyhow::Context;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{
    accounts::users,
    domain::UserId,
    mail::{Draft, Letter, Owed, Prepared, Priority, Words},
    platform::{
        clock::dated,
        config::{Config, PublicUrl},
    },
};

/// The letter that tells somebody that operators delete them. It holds no “This was not me”: whoever did it is
/// known.
pub struct DeletionByOperatorsLetter {
    public_url: PublicUrl,
}

/// How far it is.
pub enum Content {
    /// In its grace, which is over at `due`; who is locked takes nothing back by logging in.
    Asked { due: OffsetDateTime, is_locked: bool },
    /// Done.
    Gone,
}

impl DeletionByOperatorsLetter {
    /// Knows how people reach us.
    pub fn new(config: &Config) -> Self {
        Self { public_url: config.public_url.clone() }
    }
}

impl Letter for DeletionByOperatorsLetter {
    const KIND: &'static str = "deletion_by_operators";
    const PRIORITY: Priority = Priority::First;
    type Content = Content;

    async fn prepare(
        &self,
        owed: &Owed,
        connection: &mut PgConnection,
    ) -> anyhow::Result<Option<Prepared<Content>>> {
        let id = UserId(owed.about.context("a deletion's letter speaks of a user")?);
        let Some(user) = users::by_id(connection, id).await? else {
            return Ok(Some(Prepared { to: owed.to.clone(), content: Content::Gone }));
        };
        let asked = |due| Content::Asked { due, is_locked: user.is_locked };
        Ok(user.deletion_due_at.map(|due| Prepared { to: user.email, content: asked(due) }))
    }

    fn compose(&self, content: &Content) -> Words {
        let contact = "If you do not know why, write to support.".to_owned();
        let draft = match content {
            Content::Asked { due, is_locked } => {
                let (and_so, button, path) = match is_locked {
                    true => (", and are locked out of the site", "Write to support", "/support"),
                    false => (". Until then you can take that back by logging in", "Log in", "/login"),
                };
                Draft {
                    subject: "All your data here are to be deleted",
                    paragraphs: vec![
                        format!(
                            "The operators of Vestibule have asked that all your data there be deleted, on {}. You were \
                             logged out everywhere{and_so}.",
                            dated(*due)
                        ),
                        contact,
                    ],
                    password: None,
                    button,
                    address: self.public_url.with(path),
                    why: "You get this letter because it concerns the account to which this address belongs.",
                }
            }
            Content::Gone => Draft {
                subject: "All your data here were deleted",
                paragraphs: vec![
                    "The operators of Vestibule have deleted all your data there. This cannot be taken back. You are \
                     free to register again."
                        .to_owned(),
                    contact,
                ],
                password: None,
                button: "Write to support",
                address: self.public_url.with("/support"),
                why: "You get this letter because it concerns the account to which this address belonged until now.",
            },
        };
        draft.words()
    }
}
