//! One conversation with the mail service, over a stream of our own.
//!
//! lettre speaks the protocol; its pooled transport is not used, since it has no limit for a reply,
//! takes back connections that were abandoned in the middle of a dialogue (the next letter then
//! reads the last one's reply), and writes without `TCP_NODELAY`. Here every step has a limit, and
//! only a connection whose last dialogue ended well is used again.

use std::{error::Error as _, io, net::IpAddr, sync::Arc, time::Duration};

use lettre::{
    address::Envelope,
    transport::smtp::{
        Error,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, AsyncTokioStream, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
        response::{Response, Severity},
    },
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout_at},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{self, pki_types::ServerName},
};

use super::{measured_stream::MeasuredStream, transport::Outcome};
use crate::platform::{
    config::{SmtpService, SmtpTls},
    tls,
};

/// No step of a dialogue takes longer.
const STEP: Duration = Duration::from_secs(30);
/// An address of the mail service that does not answer leaves time for its next one.
const CONNECT: Duration = Duration::from_secs(10);
/// Courtesies, as NOOP before a dialogue and QUIT after it, take no longer.
const COURTESY: Duration = Duration::from_secs(2);
/// A connection that was used so lately is used again without asking whether it answers.
const TRUSTED: Duration = Duration::from_secs(1);
/// A connection that has rested for longer is not used again.
const REST: Duration = Duration::from_secs(20);

/// What is told of an answer that makes no sense.
const UNREADABLE: &str = "our mail service's answer could not be read";

/// Hands letters to the mail service, one at a time over one connection that it keeps.
pub(super) struct SmtpSender {
    relay: Arc<Relay>,
    /// A connection whose last dialogue ended well, and when.
    resting: Option<(AsyncSmtpConnection, Instant)>,
}

impl Clone for SmtpSender {
    /// The same mail service, over a connection of its own.
    fn clone(&self) -> Self {
        Self { relay: Arc::clone(&self.relay), resting: None }
    }
}

/// How the mail service is reached.
struct Relay {
    service: SmtpService,
    hello: ClientId,
    tls: Tls,
}

enum Tls {
    Off,
    Upgraded { parameters: TlsParameters, required: bool },
    Wrapped { connector: TlsConnector, name: ServerName<'static> },
}

/// Why a step did not end well.
enum Trouble {
    TooSlow,
    NoConnection(io::Error),
    /// The answer is too long, or no answer at all as RFC 5321 has it.
    Unreadable(Error),
    Smtp(Error),
}

impl SmtpSender {
    /// # Errors
    /// When TLS is wanted and cannot be set up.
    pub fn new(service: SmtpService, public_host: &str) -> anyhow::Result<Self> {
        let tls = Tls::new(&service)?;
        let relay = Relay { service, hello: hello(public_host), tls };
        Ok(Self { relay: Arc::new(relay), resting: None })
    }

    /// Hands one letter over, before `deadline` or not at all.
    pub async fn deliver(&mut self, envelope: &Envelope, raw: &[u8], deadline: Instant) -> Outcome {
        // One that has just been used is not asked whether it still answers: that would cost every letter of
        // a long queue a round trip. Where it does not, nothing was sent yet.
        let trusted = self.resting.take_if(|(_, since)| since.elapsed() <= TRUSTED);
        if let Some((connection, _)) = trusted
            && let Ok(outcome) = self.deliver_over(connection, envelope, raw, deadline).await
        {
            return outcome;
        }
        match self.connection(deadline).await {
            Ok(connection) => {
                let outcome = self.deliver_over(connection, envelope, raw, deadline).await;
                outcome.unwrap_or_else(|trouble| judge(&trouble, Outcome::TryLater))
            }
            Err(trouble) => not_connected(&trouble),
        }
    }

    /// The same over one connection, which rests afterwards where all went well; an error where it had ended
    /// before.
    async fn deliver_over(
        &mut self,
        mut connection: AsyncSmtpConnection,
        envelope: &Envelope,
        raw: &[u8],
        deadline: Instant,
    ) -> Result<Outcome, Trouble> {
        let outcome = hand_over(&mut connection, envelope, raw, deadline).await?;
        match outcome {
            Outcome::HandedOver(_) => self.resting = Some((connection, Instant::now())),
            Outcome::TryLater(_) | Outcome::Never(_) => quit(connection, deadline).await,
            Outcome::NoService(_) | Outcome::Unknown(_) => {}
        }
        Ok(outcome)
    }

