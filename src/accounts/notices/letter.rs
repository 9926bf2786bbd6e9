use anyhow::Context;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{LIFETIME, Notice, NoticeKind};
use crate::{
    accounts::deletion,
    domain::{AccountType, NoticeId, Token},
    mail::{Draft, Letter, Owed, Prepared, Priority, Words},
    platform::{
        clock::dated,
        config::{Config, PublicUrl},
    },
};

/// The letter that tells what happened.
pub struct NoticeLetter {
    public_url: PublicUrl,
}

/// What one such letter says.
pub struct Content {
    notice: Notice,
    token: Token,
}

impl NoticeLetter {
    /// Knows how people reach us.
    pub fn new(config: &Config) -> Self {
        Self { public_url: config.public_url.clone() }
    }
}

impl NoticeKind {
    /// That one of two accounts is to be deleted.
    pub fn account_deletion(account_type: AccountType) -> Self {
        match account_type {
            AccountType::Customer => Self::CustomerDeletionAsked,
            AccountType::Artist => Self::ArtistDeletionAsked,
        }
    }

    /// What happened, in one sentence without its point: the letter's subject.
    pub fn subject(self) -> &'static str {
        match self {
            Self::PasswordChanged => "Your password was changed",
            Self::PasswordRecovered => "Your new password was used",
            Self::EmailChanged => "Your email address was changed",
            Self::DeletionAsked => "All your data here are to be deleted",
            Self::CustomerDeletionAsked => "Your customer account is to be deleted",
            Self::ArtistDeletionAsked => "Your artist account is to be deleted",
            Self::Linked => "Your account was linked with another one",
            Self::Unlinked => "Your account is no longer linked with another one",
        }
    }

    /// What happened, and what follows from it.
    fn sentences(self, happened_at: OffsetDateTime) -> String {
        let goes_at = dated(happened_at + deletion::GRACE);
        match self {
            Self::PasswordChanged => {
                "The password of your account at Vestibule was changed, and you were logged out everywhere else."
                    .to_owned()
            }
            Self::PasswordRecovered => {
                "Somebody logged in to your account at Vestibule with the password that was mailed to you. It is your \
                 password now, the old one no longer works, and you were logged out everywhere else."
                    .to_owned()
            }
            Self::EmailChanged => {
                "The email address of your account at Vestibule was changed. From now on you log in with the new one, \
                 and letters go there."
                    .to_owned()
            }
            Self::DeletionAsked => format!(
                "All your data at Vestibule are to be deleted on {goes_at}. You were logged out everywhere. Until then \
                 you can take that back by logging in."
            ),
            Self::CustomerDeletionAsked => account_goes(AccountType::Customer, &goes_at),
            Self::ArtistDeletionAsked => account_goes(AccountType::Artist, &goes_at),
            Self::Linked => {
                "Your account at Vestibule was linked with the account of another email address. Whoever is logged in \
                 to either can switch to the other. The page “Your accounts” of your profile says which one it is, and \
                 unlinks the two."
                    .to_owned()
            }
            Self::Unlinked => {
                "Your account at Vestibule is no longer linked with the account of another email address. Nobody can \
                 switch between the two any more; either stays what it is."
                    .to_owned()
            }
        }
    }

    /// What can be done about it.
    fn remedy(self) -> String {
        let days = LIFETIME.whole_days();
        match self {
            Self::EmailChanged => format!(
                "If it was not you, open the page below within {days} days and enter the password that your account \
                 had just before. The button there gives this address back to your account, ends all sessions, and \
                 sends a new password to this address; the present one then no longer works. Until then nobody else \
                 gets this address."
            ),
            Self::DeletionAsked | Self::CustomerDeletionAsked | Self::ArtistDeletionAsked => format!(
                "If it was not you, open the page below within {days} days. Its button takes the deletion back, ends \
                 all sessions, and sends a new password to this address; the present one then no longer works."
            ),
            Self::Linked => format!(
                "If it was not you, open the page below within {days} days. Its button unlinks the two accounts, ends \
                 all sessions, and sends a new password to this address; the present one then no longer works."
            ),
            Self::PasswordChanged | Self::PasswordRecovered | Self::Unlinked => format!(
                "If it was not you, open the page below within {days} days. Its button ends all sessions, and sends a \
                 new password to this address; the present one then no longer works."
            ),
        }
    }
}

fn account_goes(account_type: AccountType, goes_at: &str) -> String {
    format!(
        "Of your two accounts at Vestibule the {account_type} account is hidden, and is to be deleted on {goes_at}. Until \
         then you can take that back on the page “Your accounts” of your profile."
    )
}

impl Letter for NoticeLetter {
    const KIND: &'static str = "notice";
    const PRIORITY: Priority = Priority::First;
    type Content = Content;

    async fn prepare(
        &self,
        owed: &Owed,
        connection: &mut PgConnection,
    ) -> anyhow::Result<Option<Prepared<Content>>> {
        let id = NoticeId(owed.about.context("a notice's letter speaks of a notice")?);
        let Some(notice) = super::by_id(connection, id, owed.now).await? else { return Ok(None) };
        let token = Token::random();
        super::insert_token(connection, id, token.hash()).await?;
        let to = notice.email.clone();
        Ok(Some(Prepared { to, content: Content { notice, token } }))
    }

    fn compose(&self, content: &Content) -> Words {
        let Content { notice, token } = content;
        let draft = Draft {
            subject: notice.kind.subject(),
            paragraphs: vec![
                notice.kind.sentences(notice.happened_at),
                format!("It was done on {} from {}.", dated(notice.happened_at), notice.client),
                "If it was you, there is nothing to do.".to_owned(),
                notice.kind.remedy(),
            ],
            password: None,
            button: "This was not me",
            address: self.public_url.with(&format!("/not-me?token={}", token.reveal())),
            why: "You get this letter because it concerns the account to which this address belongs, or belonged until \
                  just now.",
        };
        draft.words()
    }
}

/// The letter to an address that a user has left by an undo: it says so, and holds no link that acts.
pub struct AddressLeftLetter {
    public_url: PublicUrl,
}

impl AddressLeftLetter {
    /// Knows how people reach us.
    pub fn new(config: &Config) -> Self {
        Self { public_url: config.public_url.clone() }
    }
}

impl Letter for AddressLeftLetter {
    const KIND: &'static str = "address_left";
    const PRIORITY: Priority = Priority::First;
    /// When it is told.
    type Content = OffsetDateTime;

    async fn prepare(
        &self,
        owed: &Owed,
        _: &mut PgConnection,
    ) -> anyhow::Result<Option<Prepared<OffsetDateTime>>> {
        Ok(Some(Prepared { to: owed.to.clone(), content: owed.now }))
    }

    fn compose(&self, told_at: &OffsetDateTime) -> Words {
        let draft = Draft {
            subject: "This address is no longer in use here",
            paragraphs: vec![
                format!(
                    "An account at Vestibule that had this email address has an earlier one again, as of {}. From now \
                     on its owner logs in with that one, and letters go there.",
                    dated(*told_at)
                ),
                "If it is your account and you know nothing of it, somebody else may have your password and read the \
                 letters of an earlier address of yours. Write to support."
                    .to_owned(),
            ],
            password: None,
            button: "Read the help",
            address: self.public_url.with("/help/change-data"),
            why: "You get this letter because an account had this address until just now.",
        };
        draft.words()
    }
}
