use anyhow::Context;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{
    accounts::{
        pairs::{self, NotAdded},
        registrations,
        users::{self, Holder},
    },
    domain::{AccountType, RegistrationId, Token},
    mail::{Draft, Letter, Owed, Prepared, Priority, Words},
    platform::{
        clock::dated,
        config::{Config, PublicUrl},
    },
};

/// The letter that a registration causes: with a link for a new address, with an explanation for a
/// known one.
pub struct RegistrationLetter {
    public_url: PublicUrl,
}

/// What a letter to a known address says of the password.
const FORGOTTEN: &str = "If you have forgotten your password, press “Have you forgotten your password?” on the log in \
     page: a new one comes by mail.";

/// What there is to tell an address.
enum About {
    /// Nobody has it: the link that confirms.
    Link(Token),
    /// It has a user, who can add this type of account: the link that does it.
    Second(Token),
    /// It has a user, who is told how to log in, and why nothing can be added.
    Known(NotAdded),
    /// It is kept for who gave it up lately, and free from then on.
    Reserved(Option<OffsetDateTime>),
}

/// What one such letter says.
pub struct Content {
    about: About,
    account_type: AccountType,
    made_at: OffsetDateTime,
}

impl RegistrationLetter {
    /// Knows how people reach us.
    pub fn new(config: &Config) -> Self {
        Self { public_url: config.public_url.clone() }
    }

    fn draft(&self, content: &Content) -> Draft {
        let Content { about, account_type, made_at } = content;
        let made_at = dated(*made_at);
        match about {
            About::Link(token) => Draft {
                subject: "Confirm your registration",
                paragraphs: vec![
                    format!(
                        "You registered at Vestibule as {account_type} on {made_at}. Open the page below and press \
                         its button: with that your account is made and you are logged in."
                    ),
                    "In another browser than the one in which you registered, the page also asks for the password \
                     that you chose."
                        .to_owned(),
                    format!("The link is good for {} days.", registrations::LIFETIME.whole_days()),
                ],
                password: None,
                button: "Confirm the registration",
                address: self.public_url.with(&format!("/confirm?token={}", token.reveal())),
                why: "You get this letter because somebody entered this address on our registration page. If it was \
                      not you, do nothing: then no account is made.",
            },
            About::Second(token) => Draft {
                subject: "You are registered already",
                paragraphs: vec![
                    format!(
                        "Somebody, perhaps you, registered at Vestibule with this address on {made_at} as \
                         {account_type}. You are registered already as {}, so nothing was changed.",
                        account_type.other()
                    ),
                    format!(
                        "If you want {} account as well, open the page below, log in with the password that you have, \
                         and press the button there. The password that was entered in that registration counts for \
                         nothing.",
                        account_type.with_article()
                    ),
                    FORGOTTEN.to_owned(),
                ],
                password: None,
                button: "Add the account",
                address: self.public_url.with(&format!("/confirm?token={}", token.reveal())),
                why: "You get this letter because somebody entered this address on our registration page. If it was \
                      not you, do nothing: your account stays as it is.",
            },
            About::Known(why) => Draft {
                subject: "You are registered already",
                paragraphs: vec![
                    format!(
                        "Somebody, perhaps you, registered at Vestibule with this address on {made_at} as \
                         {account_type}. You are registered already, so nothing was changed."
                    ),
                    match why {
                        NotAdded::Held => "Log in with your password.".to_owned(),
                        NotAdded::Linked => format!(
                            "Your account is linked with the {account_type} account of another address. Log in with your \
                             password, and switch between the two; to add {} account here, unlink them first.",
                            account_type.with_article()
                        ),
                    },
                    FORGOTTEN.to_owned(),
                ],
                password: None,
                button: "Log in",
                address: self.public_url.with("/login"),
                why: "You get this letter because somebody entered this address on our registration page. If it was \
                      not you, do nothing: your account stays as it is.",
            },
            About::Reserved(free_from) => users::reserved_draft(
                *free_from,
                self.public_url.with("/help/registration"),
                "You get this letter because somebody entered this address on our registration page. If it was not \
                 you, do nothing: then no account is made.",
            ),
        }
    }
}

impl Letter for RegistrationLetter {
    const KIND: &'static str = "registration";
    const PRIORITY: Priority = Priority::Middle;
    type Content = Content;

    async fn prepare(
        &self,
        owed: &Owed,
        connection: &mut PgConnection,
    ) -> anyhow::Result<Option<Prepared<Content>>> {
        let id = RegistrationId(owed.about.context("a registration's letter speaks of a registration")?);
        // It is made in every case, so that all cost the same; and it holds the registration, so that a
        // correction comes before, or finds it.
        let token = Token::random();
        let registration = registrations::insert_token(connection, id, token.hash()).await?;
        let Some(registration) = registration.filter(|registration| registration.email == owed.to) else {
            return Ok(None);
        };
        let (to, about) = match users::holder(connection, &registration.email, owed.now).await? {
            None => (registration.email, About::Link(token)),
            Some(Holder::User(user)) => {
                let why = pairs::why_not_added(connection, user.id, registration.account_type).await?;
                (user.email, why.map_or(About::Second(token), About::Known))
            }
            Some(Holder::Reserved { free_from, .. }) => (registration.email, About::Reserved(free_from)),
        };
        let content =
            Content { about, account_type: registration.account_type, made_at: registration.created_at };
        Ok(Some(Prepared { to, content }))
    }

    fn compose(&self, content: &Content) -> Words {
        self.draft(content).words()
    }
}
