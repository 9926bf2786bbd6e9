use anyhow::Context;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{
    accounts::{
        email_changes,
        users::{self, Holder},
    },
    domain::{EmailChangeId, Token},
    mail::{Draft, Letter, Owed, Prepared, Priority, Words},
    platform::{
        clock::dated,
        config::{Config, PublicUrl},
    },
};

/// The letter to an address that a user wants: with a link where it is free, with an explanation where it
/// is not.
pub struct EmailChangeLetter {
    public_url: PublicUrl,
}

/// What there is to tell an address.
enum About {
    /// It can be had: the link that makes it so.
    Link(Token),
    /// It belongs to another user, who is told.
    Known,
    /// It is kept for who gave it up lately, and free from then on.
    Reserved(Option<OffsetDateTime>),
}

/// What one such letter says.
pub struct Content {
    about: About,
    asked_at: OffsetDateTime,
}

impl EmailChangeLetter {
    /// Knows how people reach us.
    pub fn new(config: &Config) -> Self {
        Self { public_url: config.public_url.clone() }
    }

    fn draft(&self, content: &Content) -> Draft {
        let Content { about, asked_at } = content;
        let asked_at = dated(*asked_at);
        match about {
            About::Link(token) => Draft {
                subject: "Confirm your new email address",
                paragraphs: vec![
                    format!(
                        "On {asked_at} you asked that your account at Vestibule get this email address. Open the page \
                         below and press its button: with that the address changes. From then on you log in with this \
                         one, and letters come here."
                    ),
                    "In a browser in which you are not logged in, the page also asks for the password of your account."
                        .to_owned(),
                    format!("The link is good for {} days.", email_changes::LIFETIME.whole_days()),
                ],
                password: None,
                button: "Confirm the new address",
                address: self.public_url.with(&format!("/profile/email/confirm?token={}", token.reveal())),
                why: "You get this letter because somebody entered this address as the new one of their account. If it \
                      was not you, do nothing: then nothing is changed.",
            },
            About::Known => Draft {
                subject: "This address belongs to your account already",
                paragraphs: vec![format!(
                    "On {asked_at} somebody, perhaps you, wanted to change the email address of another account at \
                     Vestibule to this one. It belongs to your account, so nothing was changed."
                )],
                password: None,
                button: "Log in",
                address: self.public_url.with("/login"),
                why: "You get this letter because somebody entered this address as the new one of their account. If it \
                      was not you, do nothing: your account stays as it is.",
            },
            About::Reserved(free_from) => users::reserved_draft(
                *free_from,
                self.public_url.with("/help/change-data"),
                "You get this letter because somebody entered this address as the new one of their account. If it \
                 was not you, do nothing: then nothing is changed.",
            ),
        }
    }
}

impl Letter for EmailChangeLetter {
    const KIND: &'static str = "email_change";
    const PRIORITY: Priority = Priority::Middle;
    type Content = Content;

    async fn prepare(
        &self,
        owed: &Owed,
        connection: &mut PgConnection,
    ) -> anyhow::Result<Option<Prepared<Content>>> {
        let id = EmailChangeId(owed.about.context("the letter speaks of a change of address")?);
        let Some(change) = email_changes::by_id(connection, id, owed.now).await? else { return Ok(None) };
        let (to, about) = match users::holder(connection, &change.email, owed.now).await? {
            Some(Holder::User(user)) => (user.email, About::Known),
            Some(Holder::Reserved { by, free_from }) if by != change.user_id => {
                (change.email, About::Reserved(free_from))
            }
            // Whoever gave it up themselves may have it back.
            Some(Holder::Reserved { .. }) | None => {
                let token = Token::random();
                email_changes::insert_token(connection, id, token.hash()).await?;
                (change.email, About::Link(token))
            }
        };
        let content = Content { about, asked_at: change.asked_at };
        Ok(Some(Prepared { to, content }))
    }

    fn compose(&self, content: &Content) -> Words {
        self.draft(content).words()
    }
}
