//! The settings of letters.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use lettre::message::{
    Mailbox,
    dkim::{
        DkimCanonicalization, DkimCanonicalizationType, DkimConfig, DkimSigningAlgorithm, DkimSigningKey,
        DkimSigningKeyError,
    },
    header::HeaderName,
};
use url::Url;

use super::{PublicUrl, Secret, settings::Settings};
use crate::domain::EmailAddress;

/// How letters leave.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// The mail service; without it letters go to the mailbox page.
    pub smtp: Option<SmtpService>,
    /// The sender that people see.
    pub from: Mailbox,
    /// Where answers go.
    pub reply_to: Option<Mailbox>,
    /// Where reports of letters come back to that could not be delivered; each letter adds a plus sign and
    /// 32 characters to its local part.
    pub return_path: Option<EmailAddress>,
    /// Signs every letter, where a key is set.
    pub dkim: Option<DkimSigner>,
    /// How many letters leave in a minute at most, over all instances together.
    pub per_minute: u32,
    /// How many letters this instance delivers at once.
    pub workers: usize,
    /// How long a worker may hold a letter before another takes it over.
    pub lease: Duration,
    /// How long the first retry waits; each further one waits longer.
    pub retry_first: Duration,
}

impl MailConfig {
    /// How many connections to the database are the letters': one for each worker, and one that
    /// hears of new letters.
    pub fn connections(&self) -> u32 {
        u32::try_from(self.workers).unwrap_or(u32::MAX).saturating_add(1)
    }
}

/// A mail service (a relay), as `SMTP_URL` names it.
#[derive(Clone, Debug)]
pub struct SmtpService {
    /// Its host, also the name that its certificate must bear.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept private.
    pub tls: SmtpTls,
    /// User and password, where it wants a log in.
    pub credentials: Option<(String, Secret)>,
}

/// How a connection to the mail service is kept private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// `smtp://`: not at all.
    Plain,
    /// `smtp://…?tls=opportunistic`: STARTTLS (RFC 3207) where it is offered.
    Opportunistic,
    /// `smtp://…?tls=required`: STARTTLS or nothing.
    Required,
    /// `smtps://`: TLS from the first byte (RFC 8314).
    Wrapped,
}

/// Signs letters for a domain (RFC 6376), with a key that nothing shows.
#[derive(Clone)]
pub struct DkimSigner(pub Arc<DkimConfig>);

impl DkimSigner {
    /// What is signed of a letter: all that its reader sees, but for `Content-Type`, which is not there
    /// yet when lettre signs.
    const HEADERS: [&str; 8] =
        ["From", "To", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Auto-Submitted"];

    /// One for this domain, whose DNS has the public key under this selector.
    ///
    /// # Errors
    /// When the key is neither RSA in PEM (PKCS #1) nor the 32 bytes of an Ed25519 seed in base64.
    pub fn new(domain: &str, selector: &str, key: &str) -> Result<Self, DkimSigningKeyError> {
        let algorithm = match key.contains("-----BEGIN") {
            true => DkimSigningAlgorithm::Rsa,
            false => DkimSigningAlgorithm::Ed25519,
        };
        let key = DkimSigningKey::new(key.trim(), algorithm)?;
        let headers = Self::HEADERS.map(HeaderName::new_from_ascii_str).to_vec();
        // lettre folds its own header anew once the signature is in it, which `simple` does not forgive.
        let relaxed = DkimCanonicalization {
            header: DkimCanonicalizationType::Relaxed,
            body: DkimCanonicalizationType::Relaxed,
        };
        let config = DkimConfig::new(selector.to_owned(), domain.to_owned(), key, headers, relaxed);
        Ok(Self(Arc::new(config)))
    }
}

impl fmt::Debug for DkimSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// An address that we write to, perhaps with a name before it, which is dropped.
pub(super) struct Correspondent(pub EmailAddress);

impl FromStr for Correspondent {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mailbox: Mailbox = text.parse().map_err(|_| ())?;
        EmailAddress::parse(mailbox.email.as_ref()).map(Self).map_err(|_| ())
    }
}

/// An address that letters extend: the local part may have 64 octets in all (RFC 5321, section 4.5.3.1.1), and
/// 33 are added to it.
struct ReturnPath(EmailAddress);