    /// Opens a connection as for a letter, and ends it. Says in words how far that went, with the mail service's
    /// own where it gave some.
    pub async fn hand_shake(&self, deadline: Instant) -> Result<String, String> {
        let SmtpService { host, port, credentials, .. } = &self.relay.service;
        match self.relay.open(deadline).await {
            Ok(connection) => {
                let is_over_tls = connection.is_encrypted() || matches!(self.relay.tls, Tls::Wrapped { .. });
                quit(connection, deadline).await;
                let tls = if is_over_tls { "over TLS" } else { "without TLS" };
                let log_in = if credentials.is_some() { "lets us in" } else { "asks for no log in" };
                Ok(format!("{host}:{port} answers {tls} and {log_in}"))
            }
            Err(trouble) => Err(format!("{host}:{port}: {}", in_full(&trouble))),
        }
    }

    /// Ends a connection that has not been used for a while.
    pub async fn rest(&mut self) {
        if self.resting.as_ref().is_some_and(|(_, since)| since.elapsed() > REST) {
            self.hang_up().await;
        }
    }

    /// Ends the connection.
    pub async fn hang_up(&mut self) {
        if let Some((connection, _)) = self.resting.take() {
            quit(connection, Instant::now() + COURTESY).await;
        }
    }

    /// The resting connection where it still answers, or a new one.
    async fn connection(&mut self, deadline: Instant) -> Result<AsyncSmtpConnection, Trouble> {
        let rested = self.resting.take().filter(|(_, since)| since.elapsed() <= REST);
        if let Some((mut connection, _)) = rested
            && timeout_at(deadline.min(Instant::now() + COURTESY), connection.test_connected()).await
                == Ok(true)
        {
            return Ok(connection);
        }
        self.relay.open(deadline).await
    }
}

impl Relay {
    async fn open(&self, deadline: Instant) -> Result<AsyncSmtpConnection, Trouble> {
        let stream = self.connect(deadline).await?;
        let stream: Box<dyn AsyncTokioStream> = match &self.tls {
            Tls::Wrapped { connector, name } => {
                let wrapped = connector.connect(name.clone(), stream);
                Box::new(MeasuredStream::wrapped(within(deadline, wrapped).await?)?)
            }
            _ => Box::new(MeasuredStream::plain(stream)?),
        };
        let greeted = AsyncSmtpConnection::connect_with_transport(stream, &self.hello);
        let mut connection = within(deadline, greeted).await?;
        if let Tls::Upgraded { parameters, required } = &self.tls
            && (*required || connection.can_starttls())
        {
            within(deadline, connection.starttls(parameters.clone(), &self.hello)).await?;
        }
        if let Some((user, password)) = &self.service.credentials {
            let credentials = Credentials::new(user.clone(), password.0.clone());
            within(deadline, connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials)).await?;
        }
        Ok(connection)
    }

    /// The first of the service's addresses that answers.
    async fn connect(&self, deadline: Instant) -> Result<TcpStream, Trouble> {
        let service = (self.service.host.as_str(), self.service.port);
        let mut trouble = Trouble::NoConnection(io::ErrorKind::NotFound.into());
        for address in within(deadline, lookup_host(service)).await? {
            match within(deadline.min(Instant::now() + CONNECT), TcpStream::connect(address)).await {
                Ok(stream) => {
                    // A message is two writes, and the second would wait for the first's receipt.
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(failed) => trouble = failed,
            }
        }
        Err(trouble)
    }
}

impl Tls {
    fn new(service: &SmtpService) -> anyhow::Result<Self> {
        Ok(match service.tls {
            SmtpTls::Plain => Self::Off,
            SmtpTls::Opportunistic | SmtpTls::Required => Self::Upgraded {
                parameters: TlsParameters::new(service.host.clone())?,
                required: service.tls == SmtpTls::Required,
            },
            SmtpTls::Wrapped => Self::Wrapped {
                connector: tls::connector()?,
                name: ServerName::try_from(service.host.clone())?,
            },
        })
    }
}

/// How we name ourselves to the mail service (RFC 5321, section 4.1.1.1).
fn hello(public_host: &str) -> ClientId {
    match public_host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(address)) => ClientId::Ipv4(address),
        Ok(IpAddr::V6(address)) => ClientId::Ipv6(address),
        Err(_) => ClientId::Domain(public_host.to_owned()),
    }
}

