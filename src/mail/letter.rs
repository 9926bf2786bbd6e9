use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::{EmailAddress, LetterId};

/// One kind of letter. The value is what this kind needs to know of the site (its public address,
/// limits that the words mention); what a single letter is about comes with its row.
pub trait Letter: Send + Sync + 'static {
    /// What rows call this kind. It stays the same for ever: rows outlive releases.
    const KIND: &'static str;
    /// Which letters it leaves before.
    const PRIORITY: Priority;
    /// All that [`Letter::compose`] needs; a secret lives here and nowhere else.
    type Content: Send;

    /// Looks up what the letter says and makes its secret, storing the secret's hash, all before
    /// anything is sent. The connection is in no transaction: where several statements belong
    /// together, they begin one. An attempt that fails later is prepared anew, so earlier secrets stay
    /// good. `None` where the letter is no longer owed: its row is then deleted.
    ///
    /// # Errors
    /// Whatever keeps the letter from being written now; it is tried again like a delayed one.
    fn prepare(
        &self,
        owed: &Owed,
        connection: &mut PgConnection,
    ) -> impl Future<Output = anyhow::Result<Option<Prepared<Self::Content>>>> + Send;

    /// The words, from nothing but what was prepared. The HTML part must come from a template
    /// that escapes.
    fn compose(&self, content: &Self::Content) -> Words;
}

/// A letter's row, as [`Letter::prepare`] sees it.
#[derive(Clone, Debug)]
pub struct Owed {
    /// The letter itself: what a secret's lifetime is counted by.
    pub letter: LetterId,
    /// To whom it was promised.
    pub to: EmailAddress,
    /// The registration, the user, … that it speaks of.
    pub about: Option<Uuid>,
    /// The present.
    pub now: OffsetDateTime,
}

/// A letter that is owed, ready to be composed.
#[derive(Clone, Debug)]
pub struct Prepared<Content> {
    /// Whom it goes to: for a known user the stored address, not the one that was typed.
    pub to: EmailAddress,
    /// What it will say.
    pub content: Content,
}

/// What a letter says.
#[derive(Clone, Debug)]
pub struct Words {
    /// One line; line breaks in it become spaces.
    pub subject: String,
    /// The whole letter as plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
    /// Who gets the answer to it, where that is not whom the settings name.
    pub reply_to: Option<EmailAddress>,
}

/// Which letters leave first when many wait. The claim in `queue` names each level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Recovery and notices: somebody may be locked out, or robbed.
    First = 0,
    /// Registrations, of known and unknown addresses alike; changes of address; what goes to support.
    Middle = 1,
    /// Answers that can wait, as "no such user" and support's acknowledgement.
    Last = 2,
}

/// Every kind of letter that this instance can write.
#[derive(Clone, Default)]
pub struct Registry {
    writers: HashMap<&'static str, Arc<dyn Writer>>,
}

impl Registry {
    /// One that knows no letter yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a kind.
    ///
    /// # Panics
    /// When two letters claim one kind, which is a mistake in the program.
    #[must_use]
    pub fn with<L: Letter>(mut self, letter: L) -> Self {
        let known = self.writers.insert(L::KIND, Arc::new(letter));
        assert!(known.is_none(), "two letters are of the kind {}", L::KIND);
        self
    }

    pub(super) fn writer(&self, kind: &str) -> Option<&dyn Writer> {
        self.writers.get(kind).map(AsRef::as_ref)
    }
}

/// A [`Letter`] whose type is forgotten, so that one registry can hold them all.
#[async_trait]
pub(super) trait Writer: Send + Sync {
    /// Prepares and composes; `None` where the letter is no longer owed.
    async fn write(
        &self,
        owed: &Owed,
        connection: &mut PgConnection,
    ) -> anyhow::Result<Option<(EmailAddress, Words)>>;
}

#[async_trait]
impl<L: Letter> Writer for L {
    async fn write(
        &self,
        owed: &Owed,
        connection: &mut PgConnection,
    ) -> anyhow::Result<Option<(EmailAddress, Words)>> {
        let prepared = self.prepare(owed, connection).await?;
        Ok(prepared.map(|Prepared { to, content }| (to, self.compose(&content))))
    }
}