impl FromStr for ReturnPath {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let email = EmailAddress::parse(text).map_err(|_| ())?;
        let (local, _) = email.as_str().rsplit_once('@').ok_or(())?;
        let fits = local.len() <= 31 && local.is_ascii() && !local.contains('+');
        fits.then_some(Self(email)).ok_or(())
    }
}

impl Settings {
    pub(super) fn understand_mail(&mut self, public_url: Option<&PublicUrl>) -> Option<MailConfig> {
        let host = public_url.map_or("localhost", PublicUrl::host);
        let from = format!("Vestibule <no-reply@{host}>");
        let smtp = self
            .secret("SMTP_URL", "smtp://host:port, smtp://…?tls=required, ?tls=opportunistic, or smtps://");
        let from = self.or("MAIL_FROM", &from, "an email address, as in Name <name@example.com>");
        let reply_to = self.optional("MAIL_REPLY_TO", "an email address");
        let return_path = self.optional::<ReturnPath>(
            "MAIL_RETURN_PATH",
            "an email address in ASCII with no more than 31 characters before the at sign, as in bounce@example.com",
        );
        let dkim = self.understand_dkim();
        let per_minute = self.number("MAIL_PER_MINUTE", 120, 1..=1_000_000);
        let workers = self.number("MAIL_WORKERS", 2, 1..=64);
        let lease = self.number("MAIL_LEASE_SECONDS", 120, 2..=3600);
        let retry_first = self.number("MAIL_RETRY_FIRST_SECONDS", 60, 1..=3600);
        Some(MailConfig {
            smtp: smtp?,
            from: from?,
            reply_to: reply_to?,
            return_path: return_path?.map(|ReturnPath(email)| email),
            dkim: dkim?,
            per_minute: per_minute?,
            workers: workers?,
            lease: Duration::from_secs(lease?),
            retry_first: Duration::from_secs(retry_first?),
        })
    }

    fn understand_dkim(&mut self) -> Option<Option<DkimSigner>> {
        const TOGETHER: &str = "all three of DKIM_DOMAIN, DKIM_SELECTOR and DKIM_KEY_FILE, or none";
        let name = "a name in DNS, as in example.com";
        let domain = self.optional::<DnsName>("DKIM_DOMAIN", name);
        let selector = self.optional::<DnsName>("DKIM_SELECTOR", name);
        let file = self.optional::<PathBuf>("DKIM_KEY_FILE", "a file");
        let (domain, selector, file) = match (domain?, selector?, file?) {
            (None, None, None) => return Some(None),
            (Some(domain), Some(selector), Some(file)) => (domain, selector, file),
            (domain, selector, _) => {
                let missing = match (domain, selector) {
                    (None, _) => "DKIM_DOMAIN",
                    (_, None) => "DKIM_SELECTOR",
                    _ => "DKIM_KEY_FILE",
                };
                self.complain(missing, TOGETHER);
                return None;
            }
        };
        let key = std::fs::read_to_string(file).ok();
        let signer = key.and_then(|key| DkimSigner::new(&domain.0, &selector.0, &key).ok());
        if signer.is_none() {
            self.complain(
                "DKIM_KEY_FILE",
                "a file that can be read, with an RSA key in PEM (BEGIN RSA PRIVATE KEY) or the 32 bytes of an \
                 Ed25519 key in base64",
            );
        }
        signer.map(Some)
    }
}

/// A name in DNS: letters, digits, hyphens and underscores, with dots between.
struct DnsName(String);

impl FromStr for DnsName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_label = |label: &str| {
            !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        };
        text.split('.').all(is_label).then(|| Self(text.to_owned())).ok_or(())
    }
}

