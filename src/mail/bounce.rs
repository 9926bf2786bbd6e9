//! Bounces: reports that a letter which the mail service took could not be delivered after all (RFC 3464).
//!
//! Each attempt's return path (RFC 5321, section 4.4) is an address of its own, `bounce+TOKEN@example.com`;
//! what comes back there speaks of that letter, whatever addresses it names. A report that says *failed*
//! makes the letter refused, with the reason; everything else changes nothing.

use data_encoding::BASE32_NOPAD;
use mail_parser::{Message, MessageParser, MimeHeaders};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::queue::{LetterState, for_a_page};
use crate::domain::{EmailAddress, LetterId, TokenHash, random_bytes};

/// How many octets of a report are read: what it says stands in front of the letter that it brings back.
pub const MOST_READ: u64 = 256 * 1024;

/// Which letter a report speaks of: 160 random bits in the local part of its return path. Letters of
/// either case are the same, since mail servers may fold them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct ReturnToken([u8; 20]);

impl ReturnToken {
    /// The token in an address, as in `bounce+TOKEN@example.com`; `None` where there is none.
    fn in_address(address: &str) -> Option<Self> {
        let (local, _) = address.rsplit_once('@')?;
        let (_, token) = local.rsplit_once('+')?;
        let bytes = BASE32_NOPAD.decode(token.to_ascii_uppercase().as_bytes()).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    fn hash(self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

/// The return path of one attempt at a letter, made of the one that the settings name; a report that comes
/// back there is known as that letter's from now on.
pub(super) async fn return_path(
    connection: &mut PgConnection,
    letter: LetterId,
    base: &EmailAddress,
) -> sqlx::Result<String> {
    let token = ReturnToken(random_bytes());
    let hash = token.hash();
    sqlx::query!(
        "insert into return_paths (token_hash, letter_id) values ($1, $2)",
        hash.as_bytes(),
        letter as LetterId,
    )
    .execute(connection)
    .await?;
    let (local, domain) = base.as_str().rsplit_once('@').unwrap_or_default();
    Ok(format!("{local}+{}@{domain}", BASE32_NOPAD.encode(&token.0).to_ascii_lowercase()))
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounced {
    /// Its letter is refused now.
    Refused(LetterId),
    /// Its letter is in a worker's hand still; it is to be brought again.
    StillSending(LetterId),
    /// It changes nothing, for this reason.
    Nothing(&'static str),
}

/// Takes a report that came back to `recipient`, or else to an address that its own header names, in a
/// transaction.
pub async fn bounced(
    connection: &mut PgConnection,
    report: &[u8],
    recipient: Option<&str>,
    now: OffsetDateTime,
) -> sqlx::Result<Bounced> {
    let Some(message) = MessageParser::default().parse(report) else {
        return Ok(Bounced::Nothing("it is no message"));
    };
    let token = match recipient {
        Some(recipient) => ReturnToken::in_address(recipient),
        None => token_of(&message),
    };
    let Some(hash) = token.map(ReturnToken::hash) else {
        return Ok(Bounced::Nothing("no return path of ours is named"));
    };
    let Some(why) = why_failed(&message) else { return Ok(Bounced::Nothing("it tells of no failure")) };
    let letter = sqlx::query!(
        r#"select id as "id: LetterId", recipient as "recipient: EmailAddress", state as "state: LetterState"
           from letters where id = (select letter_id from return_paths where token_hash = $1) for update"#,
        hash.as_bytes(),
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(letter) = letter else { return Ok(Bounced::Nothing("its letter is not known, or no longer")) };
    match letter.state {
        LetterState::Sending => return Ok(Bounced::StillSending(letter.id)),
        LetterState::Refused | LetterState::GivenUp => {
            return Ok(Bounced::Nothing("its letter was refused or given up before"));
        }
        LetterState::Queued | LetterState::Delayed | LetterState::HandedOver => {}
    }
    // When it was handed over stays: lifetimes began then, and whoever writes reports prolongs none.
    sqlx::query!(
        "update letters set state = 'refused', settled_at = coalesce(settled_at, $2), answer = $3 where id = $1",
        letter.id as LetterId,
        now,
        for_a_page(&why, &letter.recipient),
    )
    .execute(connection)
    .await?;
    Ok(Bounced::Refused(letter.id))
}

/// The token of the first address of ours to which a message says that it came.
fn token_of(message: &Message<'_>) -> Option<ReturnToken> {
    ["Delivered-To", "X-Original-To", "Envelope-To", "To"]
        .into_iter()
        .filter_map(|name| message.header_raw(name))
        .flat_map(|addresses| addresses.split(|c: char| c.is_whitespace() || "<>,;\"".contains(c)))
        .find_map(ReturnToken::in_address)
}

/// Why the letter could not be delivered, where the message is a report that says so: the words of the server
/// that refused it (`Diagnostic-Code`), else the status (RFC 3464, section 2.3).
fn why_failed(message: &Message<'_>) -> Option<String> {
    let report = message.content_type().filter(|report| {
        report.ctype() == "multipart"
            && report.subtype() == Some("report")
            && report.attribute("report-type").is_some_and(|of| of.eq_ignore_ascii_case("delivery-status"))
    });
    report?;
    let status = message.parts.iter().find(|part| {
        part.content_type().is_some_and(|content| {
            content.ctype() == "message"
                && matches!(content.subtype(), Some("delivery-status" | "global-delivery-status"))
        })
    })?;
    let text = String::from_utf8_lossy(status.contents()).replace("\r\n", "\n");
    // The first group is about the message, each further one about one recipient; we write to one each.
    text.split("\n\n").find_map(|group| {
        let fields = MessageParser::default().parse_headers(group.trim_start())?;
        let field = |name| {
            fields.header_raw(name).map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "))
        };
        if !field("Action")?.eq_ignore_ascii_case("failed") {
            return None;
        }
        let words = field("Diagnostic-Code").map(|code| match code.split_once(';') {
            Some((_, words)) => words.trim().to_owned(),
            None => code,
        });
        Some(words.or_else(|| field("Status")).unwrap_or_else(|| "it could not be delivered".to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A report whose part on the delivery says this.
    fn report(status: &str) -> String {
        format!(
            "From: MAILER-DAEMON@mx.example\r\nTo: <bounce+AEBAGBAFAYDQQCIKBMGA2DQPCAIREEYU@vestibule.example>\r\n\
             Subject: Undelivered Mail Returned to Sender\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
             --b\r\nContent-Type: text/plain\r\n\r\nI'm sorry.\r\n\
             --b\r\nContent-Type: message/delivery-status\r\n\r\n{}\r\n\
             --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\nAction: failed\r\n\r\nhello\r\n--b--\r\n",
            status.replace('\n', "\r\n")
        )
    }

    fn why(message: &str) -> Option<String> {
        why_failed(&MessageParser::default().parse(message.as_bytes()).unwrap())
    }

    #[test]
    fn the_words_of_the_server_that_refused_it_are_found() {
        // As postfix, Exim and Exchange write it.
        let postfix = "Reporting-MTA: dns; mx.example\nX-Postfix-Queue-ID: 4F2\nArrival-Date: Sat, 28 Nov 2026\n\n\
                       Final-Recipient: rfc822; ann@example.com\nOriginal-Recipient: rfc822;ann@example.com\n\
                       Action: failed\nStatus: 5.1.1\nRemote-MTA: dns; mail.example.com\n\
                       Diagnostic-Code: smtp; 550 5.1.1 <ann@example.com>: Recipient\n    address rejected\n";
        assert_eq!(why(&report(postfix)).unwrap(), "550 5.1.1 <ann@example.com>: Recipient address rejected");
        let exim = "Reporting-MTA: dns; mx.example\n\nAction: failed\nFinal-Recipient: rfc822;ann@example.com\n\
                    Status: 5.0.0\n";
        assert_eq!(why(&report(exim)).unwrap(), "5.0.0");
        let exchange = "Reporting-MTA: dns;mx.example\n\nFinal-recipient: RFC822;ann@example.com\nAction: FAILED\n\
                        Status: 5.1.10\nDiagnostic-code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound\n\
                        X-Display-Name: ann\n\n";
        assert_eq!(why(&report(exchange)).unwrap(), "550 5.1.10 RESOLVER.ADR.RecipientNotFound");
        assert_eq!(
            why(&report("Reporting-MTA: dns; a\n\nAction: failed\n")).unwrap(),
            "it could not be delivered"
        );
    }

    #[test]
    fn what_tells_of_no_failure_is_none() {
        for status in [
            "",
            "Action: delayed\nStatus: 4.4.1",
            "\n\n\n",
            "Action: relayed\n\nAction: delivered",
            "Status: 5.1.1",
        ] {
            assert_eq!(why(&report(status)), None, "{status}");
        }
        let failed = report("Action: failed\n");
        for (good, bad) in [
            ("report-type=delivery-status", "report-type=disposition-notification"),
            ("multipart/report", "multipart/mixed"),
            ("message/delivery-status", "text/plain"),
        ] {
            assert!(why(&failed).is_some());
            assert_eq!(why(&failed.replace(good, bad)), None, "{bad}");
        }
        assert_eq!(why("Subject: I am away\r\n\r\nAction: failed\r\n"), None);
    }

    #[test]
    fn a_report_that_was_cut_is_read_as_far_as_it_goes() {
        let whole = report("Reporting-MTA: dns; a\n\nAction: failed\nDiagnostic-Code: smtp; 550 no\n");
        let end = whole.find("Subject: x").unwrap();
        assert_eq!(why(&whole[..end]).unwrap(), "550 no");
        for end in 0..whole.len() {
            MessageParser::default().parse(&whole.as_bytes()[..end]).as_ref().and_then(why_failed);
        }
    }

    #[test]
    fn a_token_is_found_where_the_report_came_to() {
        let token = ReturnToken(std::array::from_fn(|at| at as u8 + 1));
        let found = |message: &str| token_of(&MessageParser::default().parse(message.as_bytes()).unwrap());
        assert!(found(&report("")) == Some(token));
        let elsewhere = "To: postmaster@vestibule.example\r\nDelivered-To: Bounce+aebagbafaydqqcikbmga2dqpcaireeyu@a\r\n\r\n";
        assert!(found(elsewhere) == Some(token));
        for other in ["ann@example.com", "bounce+abc@a", "bounce+@a", "+aebagbafaydqqcikbmga2dqpcaireeyu", ""]
        {
            assert!(ReturnToken::in_address(other).is_none(), "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_report_of_any_bytes_is_read_or_left(
            bytes in proptest::collection::vec(any::<u8>(), 0..2000),
            at in any::<proptest::sample::Index>(),
        ) {
            let look = |raw: &[u8]| {
                if let Some(message) = MessageParser::default().parse(raw) {
                    token_of(&message);
                    if let Some(why) = why_failed(&message) {
                        for_a_page(&why, &EmailAddress::parse("ann@example.com").expect("an address"));
                    }
                }
            };
            look(&bytes);
            // The same within a report that is one.
            let mut whole = report("Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 no").into_bytes();
            let at = at.index(whole.len());
            whole.splice(at..at, bytes.iter().copied().take(60));
            look(&whole);
        }

        #[test]
        fn an_address_has_a_token_only_where_it_is_ours(address in prop_oneof!["(?s).{0,80}", "[a-z]{1,8}\\+[A-Za-z2-7]{32}@[a-z]{1,8}"]) {
            if let Some(token) = ReturnToken::in_address(&address) {
                let text = BASE32_NOPAD.encode(&token.0);
                prop_assert!(address.to_ascii_uppercase().contains(&text), "{address:?}");
            }
        }
    }
}
