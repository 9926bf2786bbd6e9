//! From a letter's words to the bytes that travel.

use std::time::SystemTime;

use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        Mailbox, MultiPart,
        header::{Header, HeaderName, HeaderValue},
    },
};
use time::OffsetDateTime;

use super::letter::Words;
use crate::{
    domain::{EmailAddress, LetterId},
    platform::config::{Config, DkimSigner},
};

/// What every letter of this site has in common.
#[derive(Clone, Debug)]
pub(super) struct Stationery {
    pub from: Mailbox,
    pub reply_to: Option<Mailbox>,
    /// What each letter's return path is made of.
    pub return_path: Option<EmailAddress>,
    /// The right side of every `Message-ID`.
    pub host: String,
    pub dkim: Option<DkimSigner>,
}

/// A letter that is ready to leave.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub id: LetterId,
    pub to: EmailAddress,
    pub envelope: Envelope,
    pub raw: Vec<u8>,
    pub words: Words,
    pub written_at: OffsetDateTime,
}

impl Stationery {
    pub fn from_config(config: &Config) -> Self {
        Self {
            from: config.mail.from.clone(),
            reply_to: config.mail.reply_to.clone(),
            return_path: config.mail.return_path.clone(),
            host: config.public_url.host().to_owned(),
            dkim: config.mail.dkim.clone(),
        }
    }

    /// Builds the message. The same letter has the same `Message-ID` at every attempt, so that a
    /// mail program shows once what was delivered twice. Reports that it could not be delivered go to
    /// `return_path`, else to the sender.
    pub fn write(
        &self,
        id: LetterId,
        to: EmailAddress,
        mut words: Words,
        return_path: Option<&str>,
        now: OffsetDateTime,
    ) -> anyhow::Result<Outgoing> {
        words.subject = without_line_breaks(&words.subject);
        let recipient = in_ascii_domain(to.as_str())?;
        let sender = in_ascii_domain(self.from.email.as_ref())?;
        let return_path = return_path.map_or(Ok(sender.clone()), in_ascii_domain)?;
        let mut message = Message::builder()
            .envelope(Envelope::new(Some(return_path), vec![recipient.clone()])?)
            .message_id(Some(format!("<{id}@{}>", self.host)))
            .date(SystemTime::from(now))
            .from(Mailbox::new(self.from.name.clone(), sender))
            .to(Mailbox::new(None, recipient))
            .subject(words.subject.clone())
            .header(AutoSubmitted);
        let answers_to = words.reply_to.as_ref().map(|to| in_ascii_domain(to.as_str())).transpose()?;
        if let Some(reply_to) = answers_to.map(|to| Mailbox::new(None, to)).or_else(|| self.reply_to.clone())
        {
            message = message.reply_to(reply_to);
        }
        let parts = MultiPart::alternative_plain_html(words.text.clone(), words.html.clone());
        let mut message = message.multipart(parts)?;
        if let Some(DkimSigner(dkim)) = &self.dkim {
            // One or two milliseconds with RSA: not worth a thread of its own.
            message.sign(dkim);
        }
        let (envelope, raw) = (message.envelope().clone(), message.formatted());
        Ok(Outgoing { id, to, envelope, raw, words, written_at: now })
    }
}

/// The address with its domain as DNS has it: every mail service takes that form. The part before
/// the at sign is the recipient's own and stays.
fn in_ascii_domain(address: &str) -> anyhow::Result<Address> {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    Ok(Address::new(local, idna::domain_to_ascii(domain)?)?)
}

