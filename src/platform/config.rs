//! The settings: read once from the environment, into one struct. Nothing else reads it.
//!
//! Every key carries the prefix `VESTIBULE_`; `DATABASE_URL` alone also works without. All that is
//! wrong is said at once, and so is every `VESTIBULE_` key that nobody knows.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
    ops::RangeInclusive,
    path::PathBuf,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use ipnet::IpNet;
use lettre::message::{
    Mailbox,
    dkim::{
        DkimCanonicalization, DkimCanonicalizationType, DkimConfig, DkimSigningAlgorithm, DkimSigningKey,
        DkimSigningKeyError,
    },
    header::HeaderName,
};
use thiserror::Error;
use tracing_subscriber::EnvFilter;
use url::{Host, Url};

use crate::domain::{EmailAddress, Password};

/// What every part of the program may know about how it was set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where pages are served.
    pub listen: SocketAddr,
    /// Where `/metrics` is served, or nowhere.
    pub metrics_listen: Option<SocketAddr>,
    /// How people reach us: what every link in a letter begins with.
    pub public_url: PublicUrl,
    /// Whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// A PostgreSQL of the operator's; without it an embedded one runs in `data_dir`.
    pub database_url: Option<Secret>,
    /// The embedded PostgreSQL's cluster, and the letters of the mailbox page.
    pub data_dir: PathBuf,
    /// Everything about letters.
    pub mail: MailConfig,
    /// Where what people write on the support page is mailed, and where pages say that they may write.
    pub support_email: Option<EmailAddress>,
    /// How many characters an email address may have where it is chosen.
    pub email_length: RangeInclusive<usize>,
    /// How many characters a password may have where it is chosen.
    pub password_length: RangeInclusive<usize>,
    /// Whether a generated password opens nothing but the page on which another is chosen.
    pub generated_password_must_change: bool,
    /// How passwords are hashed.
    pub hash: HashConfig,
    /// Whether captchas are asked, always to register and elsewhere once a budget wants one (off for a closed
    /// network).
    pub captcha: bool,
    /// Whether budgets slow anybody down (off for load tests).
    pub throttle: bool,
    /// What is logged.
    pub log: LogConfig,
}

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

/// The cost of a password's hash, and how many are made at once.
#[derive(Clone, Copy, Debug)]
pub struct HashConfig {
    /// Threads that hash; by default the number of cores.
    pub workers: usize,
    /// Memory for one hash, in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub passes: u32,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// A filter in `tracing`'s notation.
    pub filter: String,
    /// One JSON object a line instead of text.
    pub json: bool,
}

/// The address at which people reach us: scheme, host and port, without a path.
#[derive(Clone, Debug)]
pub struct PublicUrl(Url);

/// A setting that logs must not show.
#[derive(Clone)]
pub struct Secret(pub String);

/// Everything that is wrong with the settings, one line each.
#[derive(Debug, Error)]
#[error("{}", .0.join("\n"))]
pub struct WrongSettings(Vec<String>);

impl Config {
    /// Reads the environment, and for what it does not say the file `.env` where there is one.
    ///
    /// # Errors
    /// All that is wrong or unknown, at once.
    pub fn from_environment() -> Result<Self, WrongSettings> {
        let file = match dotenvy::from_path_iter(".env").map(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(Ok(variables)) => variables,
            Err(error) if error.not_found() => Vec::new(),
            // The error would repeat the line, which may hold a secret.
            _ => {
                return Err(WrongSettings(vec![
                    ".env: expected a line for each setting, KEY=value, a value with spaces between single quotes".to_owned(),
                ]));
            }
        };
        let environment = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.to_string_lossy().into_owned())));
        Self::from_variables(file.into_iter().chain(environment))
    }

    /// Reads settings from pairs of a key and a value, of which a later one wins; other programs'
    /// keys are passed over.
    ///
    /// # Errors
    /// All that is wrong or unknown, at once.
    pub fn from_variables(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, WrongSettings> {
        let mut settings = Settings::default();
        let mut plain_database_url = None;
        for (key, value) in variables {
            match key.strip_prefix(PREFIX) {
                Some(name) => drop(settings.values.insert(name.to_owned(), value)),
                None if key == "DATABASE_URL" => plain_database_url = Some(value),
                None => {}
            }
        }
        if let Some(url) = plain_database_url {
            settings.values.entry("DATABASE_URL".to_owned()).or_insert(url);
        }
        let config = settings.understand();
        settings.complaints.extend(
            settings
                .values
                .keys()
                .map(|unknown| format!("{PREFIX}{unknown}: no such setting (see .env.example)")),
        );
        match config {
            Some(config) if settings.complaints.is_empty() => Ok(config),
            _ => Err(WrongSettings(settings.complaints)),
        }
    }

    /// Whether letters go to the mailbox page: nowhere but on one's own machine.
    pub fn has_dev_mailbox(&self) -> bool {
        self.mail.smtp.is_none() && self.is_own_machine()
    }

    /// Whether this serves nobody but the machine it runs on.
    pub fn is_own_machine(&self) -> bool {
        self.listen.ip().is_loopback() && self.public_url.is_localhost()
    }
}