impl FromStr for SmtpService {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let url = Url::parse(text).map_err(drop)?;
        let query: Vec<_> = url.query_pairs().collect();
        let tls = match (url.scheme(), query.as_slice()) {
            ("smtp", []) => SmtpTls::Plain,
            ("smtp", [(key, value)]) if key == "tls" && value == "opportunistic" => SmtpTls::Opportunistic,
            ("smtp", [(key, value)]) if key == "tls" && value == "required" => SmtpTls::Required,
            ("smtps", []) => SmtpTls::Wrapped,
            _ => return Err(()),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(())?;
        // RFC 6409 for mail that is submitted, RFC 8314 for TLS, RFC 5321 for the rest.
        let port = match tls {
            SmtpTls::Plain | SmtpTls::Opportunistic => 25,
            SmtpTls::Required => 587,
            SmtpTls::Wrapped => 465,
        };
        let decoded = |text: &str| {
            let bytes: Vec<u8> = percent_encoding::percent_decode_str(text).collect();
            String::from_utf8(bytes).map_err(drop)
        };
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) if !user.is_empty() => Some((decoded(user)?, Secret(decoded(password)?))),
            _ => return Err(()),
        };
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(port),
            tls,
            credentials,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::config::tests::read;

    #[test]
    fn where_the_public_address_makes_no_sender_one_must_be_set() {
        let bare = ("VESTIBULE_PUBLIC_URL", "http://[::1]:3000");
        let complaints = read(&[bare]).unwrap_err();
        assert!(complaints.starts_with("VESTIBULE_MAIL_FROM: expected an email address"), "{complaints}");
        assert_eq!(complaints.lines().count(), 1, "{complaints}");
        read(&[bare, ("VESTIBULE_MAIL_FROM", "me@example.com")]).unwrap();
    }

    #[test]
    fn the_mail_service_is_read_from_its_url() {
        let parsed = |text: &str| text.parse::<SmtpService>().ok().map(|service| (service.port, service.tls));
        assert_eq!(parsed("smtp://relay:2525"), Some((2525, SmtpTls::Plain)));
        assert_eq!(parsed("smtp://relay?tls=opportunistic"), Some((25, SmtpTls::Opportunistic)));
        assert_eq!(parsed("smtp://u:p@relay?tls=required"), Some((587, SmtpTls::Required)));
        assert_eq!(parsed("smtps://relay"), Some((465, SmtpTls::Wrapped)));
        for bad in ["relay", "http://relay", "smtp://", "smtp://u@relay", "smtps://relay?tls=required"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
        let (user, password) =
            "smtp://a%40b:c%3Ad@relay".parse::<SmtpService>().unwrap().credentials.unwrap();
        assert_eq!((user.as_str(), password.0.as_str()), ("a@b", "c:d"));
        assert_eq!(format!("{password:?}"), "(secret)");
    }

    #[test]
    fn a_return_path_leaves_room_for_what_each_letter_adds() {
        let read = |address: &str| read(&[("VESTIBULE_MAIL_RETURN_PATH", address)]);
        let config = read("bounce@example.com").unwrap();
        assert_eq!(config.mail.return_path.unwrap().as_str(), "bounce@example.com");
        read(&format!("{}@example.com", "b".repeat(31))).unwrap();
        for bad in [&format!("{}@example.com", "b".repeat(32)), "bounce", "bücher@a.example", "a+b@a.example"]
        {
            let complaints = read(bad).unwrap_err();
            assert!(complaints.starts_with("VESTIBULE_MAIL_RETURN_PATH: expected an email"), "{complaints}");
        }
    }

    #[test]
    fn the_settings_of_a_signature_come_together_with_a_key_that_can_be_read() {
        let complaints = read(&[("VESTIBULE_DKIM_DOMAIN", "example.com")]).unwrap_err();
        assert!(complaints.starts_with("VESTIBULE_DKIM_SELECTOR: expected all three of"), "{complaints}");
        let with_key = |file: &str| {
            read(&[
                ("VESTIBULE_DKIM_DOMAIN", "example.com"),
                ("VESTIBULE_DKIM_SELECTOR", "a1"),
                ("VESTIBULE_DKIM_KEY_FILE", file),
            ])
        };
        for no_key in ["/nowhere", "Cargo.toml"] {
            let complaints = with_key(no_key).unwrap_err();
            assert!(complaints.starts_with("VESTIBULE_DKIM_KEY_FILE: expected a file that can be read"));
            assert_eq!(complaints.lines().count(), 1, "{complaints}");
        }
        let file = std::env::temp_dir().join(format!("vestibule-dkim-{}", std::process::id()));
        std::fs::write(&file, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").unwrap();
        let config = with_key(file.to_str().unwrap());
        std::fs::remove_file(&file).unwrap();
        assert_eq!(format!("{:?}", config.unwrap().mail.dkim), "Some((secret))");
    }
}