/// The dialogue of one letter, each step with its limit; an error where the connection had ended before it.
async fn hand_over(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    raw: &[u8],
    deadline: Instant,
) -> Result<Outcome, Trouble> {
    let Some(parameters) = parameters(connection, envelope, raw) else {
        let words = "our mail service takes no address with letters beyond ASCII before the @ sign";
        return Ok(Outcome::Never(words.to_owned()));
    };
    let mail = Mail::new(envelope.from().cloned(), parameters);
    match within(deadline, connection.command(mail)).await {
        // 421: the service closes the connection (RFC 5321, section 3.8).
        Err(Trouble::Smtp(error)) if error.status().is_none_or(|code| u16::from(code) == 421) => {
            return Err(Trouble::Smtp(error));
        }
        Err(Trouble::NoConnection(error)) => return Err(Trouble::NoConnection(error)),
        Err(trouble) => return Ok(judge(&trouble, Outcome::TryLater)),
        Ok(_) => {}
    }
    if let Err(trouble) = announce(connection, envelope, deadline).await {
        return Ok(judge(&trouble, Outcome::TryLater));
    }
    Ok(match within(deadline, connection.message(raw)).await {
        Ok(reply) if reply.code().severity == Severity::PositiveCompletion => {
            Outcome::HandedOver(said(&reply))
        }
        Ok(reply) => Outcome::Unknown(said(&reply)),
        // The last byte may have arrived, and only the reply been lost.
        Err(trouble) => judge(&trouble, Outcome::Unknown),
    })
}

/// What MAIL has to say of the letter, or `None` where it needs SMTPUTF8 (RFC 6531) and the service
/// lacks it.
fn parameters(
    connection: &AsyncSmtpConnection,
    envelope: &Envelope,
    raw: &[u8],
) -> Option<Vec<MailParameter>> {
    let mut parameters = Vec::new();
    let mut addresses = envelope.from().into_iter().chain(envelope.to());
    if addresses.any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            return None;
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !raw.is_ascii() {
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    Some(parameters)
}

async fn announce(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    deadline: Instant,
) -> Result<(), Trouble> {
    for recipient in envelope.to() {
        within(deadline, connection.command(Rcpt::new(recipient.clone(), Vec::new()))).await?;
    }
    within(deadline, connection.command(Data)).await?;
    Ok(())
}

/// One step, which ends with the attempt or after [`STEP`], whichever comes first.
async fn within<T, E: Into<Trouble>>(
    deadline: Instant,
    step: impl Future<Output = Result<T, E>>,
) -> Result<T, Trouble> {
    match timeout_at(deadline.min(Instant::now() + STEP), step).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(Trouble::TooSlow),
    }
}

/// What went wrong, for operators: with its cause.
fn in_full(trouble: &Trouble) -> String {
    match trouble {
        Trouble::TooSlow => "it did not answer in time".to_owned(),
        Trouble::NoConnection(error) => format!("it could not be reached: {error}"),
        Trouble::Unreadable(_) => "its answer could not be read".to_owned(),
        Trouble::Smtp(error) => format!("it did not let us in: {error}"),
    }
}

/// Good-bye, to a service that may not be listening any more.
async fn quit(mut connection: AsyncSmtpConnection, deadline: Instant) {
    let _ = timeout_at(deadline.min(Instant::now() + COURTESY), connection.quit()).await;
}

/// Whatever goes wrong before the first letter is announced says nothing about the letter, not
/// even 5xx: the service greets nobody (554), or our own log in is wrong (535).
fn not_connected(trouble: &Trouble) -> Outcome {
    let words = match trouble {
        Trouble::TooSlow => "our mail service did not answer in time",
        Trouble::NoConnection(_) => "our mail service could not be reached",
        Trouble::Unreadable(_) => UNREADABLE,
        Trouble::Smtp(_) => "our mail service did not let us in",
    };
    match trouble {
        Trouble::TooSlow => tracing::warn!("the mail service did not answer in time"),
        Trouble::NoConnection(error) => tracing::warn!(%error, "the mail service could not be reached"),
        // Its own words are quoted: a log is looked at in a terminal.
        Trouble::Unreadable(error) => {
            tracing::warn!(error = error.to_string(), "the mail service's answer could not be read");
        }
        Trouble::Smtp(error) => {
            tracing::warn!(error = error.to_string(), "the mail service did not let us in");
        }
    }
    Outcome::NoService(words.to_owned())
}