const PREFIX: &str = "VESTIBULE_";

/// tower-sessions warns of every cookie whose session ended, and PostgreSQL notes that its tables are
/// there already: everyday things.
const DEFAULT_LOG: &str = "info,tower_sessions_core=off,sqlx::postgres::notice=warn";

/// An address that we write to, perhaps with a name before it, which is dropped.
struct Correspondent(EmailAddress);

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

/// The keys that are left to read, those that were asked for, and the complaints about them.
#[derive(Default)]
struct Settings {
    values: BTreeMap<String, String>,
    known: BTreeSet<String>,
    complaints: Vec<String>,
}

impl Settings {
    fn understand(&mut self) -> Option<Config> {
        // Each is read before any is given up on, so that every complaint is heard.
        let listen = self.or("LISTEN", "127.0.0.1:3000", "an address with a port");
        let metrics_listen = self.optional("METRICS_LISTEN", "an address with a port");
        let public_url: Option<PublicUrl> =
            self.or("PUBLIC_URL", "http://localhost:3000", "http:// or https:// with a host and no path");
        let trusted_proxies = self.list("TRUSTED_PROXIES", "addresses or networks, with commas");
        let database_url = self.understand_database_url();
        let data_dir = self.or("DATA_DIR", "./data", "a folder");
        let mail = self.understand_mail(public_url.as_ref());
        let support_email = self.optional::<Correspondent>("SUPPORT_EMAIL", "an email address");
        let email_length = self.length("EMAIL", 3..=20, 1..=254, 1..=254);
        // What recovery generates is a password like any other.
        let generated = Password::GENERATED_CHARACTERS;
        let password_length = self.length("PASSWORD", 3..=20, 1..=generated, generated..=1024);
        let must_change = self.choice("GENERATED_PASSWORD_MUST_CHANGE", ["false", "true"]);
        let hash = self.understand_hash();
        let captcha = self.choice("CAPTCHA", ["picture", "off"]);
        let throttle = self.choice("THROTTLE", ["on", "off"]);
        let log = self.understand_log();
        Some(Config {
            listen: listen?,
            metrics_listen: metrics_listen?,
            public_url: public_url?,
            trusted_proxies: trusted_proxies?,
            database_url: database_url?,
            data_dir: data_dir?,
            mail: mail?,
            support_email: support_email?.map(|Correspondent(email)| email),
            email_length: email_length?,
            password_length: password_length?,
            generated_password_must_change: must_change? == "true",
            hash: hash?,
            captcha: captcha? == "picture",
            throttle: throttle? == "on",
            log: log?,
        })
    }

    fn understand_mail(&mut self, public_url: Option<&PublicUrl>) -> Option<MailConfig> {
        let host = public_url.map_or("localhost", PublicUrl::host);
        let from = format!("Vestibule <no-reply@{host}>");
        let smtp = self
            .optional("SMTP_URL", "smtp://host:port, smtp://…?tls=required, ?tls=opportunistic, or smtps://");
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

    fn understand_database_url(&mut self) -> Option<Option<Secret>> {
        let allowed = "postgres://user:password@host/database";
        let url: Option<Secret> = self.optional("DATABASE_URL", allowed)?;
        let is_ours =
            |url: &Secret| ["postgres://", "postgresql://"].iter().any(|scheme| url.0.starts_with(scheme));
        if url.as_ref().is_some_and(|url| !is_ours(url)) {
            self.complain("DATABASE_URL", allowed);
            return None;
        }
        Some(url)
    }

    fn understand_hash(&mut self) -> Option<HashConfig> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let workers = self.number("HASH_WORKERS", cores, 1..=256);
        let memory_kib = self.number("ARGON2_MEMORY_KIB", 19_456, 19_456..=1_048_576);
        let passes = self.number("ARGON2_PASSES", 2, 2..=20);
        Some(HashConfig { workers: workers?, memory_kib: memory_kib?, passes: passes? })
    }

