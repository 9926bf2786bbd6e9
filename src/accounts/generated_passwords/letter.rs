use anyhow::{Context, ensure};
use sqlx::{Connection, PgConnection};
use time::OffsetDateTime;

use super::LIFETIME;
use crate::{
    accounts::{
        activity::{self, Event},
        users::{self, Holder},
    },
    domain::{Password, UserId},
    mail::{Draft, Letter, Owed, Prepared, Priority, Words},
    platform::{
        config::{Config, PublicUrl},
        password_hasher::PasswordHasher,
    },
};

/// The letter that brings a generated password. To an address that its user has given up lately it says
/// from when that is free.
pub struct GeneratedPasswordLetter {
    public_url: PublicUrl,
    hasher: PasswordHasher,
    must_change: bool,
}

/// What one such letter says.
pub enum Content {
    /// The password.
    Password(Password),
    /// The address is reserved: from when it is free, where that is known.
    Reserved(Option<OffsetDateTime>),
}

impl GeneratedPasswordLetter {
    /// Knows how people reach us, who hashes, and whether the password must be changed.
    pub fn new(config: &Config, hasher: &PasswordHasher) -> Self {
        Self {
            public_url: config.public_url.clone(),
            hasher: hasher.clone(),
            must_change: config.generated_password_must_change,
        }
    }
}

impl Letter for GeneratedPasswordLetter {
    const KIND: &'static str = "generated_password";
    const PRIORITY: Priority = Priority::First;
    type Content = Content;

    async fn prepare(
        &self,
        owed: &Owed,
        connection: &mut PgConnection,
    ) -> anyhow::Result<Option<Prepared<Content>>> {
        let id = UserId(owed.about.context("a generated password is some user's")?);
        match users::holder(connection, &owed.to, owed.now).await? {
            Some(Holder::User(user)) if user.id == id => {
                // Made here, so that it is nowhere before it is in its letter.
                let password = Password::generate();
                let hash = self.hasher.hash_alike(&password, &user.password_hash).await?;
                let mut tx = connection.begin().await?;
                let is_first_attempt = !super::came_with(&mut tx, owed.letter).await?;
                let is_good = super::insert(&mut tx, &user, owed.letter, &hash).await?;
                ensure!(is_good, "password or address were changed while another password was generated");
                if is_first_attempt {
                    activity::record(&mut tx, id, &Event::GeneratedPasswordSent, None, owed.now).await?;
                }
                tx.commit().await?;
                Ok(Some(Prepared { to: user.email, content: Content::Password(password) }))
            }
            Some(Holder::Reserved { free_from, .. }) => {
                Ok(Some(Prepared { to: owed.to.clone(), content: Content::Reserved(free_from) }))
            }
            _ => Ok(None),
        }
    }

    fn compose(&self, content: &Content) -> Words {
        let draft = match content {
            Content::Password(password) => Draft {
                subject: "Your new password",
                paragraphs: vec![
                    "The system has generated a new password for your account at Vestibule. Log in with it as it stands \
                     here, hyphens included:"
                        .to_owned(),
                    format!(
                        "It can be used within {} hours. This letter alone changes nothing: it does so once you use \
                         the password. From then on it alone is your password, and you are logged out everywhere \
                         else.",
                        LIFETIME.whole_hours()
                    ),
                    match self.must_change {
                        true => "Before anything else you are then asked to change it to any convenient one.",
                        false => "In the future, you can change it in the profile settings to any convenient one.",
                    }
                    .to_owned(),
                ],
                password: Some(password.clone()),
                button: "Log in",
                address: self.public_url.with("/login"),
                why: "You get this letter because somebody asked for a new password for this address, or because you \
                      told us that something was not you. If it was not you, do nothing: this letter alone \
                      changes nothing.",
            },
            Content::Reserved(free_from) => users::reserved_draft(
                *free_from,
                self.public_url.with("/help/recover-password"),
                "You get this letter because somebody asked for a new password for this address. If it was not you, \
                 do nothing.",
            ),
        };
        draft.words()
    }
}