/// What a failed step means for the letter: the service's word where it gave one, else `silence`.
fn judge(trouble: &Trouble, silence: fn(String) -> Outcome) -> Outcome {
    match trouble {
        Trouble::TooSlow => silence("our mail service did not answer in time".to_owned()),
        Trouble::NoConnection(_) => silence("the connection to our mail service broke off".to_owned()),
        Trouble::Unreadable(_) => silence(UNREADABLE.to_owned()),
        Trouble::Smtp(error) => match error.status() {
            None => silence("the connection to our mail service broke off".to_owned()),
            Some(code) => {
                let source = error.source().map(ToString::to_string);
                let words = format!("{code} {}", source.unwrap_or_default());
                if error.is_permanent() && !wants_log_in(code.into()) {
                    Outcome::Never(words)
                } else {
                    Outcome::TryLater(words)
                }
            }
        },
    }
}

/// RFC 4954, section 6: these are about how we logged in, not about the letter.
fn wants_log_in(code: u16) -> bool {
    matches!(code, 530 | 534 | 535 | 538)
}

fn said(reply: &Response) -> String {
    format!("{} {}", reply.code(), reply.message().collect::<Vec<_>>().join(" "))
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::NoConnection(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        if is_unreadable(&error) { Self::Unreadable(error) } else { Self::Smtp(error) }
    }
}

/// Whether the answer is at fault, and not the network, TLS or what was said.
fn is_unreadable(error: &Error) -> bool {
    let failed = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    let is_invalid = |failed: &io::Error| {
        let of_tls = failed.get_ref().is_some_and(|cause| cause.is::<rustls::Error>());
        failed.kind() == io::ErrorKind::InvalidData && !of_tls
    };
    error.is_response() || failed.is_some_and(is_invalid)
}

#[cfg(test)]
mod tests {
    use lettre::Address;
    use tokio::{
        io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
        net::TcpListener,
    };

    use super::*;

    /// What becomes of a letter whose recipient is answered with these bytes, after which the
    /// service keeps quiet or breaks off.
    async fn answered(answer: Vec<u8>, breaks_off: bool) -> Outcome {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let service = async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (input, mut output) = stream.into_split();
            let mut commands = BufReader::new(input).lines();
            output.write_all(b"220 relay.example\r\n").await.unwrap();
            while let Ok(Some(command)) = commands.next_line().await {
                let answers_with_it = command.starts_with("RCPT");
                let answer = if answers_with_it { &answer[..] } else { b"250 Ok\r\n" };
                // A client that stops reading hangs up while this is being written.
                if output.write_all(answer).await.is_err() || (answers_with_it && breaks_off) {
                    break;
                }
            }
        };
        let deliver = async {
            let host = "127.0.0.1".to_owned();
            let service = SmtpService { host, port, tls: SmtpTls::Plain, credentials: None };
            let [from, to] = ["site@a.example", "ann@b.example"].map(|to| to.parse::<Address>().unwrap());
            let envelope = Envelope::new(Some(from), vec![to]).unwrap();
            let mut sender = SmtpSender::new(service, "a.example").unwrap();
            sender.deliver(&envelope, b"Subject: x\r\n\r\nx", Instant::now() + STEP).await
        };
        let relay = tokio::spawn(service);
        let outcome = deliver.await;
        relay.abort();
        outcome
    }

    #[tokio::test]
    async fn an_answer_without_measure_is_not_read_to_its_end() {
        let many_lines = format!("{}550 no\r\n", "550-no\r\n".repeat(200));
        let many_bytes = format!("{}550 no\r\n", format!("550-{}\r\n", "x".repeat(500)).repeat(40));
        let no_line = "5".repeat(1_000_000);
        for answer in [many_lines, many_bytes, no_line] {
            let outcome = answered(answer.into_bytes(), false).await;
            assert_eq!(outcome, Outcome::TryLater(UNREADABLE.to_owned()));
        }
    }

    #[tokio::test]
    async fn an_answer_that_makes_no_sense_is_told_as_such() {
        for answer in [&b"999 what\r\n"[..], b"550 \xff\r\n", b"\r\n", b"hello\r\n", b"250-Ok\r\n999 no\r\n"]
        {
            let outcome = answered(answer.to_vec(), false).await;
            assert_eq!(outcome, Outcome::TryLater(UNREADABLE.to_owned()), "{}", answer.escape_ascii());
        }
    }

    #[tokio::test]
    async fn a_connection_that_breaks_off_is_told_as_such() {
        for answer in [&b""[..], b"550", b"550-no\r\n"] {
            let outcome = answered(answer.to_vec(), true).await;
            let words = "the connection to our mail service broke off".to_owned();
            assert_eq!(outcome, Outcome::TryLater(words), "{}", answer.escape_ascii());
        }
    }
}