    fn understand_log(&mut self) -> Option<LogConfig> {
        let allowed = "a filter, as in info,vestibule=debug";
        let filter: Option<String> = self.or("LOG", DEFAULT_LOG, allowed);
        let format = self.choice("LOG_FORMAT", ["text", "json"]);
        let filter = filter?;
        if EnvFilter::try_new(&filter).is_err() {
            self.complain("LOG", allowed);
            return None;
        }
        Some(LogConfig { filter, json: format? == "json" })
    }

    fn complain(&mut self, name: &str, allowed: &str) {
        // The value is not repeated: it may be a secret.
        self.complaints.push(format!("{PREFIX}{name}: expected {allowed}"));
    }

    /// `None` where there is something to complain about; an empty value is as good as none.
    fn optional<T: FromStr>(&mut self, name: &str, allowed: &str) -> Option<Option<T>> {
        self.known.insert(name.to_owned());
        match self.values.remove(name).as_deref().map(str::trim) {
            None | Some("") => Some(None),
            Some(value) => match value.parse() {
                Ok(value) => Some(Some(value)),
                Err(_) => {
                    self.complain(name, allowed);
                    None
                }
            },
        }
    }

    fn or<T: FromStr>(&mut self, name: &str, default: &str, allowed: &str) -> Option<T> {
        let value = self.optional(name, allowed)?.or_else(|| default.parse().ok());
        if value.is_none() {
            // A default that is made of another setting may not fit.
            self.complain(name, allowed);
        }
        value
    }

    fn number<T>(&mut self, name: &str, default: T, allowed: RangeInclusive<T>) -> Option<T>
    where
        T: FromStr + PartialOrd + fmt::Display,
    {
        let words = format!("a number from {} to {}", allowed.start(), allowed.end());
        let value = self.optional(name, &words)?.unwrap_or(default);
        if !allowed.contains(&value) {
            self.complain(name, &words);
            return None;
        }
        Some(value)
    }

    fn length(
        &mut self,
        name: &str,
        default: RangeInclusive<usize>,
        allowed_min: RangeInclusive<usize>,
        allowed_max: RangeInclusive<usize>,
    ) -> Option<RangeInclusive<usize>> {
        let min = self.number(&format!("{name}_MIN"), *default.start(), allowed_min);
        let max = self.number(&format!("{name}_MAX"), *default.end(), allowed_max);
        let length = min?..=max?;
        if length.is_empty() {
            self.complain(&format!("{name}_MIN"), &format!("no more than {PREFIX}{name}_MAX"));
            return None;
        }
        Some(length)
    }

    fn choice(&mut self, name: &str, allowed: [&'static str; 2]) -> Option<&'static str> {
        let words = allowed.join(" or ");
        let value: String = self.or(name, allowed[0], &words)?;
        let known = allowed.into_iter().find(|known| *known == value);
        if known.is_none() {
            self.complain(name, &words);
        }
        known
    }

    fn list(&mut self, name: &str, allowed: &str) -> Option<Vec<IpNet>> {
        let value: String = self.or(name, "", allowed)?;
        let networks =
            value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(|part| {
                part.parse::<IpNet>().or_else(|_| part.parse::<std::net::IpAddr>().map(IpNet::from))
            });
        let networks = networks.collect::<Result<_, _>>().ok();
        if networks.is_none() {
            self.complain(name, allowed);
        }
        networks
    }
}

impl PublicUrl {
    /// The full address of one of our paths, which begins with a slash.
    pub fn with(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }

    /// Scheme, host and port, as browsers write them into `Origin`.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The host alone.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or("localhost")
    }

    /// Whether people reach us over TLS.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    fn is_localhost(&self) -> bool {
        self.0.host() == Some(Host::Domain("localhost"))
    }
}

