//! The settings: read once from the environment, into one struct. Nothing else reads it.
//!
//! Every key carries the prefix `VESTIBULE_`; `DATABASE_URL` alone also works without. An address that may hold a
//! password can stand in a file, which the key with `_FILE` behind it names. All that is wrong is said at once, and
//! so is every `VESTIBULE_` key that nobody knows, with the one it looks like.

mod mail;
mod settings;

use std::{fmt, net::SocketAddr, ops::RangeInclusive, path::PathBuf, str::FromStr};

use ipnet::IpNet;
use sqlx::postgres::PgConnectOptions;
use thiserror::Error;
use tracing_subscriber::EnvFilter;
use url::{Host, Url};

use self::settings::Settings;
use crate::domain::{EmailAddress, Password};

pub use self::mail::{DkimSigner, MailConfig, SmtpService, SmtpTls};

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

impl WrongSettings {
    /// Each of them.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

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
                    ".env: expected a line for each setting, KEY=value, a value with spaces between single quotes"
                        .to_owned(),
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
        settings.refuse_unknown();
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

impl Settings {
    fn understand(&mut self) -> Option<Config> {
        // Each is read before any is given up on, so that every complaint is heard.
        let listen = self.or("LISTEN", "127.0.0.1:3000", "an address with a port");
        let metrics_listen = self.optional("METRICS_LISTEN", "an address with a port");
        let public_url: Option<PublicUrl> =
            self.or("PUBLIC_URL", "http://localhost:3000", "http:// or https:// with a host and no path");
        let trusted_proxies = self.networks("TRUSTED_PROXIES", "addresses or networks, with commas");
        let database_url = self.understand_database_url();
        let data_dir = self.or("DATA_DIR", "./data", "a folder");
        let mail = self.understand_mail(public_url.as_ref());
        let support_email = self.optional::<mail::Correspondent>("SUPPORT_EMAIL", "an email address");
        let email_length = self.length("EMAIL", 3..=20, 1..=254, 1..=254);
        // What recovery generates is a password like any other.
        let generated = Password::GENERATED_CHARACTERS;
        let password_length = self.length("PASSWORD", 3..=20, 1..=generated, generated..=512);
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
            support_email: support_email?.map(|mail::Correspondent(email)| email),
            email_length: email_length?,
            password_length: password_length?,
            generated_password_must_change: must_change? == "true",
            hash: hash?,
            captcha: captcha? == "picture",
            throttle: throttle? == "on",
            log: log?,
        })
    }

    fn understand_database_url(&mut self) -> Option<Option<Secret>> {
        let allowed =
            "postgres://user:password@host/database, where user and password have %2F for a slash, and so on";
        let url: Option<Secret> = self.secret("DATABASE_URL", allowed)?;
        if url.as_ref().is_some_and(|url| !names_database(&url.0)) {
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
}

/// Whether sqlx reads this URL, and as it is meant. A password that holds a slash, a question mark or a hash would
/// go on behind the host, up to its at sign, and be told in logs.
fn names_database(url: &str) -> bool {
    let rest = ["postgres://", "postgresql://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let is_as_meant =
        |rest: &str| rest.find(['/', '?', '#']).is_none_or(|behind| !rest[behind..].contains('@'));
    rest.is_some_and(is_as_meant) && url.parse::<PgConnectOptions>().is_ok()
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

    /// The port.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(80)
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
pub(super) mod tests {
    use std::collections::BTreeSet;

    use super::*;

    pub fn read(variables: &[(&str, &str)]) -> Result<Config, String> {
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
        let variables = example();
        let mut settings = Settings::default();
        settings.understand();
        let named: BTreeSet<_> = variables.iter().map(|(key, _)| key[PREFIX.len()..].to_owned()).collect();
        assert_eq!(named, settings.known);
        let example = Config::from_variables(variables).unwrap();
        assert_eq!(format!("{example:?}"), format!("{:?}", read(&[]).unwrap()));
    }

    #[test]
    fn the_readmes_table_has_every_setting_of_the_example_with_the_same_default() {
        let rows =
            include_str!("../../../README.md").lines().filter_map(|line| line.strip_prefix("| `VESTIBULE_"));
        let told: Vec<(String, String)> = rows
            .map(|row| {
                let (name, row) = row.split_once("` | ").expect("a row begins with one setting");
                let (default, _) = row.split_once(" | ").expect("a row has a default");
                // What is not code says in words what the default is made of.
                let default = default.strip_prefix('`').and_then(|default| default.strip_suffix('`'));
                (format!("{PREFIX}{name}"), default.unwrap_or_default().to_owned())
            })
            .collect();
        let is_made_of_others = |key: &str| key == "VESTIBULE_MAIL_FROM";
        let defaults = example().into_iter().map(|(key, default)| {
            let default = if is_made_of_others(&key) { String::new() } else { default };
            (key, default)
        });
        assert_eq!(told, defaults.collect::<Vec<_>>());
    }

    /// Every setting that `.env.example` names, with the default that it says.
    fn example() -> Vec<(String, String)> {
        let example = include_str!("../../../.env.example");
        let lines = example.lines().filter_map(|line| line.strip_prefix('#')?.strip_prefix(PREFIX));
        let uncommented: String = lines.map(|line| format!("{PREFIX}{line}\n")).collect();
        dotenvy::from_read_iter(uncommented.as_bytes()).collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn an_unknown_setting_is_told_what_it_looks_like() {
        for (unknown, advice) in [
            ("LISTNE", "did you mean VESTIBULE_LISTEN?"),
            ("SMTP_ULR_FILE", "did you mean VESTIBULE_SMTP_URL_FILE?"),
            ("TRUSTED_PROXY", "did you mean VESTIBULE_TRUSTED_PROXIES?"),
            ("COLOUR", "see .env.example"),
        ] {
            let complaints = read(&[(&format!("{PREFIX}{unknown}"), "x")]).unwrap_err();
            assert_eq!(complaints, format!("{PREFIX}{unknown}: no such setting; {advice}"));
        }
    }

    #[test]
    fn a_secret_may_stand_in_a_file_instead() {
        let path = std::env::temp_dir().join(format!("vestibule-url-{}", std::process::id()));
        std::fs::write(&path, "postgres://u:p@host/site\n").unwrap();
        let file = ("VESTIBULE_DATABASE_URL_FILE", path.to_str().unwrap());
        let config = read(&[file]);
        let complaints = read(&[file, ("VESTIBULE_DATABASE_URL", "postgres://a")]);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(config.unwrap().database_url.unwrap().0, "postgres://u:p@host/site");
        assert_eq!(
            complaints.unwrap_err(),
            "VESTIBULE_DATABASE_URL_FILE: expected nothing where VESTIBULE_DATABASE_URL is set"
        );
        let nowhere = ("VESTIBULE_SMTP_URL_FILE", "/nowhere");
        let complaints = read(&[nowhere]).unwrap_err();
        assert_eq!(complaints, "VESTIBULE_SMTP_URL_FILE: expected a file that can be read and is not empty");
        let empty = ("VESTIBULE_DATABASE_URL_FILE", "/dev/null");
        let complaints = read(&[empty]).unwrap_err();
        assert_eq!(
            complaints,
            "VESTIBULE_DATABASE_URL_FILE: expected a file that can be read and is not empty"
        );
    }

    #[test]
    fn a_database_url_that_would_be_read_otherwise_than_it_is_meant_is_refused_and_not_repeated() {
        for good in [
            "postgres://u:a%2Fs3cret@host:5432/site?sslmode=verify-full",
            "postgres:///site?host=/run/postgresql",
            "postgres://u@%2Frun%2Fpostgresql/site",
        ] {
            read(&[("DATABASE_URL", good)]).unwrap();
        }
        for bad in [
            "mysql://host/site",
            "postgres://u:12?s3cret@host/site",
            "postgres://u:12/s3cret@host/site",
            "postgres://u:12#s3cret@host/site",
            "postgres://u:s3cret:x@host:x/site",
            "postgres://u@host/site?sslmode=s3cret",
        ] {
            let complaints = read(&[("DATABASE_URL", bad)]).unwrap_err();
            assert!(complaints.starts_with("VESTIBULE_DATABASE_URL: expected postgres://user"), "{bad}");
            assert!(!complaints.contains("s3cret") && complaints.lines().count() == 1, "{complaints}");
        }
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
        for (name, refused, allowed) in [("MAX", "18", "from 19 to 512"), ("MIN", "20", "from 1 to 19")] {
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
