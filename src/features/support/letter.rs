use anyhow::Context;
use askama::Template;
use sqlx::PgConnection;

use crate::{
    accounts::support_requests::{self, SupportRequest},
    domain::{EmailAddress, SupportRequestId},
    mail::{Draft, Letter, Owed, Prepared, Priority, Words},
    platform::{
        clock::dated,
        config::{Config, PublicUrl},
    },
};

/// The letter that brings what somebody wrote to whoever answers it.
pub struct SupportRequestLetter;

#[derive(Template)]
#[template(path = "support/letter.txt")]
struct Text<'a> {
    request: &'a SupportRequest,
}

#[derive(Template)]
#[template(path = "support/letter.html")]
struct Html<'a> {
    request: &'a SupportRequest,
}

impl Letter for SupportRequestLetter {
    const KIND: &'static str = "support_request";
    const PRIORITY: Priority = Priority::Middle;
    type Content = SupportRequest;

    async fn prepare(
        &self,
        owed: &Owed,
        connection: &mut PgConnection,
    ) -> anyhow::Result<Option<Prepared<SupportRequest>>> {
        prepared(owed, connection).await
    }

    fn compose(&self, request: &SupportRequest) -> Words {
        let (Ok(text), Ok(html)) = (Text { request }.render(), Html { request }.render()) else {
            unreachable!("a template that only writes text into a string does not fail");
        };
        let subject = format!("Support request {}", request.reference);
        Words { subject, text, html, reply_to: in_a_header(&request.email) }
    }
}

/// The address as it may stand in a header of a letter to somebody else: where its part before the at sign
/// is not ASCII, their mail service need not take such a header, and the letter's text alone names it.
fn in_a_header(email: &EmailAddress) -> Option<EmailAddress> {
    let (local, _) = email.as_str().rsplit_once('@')?;
    local.is_ascii().then(|| email.clone())
}

/// The letter to whom the support request names as its sender: it has the reference, and nothing that a
/// stranger could have typed.
pub struct AcknowledgementLetter {
    public_url: PublicUrl,
}

impl AcknowledgementLetter {
    /// Knows how people reach us.
    pub fn new(config: &Config) -> Self {
        Self { public_url: config.public_url.clone() }
    }
}

impl Letter for AcknowledgementLetter {
    const KIND: &'static str = "support_acknowledgement";
    const PRIORITY: Priority = Priority::Last;
    type Content = SupportRequest;

    async fn prepare(
        &self,
        owed: &Owed,
        connection: &mut PgConnection,
    ) -> anyhow::Result<Option<Prepared<SupportRequest>>> {
        prepared(owed, connection).await
    }

    fn compose(&self, request: &SupportRequest) -> Words {
        let SupportRequest { reference, created_at, .. } = request;
        let draft = Draft {
            subject: "Support has your message",
            paragraphs: vec![
                format!(
                    "What was written on the support page of Vestibule on {} has arrived.",
                    dated(*created_at)
                ),
                format!("Its reference is {reference}. Name it when you write about the same thing again."),
                "The answer will come to this address. The help may have it already.".to_owned(),
            ],
            password: None,
            button: "Open the help",
            address: self.public_url.with("/help"),
            why: "You get this letter because somebody gave this address on our support page. If it was not you, \
                  do nothing.",
        };
        Words { subject: format!("Support has your message ({reference})"), ..draft.words() }
    }
}

/// Both letters say what the request holds; where it is gone, neither is owed.
async fn prepared(
    owed: &Owed,
    connection: &mut PgConnection,
) -> anyhow::Result<Option<Prepared<SupportRequest>>> {
    let id = SupportRequestId(owed.about.context("a letter about no support request")?);
    let request = support_requests::by_id(connection, id).await?;
    Ok(request.map(|content| Prepared { to: owed.to.clone(), content }))
}