impl FromStr for PublicUrl {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let url = Url::parse(text).map_err(drop)?;
        let plain = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty();
        plain.then_some(Self(url)).ok_or(())
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

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, String> {
        let owned = variables.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Config::from_variables(owned).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_set_gives_a_site_on_ones_own_machine() {
        let config = read(&[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:3000");
        assert_eq!(config.public_url.with("/help"), "http://localhost:3000/help");
        assert_eq!((config.email_length, config.password_length), (3..=20, 3..=20));
        assert!(
            config.mail.smtp.is_none() && config.database_url.is_none() && config.captcha && config.throttle
        );
    }

    #[test]
    fn the_example_names_every_setting_with_its_default() {
        let example = include_str!("../../.env.example");
        let lines = example.lines().filter_map(|line| line.strip_prefix('#')?.strip_prefix(PREFIX));
        let uncommented: String = lines.map(|line| format!("{PREFIX}{line}\n")).collect();
        let variables: Vec<_> =
            dotenvy::from_read_iter(uncommented.as_bytes()).collect::<Result<_, _>>().unwrap();
        let mut settings = Settings::default();
        settings.understand();
        let named: BTreeSet<_> = variables.iter().map(|(key, _)| key[PREFIX.len()..].to_owned()).collect();
        assert_eq!(named, settings.known);
        let example = Config::from_variables(variables).unwrap();
        assert_eq!(format!("{example:?}"), format!("{:?}", read(&[]).unwrap()));
    }

    #[test]
    fn everything_wrong_is_said_at_once_and_no_value_is_repeated() {
        let complaints = read(&[
            ("VESTIBULE_LISTEN", "here-s3cret"),
            ("VESTIBULE_PASSWORD_MIN", "30"),
            ("VESTIBULE_LISTNE", "x"),
            ("VESTIBULE_SMTP_URL", "smtp://relay?tls=s3cret"),
            ("VESTIBULE_CAPTCHA", "s3cret"),
            ("VESTIBULE_HASH_WORKERS", "0"),
            ("VESTIBULE_LOG", "a=b=s3cret"),
            ("VESTIBULE_THROTTLE", "on"),
            ("OTHER", "x"),
        ])
        .unwrap_err();
        for name in ["LISTEN", "PASSWORD_MIN", "LISTNE", "SMTP_URL", "CAPTCHA", "HASH_WORKERS", "LOG"] {
            assert!(complaints.contains(&format!("VESTIBULE_{name}: ")), "{name} in {complaints}");
        }
        for name in ["s3cret", "OTHER", "THROTTLE"] {
            assert!(!complaints.contains(name), "{name} in {complaints}");
        }
    }

    #[test]
    fn a_wrong_setting_does_not_make_others_unknown() {
        let complaints = read(&[
            ("VESTIBULE_HASH_WORKERS", "0"),
            ("VESTIBULE_ARGON2_PASSES", "3"),
            ("VESTIBULE_PASSWORD_MIN", "x"),
            ("VESTIBULE_PASSWORD_MAX", "30"),
            ("VESTIBULE_LOG", "a=b=c"),
            ("VESTIBULE_LOG_FORMAT", "json"),
            ("VESTIBULE_DKIM_DOMAIN", "a b"),
            ("VESTIBULE_DKIM_SELECTOR", "v1"),
            ("VESTIBULE_DKIM_KEY_FILE", "/x"),
        ]);
        let complaints = complaints.unwrap_err();
        assert!(complaints.contains("VESTIBULE_HASH_WORKERS: expected a number from 1 to "), "{complaints}");
        assert_eq!(complaints.lines().count(), 4, "{complaints}");
    }

    #[test]
    fn a_generated_password_fits_into_the_bounds_or_nothing_starts() {
        for (name, refused, allowed) in [("MAX", "18", "from 19 to 1024"), ("MIN", "20", "from 1 to 19")] {
            let key = format!("VESTIBULE_PASSWORD_{name}");
            let complaints = read(&[(&key, refused)]).unwrap_err();
            assert!(complaints.starts_with(&key) && complaints.contains(allowed), "{complaints}");
            assert_eq!(complaints.lines().count(), 1, "{complaints}");
            read(&[(&key, "19")]).unwrap();
        }
    }

    #[test]
    fn a_generated_password_must_be_changed_only_where_that_is_set() {
        let must_change = |value| read(&[("VESTIBULE_GENERATED_PASSWORD_MUST_CHANGE", value)]);
        assert!(!read(&[]).unwrap().generated_password_must_change);
        assert!(must_change("true").unwrap().generated_password_must_change);
        assert!(!must_change("false").unwrap().generated_password_must_change);
        assert!(must_change("yes").unwrap_err().contains("expected false or true"));
    }

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

    #[test]
    fn database_url_works_with_and_without_the_prefix_and_the_prefix_wins() {
        let url = |variables| read(variables).unwrap().database_url.unwrap().0;
        assert_eq!(url(&[("DATABASE_URL", "postgres://a")]), "postgres://a");
        assert_eq!(
            url(&[("VESTIBULE_DATABASE_URL", "postgresql://b"), ("DATABASE_URL", "postgres://a")]),
            "postgresql://b"
        );
        assert_eq!(
            url(&[("DATABASE_URL", "postgres://a"), ("VESTIBULE_DATABASE_URL", "postgresql://b")]),
            "postgresql://b"
        );
    }
}
