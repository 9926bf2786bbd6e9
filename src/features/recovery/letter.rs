use sqlx::PgConnection;

use crate::{
    accounts::users,
    domain::Password,
    mail::{Draft, Letter, Owed, Prepared, Priority, Words},
    platform::{
        config::{Config, PublicUrl},
        password_hasher::PasswordHasher,
    },
};

/// The letter to an address that nobody has: there is no password to recover.
pub struct NoSuchUserLetter {
    public_url: PublicUrl,
    hasher: PasswordHasher,
}

impl NoSuchUserLetter {
    /// Knows how people reach us, and who hashes.
    pub fn new(config: &Config, hasher: &PasswordHasher) -> Self {
        Self { public_url: config.public_url.clone(), hasher: hasher.clone() }
    }
}

impl Letter for NoSuchUserLetter {
    const KIND: &'static str = "no_such_user";
    const PRIORITY: Priority = Priority::Last;
    type Content = ();

    async fn prepare(
        &self,
        owed: &Owed,
        connection: &mut PgConnection,
    ) -> anyhow::Result<Option<Prepared<()>>> {
        let holder = users::holder(connection, &owed.to, owed.now).await?;
        // As much work as a generated password is, so that nobody learns from the load that follows.
        self.hasher.hash_alike(&Password::generate(), &self.hasher.unknown_to_all()).await?;
        // Where somebody has it by now, it would not be true.
        Ok(holder.is_none().then(|| Prepared { to: owed.to.clone(), content: () }))
    }

    fn compose(&self, (): &()) -> Words {
        let draft = Draft {
            subject: "There is no user with this address",
            paragraphs: vec![
                "A new password was asked for at Vestibule, for this address. There is no user with this address \
                 here, so there is no password to recover."
                    .to_owned(),
                "If you registered with another address, ask for the new password with that one. If you registered \
                 with this one and have not answered the letter yet, answer it first."
                    .to_owned(),
                "If you have no account, you can register.".to_owned(),
            ],
            password: None,
            button: "Register",
            address: self.public_url.with("/register"),
            why: "You get this letter because somebody asked for a new password for this address. If it was not you, \
                  do nothing: no account is made.",
        };
        draft.words()
    }
}
