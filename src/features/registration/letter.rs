use anyhow::Context;
use askama::Template;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{
    accounts::{registrations, users},
    domain::{AccountType, RegistrationId, Token},
    mail::{Letter, Owed, Prepared, Priority, Words},
    platform::config::{Config, PublicUrl},
    web::filters::clock_time,
};

/// The letter that a registration causes: with a link for a new address, with an explanation for a
/// known one.
pub struct RegistrationLetter {
    public_url: PublicUrl,
}

/// What one such letter says.
pub struct Content {
    /// The link that confirms, for a new address; a known one is told how to log in.
    link: Option<Token>,
    account_type: AccountType,
    made_at: OffsetDateTime,
    now: OffsetDateTime,
}

#[derive(Template)]
#[template(path = "registration/registration_letter.txt")]
struct Text<'a> {
    says: &'a LetterWords,
}

#[derive(Template)]
#[template(path = "registration/registration_letter.html")]
struct Html<'a> {
    says: &'a LetterWords,
}

/// What both parts of the letter say.
struct LetterWords {
    subject: &'static str,
    paragraphs: Vec<String>,
    button: &'static str,
    address: String,
    why: &'static str,
}

impl RegistrationLetter {
    /// Knows how people reach us.
    pub fn new(config: &Config) -> Self {
        Self { public_url: config.public_url.clone() }
    }

    fn words(&self, content: &Content) -> LetterWords {
        let Content { link, account_type, made_at, now } = content;
        let made_at = format!("{} (UTC)", clock_time(*made_at, *now));
        match link {
            Some(token) => LetterWords {
                subject: "Confirm your registration",
                paragraphs: vec![
                    format!(
                        "You registered at Vestibule as {account_type} at {made_at}. Open the page below and press \
                         its button: with that your account is made and you are logged in."
                    ),
                    "In another browser than the one in which you registered, the page also asks for the password \
                     that you chose."
                        .to_owned(),
                    format!("The link is good for {} days.", registrations::LIFETIME.whole_days()),
                ],
                button: "Confirm the registration",
                address: self.public_url.with(&format!("/confirm?token={}", token.reveal())),
                why: "You get this letter because somebody entered this address on our registration page. If it was \
                      not you, do nothing: then no account is made.",
            },
            None => LetterWords {
                subject: "You are registered already",
                paragraphs: vec![
                    format!(
                        "Somebody, perhaps you, registered at Vestibule with this address at {made_at} as \
                         {account_type}. You are registered already, so nothing was changed."
                    ),
                    "Log in with the password that you chose when you first registered.".to_owned(),
                ],
                button: "Log in",
                address: self.public_url.with("/login"),
                why: "You get this letter because somebody entered this address on our registration page. If it was \
                      not you, do nothing: your account stays as it is.",
            },
        }
    }
}

impl Letter for RegistrationLetter {
    const KIND: &'static str = "registration";
    const PRIORITY: Priority = Priority::Middle;
    type Content = Content;

    async fn prepare(&self, owed: &Owed, tx: &mut PgConnection) -> anyhow::Result<Option<Prepared<Content>>> {
        let id = RegistrationId(owed.about.context("a registration's letter speaks of a registration")?);
        let Some(registration) = registrations::by_id(tx, id, owed.now).await? else {
            return Ok(None);
        };
        // The token is made in either case, so that both cost the same.
        let token = Token::random();
        registrations::insert_token(tx, id, token.hash()).await?;
        let stored = users::stored_email(tx, &registration.email).await?;
        let content = Content {
            link: stored.is_none().then_some(token),
            account_type: registration.account_type,
            made_at: registration.created_at,
            now: owed.now,
        };
        Ok(Some(Prepared { to: stored.unwrap_or(registration.email), content }))
    }

    fn compose(&self, content: &Content) -> Words {
        let words = self.words(content);
        let rendered = (Text { says: &words }.render(), Html { says: &words }.render());
        let (Ok(text), Ok(html)) = rendered else {
            unreachable!("a template that only writes text into a string does not fail");
        };
        Words { subject: words.subject.to_owned(), text, html }
    }
}