fn without_line_breaks(subject: &str) -> String {
    subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Keeps vacation responders from answering (RFC 3834, section 5).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;

    use super::*;

    fn written(to: &str, subject: &str) -> Outgoing {
        signed(to, subject, None)
    }

    fn signed(to: &str, subject: &str, dkim: Option<DkimSigner>) -> Outgoing {
        let stationery = Stationery {
            from: "Vestibule <no-reply@vestibule.example>".parse().unwrap(),
            reply_to: Some("Help <help@vestibule.example>".parse().unwrap()),
            return_path: None,
            host: "vestibule.example".to_owned(),
            dkim,
        };
        let words = Words {
            subject: subject.to_owned(),
            text: "Grüße\n.\nhttps://vestibule.example/confirm?token=abc\n".to_owned(),
            html: "<p>Grüße</p>".to_owned(),
            reply_to: None,
        };
        let now = time::macros::datetime!(2026-01-02 03:04:05 UTC);
        stationery.write(LetterId::new(), EmailAddress::parse(to).unwrap(), words, None, now).unwrap()
    }

    #[test]
    fn a_letter_has_both_parts_and_the_headers_of_a_machine() {
        let outgoing = written("ann@example.com", "Bestätige deine Adresse");
        let message = MessageParser::default().parse(&outgoing.raw).unwrap();
        assert_eq!(message.subject(), Some("Bestätige deine Adresse"));
        assert_eq!(message.message_id(), Some(format!("{}@vestibule.example", outgoing.id).as_str()));
        assert_eq!(message.header_raw("Auto-Submitted").map(str::trim), Some("auto-generated"));
        assert_eq!(message.date().unwrap().to_rfc3339(), "2026-01-02T03:04:05Z");
        assert_eq!(message.reply_to().unwrap().first().unwrap().address(), Some("help@vestibule.example"));
        let text = message.body_text(0).unwrap().replace("\r\n", "\n");
        assert_eq!(text.trim_end(), "Grüße\n.\nhttps://vestibule.example/confirm?token=abc");
        assert_eq!(message.body_html(0).unwrap(), "<p>Grüße</p>");
        assert!(outgoing.raw.is_ascii());
    }

    #[test]
    fn a_signature_covers_what_the_reader_sees() {
        let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let signer = DkimSigner::new("vestibule.example", "v1", key).unwrap();
        let outgoing = signed("ann@example.com", "Bestätige deine Adresse", Some(signer));
        let message = MessageParser::default().parse(&outgoing.raw).unwrap();
        let signature = message.header_raw("DKIM-Signature").unwrap().split_whitespace().collect::<String>();
        for tag in [
            "a=ed25519-sha256;",
            "d=vestibule.example;",
            "s=v1;",
            "c=relaxed/relaxed;",
            "h=from:to:reply-to:subject:date:message-id:mime-version:auto-submitted;",
        ] {
            assert!(signature.contains(tag), "{tag} in {signature}");
        }
        assert!(!written("ann@example.com", "x").raw.windows(4).any(|bytes| bytes == b"DKIM"));
    }

    #[test]
    fn a_domain_travels_in_its_ascii_form_and_the_part_before_it_as_typed() {
        let outgoing = written("Ann@Bücher.example", "x");
        assert_eq!(outgoing.envelope.to()[0].to_string(), "Ann@xn--bcher-kva.example");
        assert!(outgoing.raw.is_ascii());
        let outgoing = written("почта@пример.рф", "x");
        assert_eq!(outgoing.envelope.to()[0].to_string(), "почта@xn--e1afmkfd.xn--p1ai");
        assert!(String::from_utf8(outgoing.raw).unwrap().contains("To: почта@xn--e1afmkfd.xn--p1ai\r\n"));
    }

    #[test]
    fn nothing_typed_can_add_a_header_or_a_recipient() {
        let outgoing = written("o'neil!#$%&*/=?^_`{|}~-@x.example", "Hello\r\nBcc: eve@x.example\u{0}");
        let message = MessageParser::default().parse(&outgoing.raw).unwrap();
        assert!(message.bcc().is_none());
        let to: Vec<_> = message.to().unwrap().iter().map(|to| to.address().unwrap_or_default()).collect();
        assert_eq!(to, ["o'neil!#$%&*/=?^_`{|}~-@x.example"]);
        assert_eq!(outgoing.envelope.to().len(), 1);
    }
}
