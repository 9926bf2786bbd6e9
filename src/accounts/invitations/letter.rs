use anyhow::Context;
use sqlx::PgConnection;

use super::LIFETIME;
use crate::{
    domain::{InvitationId, Token},
    mail::{Draft, Letter, Owed, Prepared, Priority, Words},
    platform::config::{Config, PublicUrl},
};

/// The letter with an invitation's link.
pub struct InvitationLetter {
    public_url: PublicUrl,
}

impl InvitationLetter {
    /// Knows how people reach us.
    pub fn new(config: &Config) -> Self {
        Self { public_url: config.public_url.clone() }
    }
}

impl Letter for InvitationLetter {
    const KIND: &'static str = "invitation";
    const PRIORITY: Priority = Priority::Middle;
    type Content = Token;

    async fn prepare(
        &self,
        owed: &Owed,
        connection: &mut PgConnection,
    ) -> anyhow::Result<Option<Prepared<Token>>> {
        let id = InvitationId(owed.about.context("an invitation's letter speaks of an invitation")?);
        let token = Token::random();
        let is_owed = super::insert_token(connection, id, token.hash()).await?;
        Ok(is_owed.then(|| Prepared { to: owed.to.clone(), content: token }))
    }

    fn compose(&self, token: &Token) -> Words {
        let draft = Draft {
            subject: "Your invitation to register",
            paragraphs: vec![
                "The operators of Vestibule invite you to register. The page below asks you to solve no task; all else \
                 is as for everybody: when you have filled it in, another letter comes, whose link makes your account."
                    .to_owned(),
                format!("The link is good for one registration, within {} days.", LIFETIME.whole_days()),
            ],
            password: None,
            button: "Register",
            address: self.public_url.with(&format!("/register?invite={}", token.reveal())),
            why: "You get this letter because the operators entered this address, most likely because you asked them \
                  for it. If you did not, there is nothing to do.",
        };
        draft.words()
    }
}
