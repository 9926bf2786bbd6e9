//! A mail server of the tests' own: it speaks SMTP, keeps what it is given, and can be told to
//! answer anything, to be slow, to hang or to break off at any stage.
//!
//! ```ignore
//! let sink = Sink::start().await;
//! sink.once(Stage::Rcpt, Act::Say("450 4.2.1 come back later"));
//! let letter = sink.letter_to("ann@example.com").await;
//! ```

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, tcp::OwnedWriteHalf},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

/// Where in the dialogue something is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// In place of the greeting.
    Greeting,
    /// At EHLO (and HELO).
    Ehlo,
    /// At MAIL.
    Mail,
    /// At RCPT.
    Rcpt,
    /// At the DATA command.
    Data,
    /// When the message's first line has arrived; only hanging, slowness and breaking off make sense.
    Body,
    /// When the final dot has arrived.
    Dot,
    /// At NOOP.
    Noop,
    /// At QUIT.
    Quit,
}

/// What happens there.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// This reply instead of the usual one. A letter is kept only if the reply to its dot is 2xx.
    Say(&'static str),
    /// No reply, for ever.
    Hang,
    /// The connection is closed without a reply.
    Close,
    /// The letter is kept, and the connection closed without a reply (at [`Stage::Dot`]).
    KeepAndClose,
    /// The usual reply, late.
    Slow(Duration),
}

/// A letter that was taken.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipient.
    pub to: String,
    /// The message as it travelled, dots unstuffed.
    pub raw: Vec<u8>,
}

impl Delivered {
    /// A header's text, or nothing.
    pub fn header(&self, name: &str) -> String {
        let message = mail_parser::MessageParser::default().parse(&self.raw).expect("a message");
        message.header_raw(name).unwrap_or_default().trim().to_owned()
    }

    /// The subject, decoded.
    pub fn subject(&self) -> String {
        let message = mail_parser::MessageParser::default().parse(&self.raw).expect("a message");
        message.subject().unwrap_or_default().to_owned()
    }

    /// The plain text, decoded.
    pub fn text(&self) -> String {
        let message = mail_parser::MessageParser::default().parse(&self.raw).expect("a message");
        message.body_text(0).expect("a text part").into_owned()
    }

    /// The HTML part, decoded.
    pub fn html(&self) -> String {
        let message = mail_parser::MessageParser::default().parse(&self.raw).expect("a message");
        message.body_html(0).expect("an HTML part").into_owned()
    }

    /// The generated password of the plain text.
    pub fn password(&self) -> String {
        let text = self.text();
        let password = text.split_whitespace().find(|word| is_generated_password(word));
        password.expect("a password in the letter").to_owned()
    }

    /// The first link of the plain text.
    pub fn link(&self) -> String {
        let text = self.text();
        let link = text.split_whitespace().find(|word| word.starts_with("http"));
        link.expect("a link in the letter").to_owned()
    }
}

/// Whether a word is four groups of four with hyphens between.
pub fn is_generated_password(word: &str) -> bool {
    let groups: Vec<_> = word.split('-').collect();
    groups.len() == 4 && groups.iter().all(|group| group.len() == 4)
}

/// The server; it ends with its value.
pub struct Sink {
    port: u16,
    seen: Arc<Seen>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    inner: Mutex<Inner>,
    /// Counts everything that happens, for those who wait for it.
    changes: watch::Sender<u64>,
    /// Raised to end every open connection.
    dropped: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    once: HashMap<Stage, VecDeque<Act>>,
    always: HashMap<Stage, Act>,
    extensions: Vec<&'static str>,
    letters: Vec<Delivered>,
    commands: Vec<String>,
    connections: usize,
}

/// How long a test waits for what never comes before it fails.
const PATIENCE: Duration = Duration::from_secs(30);

impl Sink {
    /// Listens on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::new(Seen::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&seen)));
        Self { port, seen, _tasks: tasks }
    }

    /// What `SMTP_URL` is to be.
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// Lets something happen the next time a stage is reached; several are used up in order.
    pub fn once(&self, stage: Stage, act: Act) {
        self.inner().once.entry(stage).or_default().push_back(act);
    }

    /// Lets something happen whenever a stage is reached.
    pub fn always(&self, stage: Stage, act: Act) {
        self.inner().always.insert(stage, act);
    }

    /// Back to the usual replies.
    pub fn behave(&self) {
        let mut inner = self.inner();
        inner.once.clear();
        inner.always.clear();
    }

    /// Offers an extension at EHLO, as `SMTPUTF8`.
    pub fn offer(&self, extension: &'static str) {
        self.inner().extensions.push(extension);
    }

    /// Ends every open connection.
    pub fn drop_connections(&self) {
        self.seen.dropped.send_modify(|count| *count += 1);
    }

    /// The letters taken so far, in order.
    pub fn letters(&self) -> Vec<Delivered> {
        self.inner().letters.clone()
    }

    /// How many letters have been taken so far.
    pub fn count(&self) -> usize {
        self.inner().letters.len()
    }

    /// The commands seen so far, in order.
    pub fn commands(&self) -> Vec<String> {
        self.inner().commands.clone()
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.inner().connections
    }

    /// Waits for the first letter to an address.
    pub async fn letter_to(&self, address: &str) -> Delivered {
        self.letters_to(address, 1).await.remove(0)
    }

    /// Waits until an address has been sent this many letters.
    pub async fn letters_to(&self, address: &str, count: usize) -> Vec<Delivered> {
        let to_them = |letter: &&Delivered| letter.to == address;
        let enough = || self.inner().letters.iter().filter(to_them).count() >= count;
        self.until(&format!("{count} letters to {address}"), enough).await;
        self.inner().letters.iter().filter(to_them).cloned().collect()
    }

    /// Waits until a command that begins so has been seen this many times.
    pub async fn command(&self, begin: &str, count: usize) {
        let begins = |command: &&String| command.starts_with(begin);
        let enough = || self.inner().commands.iter().filter(begins).count() >= count;
        self.until(&format!("{count} times {begin}"), enough).await;
    }

    /// Waits until something is true of what has been seen.
    pub async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let mut changes = self.seen.changes.subscribe();
        let waiting = async {
            while !condition() {
                changes.changed().await.expect("the sink lives");
            }
        };
        assert!(
            timeout(PATIENCE, waiting).await.is_ok(),
            "waited in vain for {what}; seen: {:#?}",
            self.commands()
        );
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.seen.inner()
    }
}

impl Seen {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, change: impl FnOnce(&mut Inner)) {
        change(&mut self.inner());
        self.changes.send_modify(|count| *count += 1);
    }

    fn act(&self, stage: Stage) -> Option<Act> {
        let mut inner = self.inner();
        let once = inner.once.get_mut(&stage).and_then(VecDeque::pop_front);
        once.or_else(|| inner.always.get(&stage).copied())
    }
}

async fn accept(listener: TcpListener, seen: Arc<Seen>) {
    let mut dialogues = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        seen.note(|inner| inner.connections += 1);
        let seen = Arc::clone(&seen);
        let mut dropped = seen.dropped.subscribe();
        dialogues.spawn(async move {
            tokio::select! {
                _ = dropped.changed() => {}
                // A client that goes away is no failure of the server's.
                _ = converse(stream, &seen) => {}
            }
        });
    }
}

/// One connection, until either side ends it.
async fn converse(stream: TcpStream, seen: &Seen) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (input, mut output) = stream.into_split();
    let mut input = BufReader::new(input);
    let (mut from, mut to) = (String::new(), String::new());
    reply(&mut output, seen, Stage::Greeting, "220 sink.example ESMTP").await?;
    while let Some(line) = next_line(&mut input).await? {
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        seen.note(|inner| inner.commands.push(line.clone()));
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" | "HELO" => reply(&mut output, seen, Stage::Ehlo, &extensions(seen)).await.map(drop)?,
            "MAIL" => {
                from = address_in(&line);
                reply(&mut output, seen, Stage::Mail, "250 2.1.0 Ok").await?;
            }
            "RCPT" => {
                to = address_in(&line);
                reply(&mut output, seen, Stage::Rcpt, "250 2.1.5 Ok").await?;
            }
            "DATA" => {
                if reply(&mut output, seen, Stage::Data, "354 go ahead").await?.starts_with('3') {
                    let raw = message(&mut input, seen).await?;
                    take(&mut output, seen, Delivered { from: from.clone(), to: to.clone(), raw }).await?;
                }
            }
            "NOOP" => reply(&mut output, seen, Stage::Noop, "250 2.0.0 Ok").await.map(drop)?,
            "RSET" => output.write_all(b"250 2.0.0 Ok\r\n").await?,
            "QUIT" => return reply(&mut output, seen, Stage::Quit, "221 2.0.0 Bye").await.map(drop),
            _ => output.write_all(b"502 5.5.2 unknown command\r\n").await?,
        }
    }
    Ok(())
}

/// Answers as told, or as usual; says what was answered. An error ends the connection.
async fn reply(output: &mut OwnedWriteHalf, seen: &Seen, stage: Stage, usual: &str) -> io::Result<String> {
    let said = match seen.act(stage) {
        None => usual,
        Some(Act::Say(words)) => words,
        Some(other) => {
            obey(other).await?;
            usual
        }
    };
    output.write_all(format!("{said}\r\n").as_bytes()).await?;
    Ok(said.to_owned())
}

/// Hangs, breaks off, or is slow.
async fn obey(act: Act) -> io::Result<()> {
    match act {
        Act::Hang => std::future::pending().await,
        Act::Close | Act::KeepAndClose => Err(io::ErrorKind::ConnectionAborted.into()),
        Act::Slow(late) => {
            sleep(late).await;
            Ok(())
        }
        Act::Say(_) => Ok(()),
    }
}

/// Answers the final dot, and keeps the letter if it was taken.
async fn take(output: &mut OwnedWriteHalf, seen: &Seen, letter: Delivered) -> io::Result<()> {
    let act = seen.act(Stage::Dot);
    let said = match act {
        Some(Act::Say(words)) => words,
        _ => "250 2.0.0 Ok: queued",
    };
    // Before the reply, so that whoever hears it finds the letter here.
    if said.starts_with('2') && !matches!(act, Some(Act::Hang | Act::Close)) {
        seen.note(|inner| inner.letters.push(letter));
    }
    if let Some(act) = act {
        obey(act).await?;
    }
    output.write_all(format!("{said}\r\n").as_bytes()).await
}

/// The message up to its dot, dots unstuffed (RFC 5321, section 4.5.2).
async fn message(input: &mut (impl AsyncBufReadExt + Unpin), seen: &Seen) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    while let Some(line) = next_line(input).await? {
        if message.is_empty()
            && let Some(act) = seen.act(Stage::Body)
        {
            obey(act).await?;
        }
        match line.as_slice() {
            b".\r\n" => return Ok(message),
            [b'.', rest @ ..] => message.extend_from_slice(rest),
            whole => message.extend_from_slice(whole),
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

async fn next_line(input: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    Ok((input.read_until(b'\n', &mut line).await? > 0).then_some(line))
}

fn extensions(seen: &Seen) -> String {
    let mut lines = vec!["sink.example", "8BITMIME"];
    lines.extend(&seen.inner().extensions);
    let last = lines.len() - 1;
    let numbered = lines.iter().enumerate().map(|(at, line)| {
        let mark = if at == last { ' ' } else { '-' };
        format!("250{mark}{line}")
    });
    numbered.collect::<Vec<_>>().join("\r\n")
}

fn address_in(line: &str) -> String {
    let address = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    address.map(|(address, _)| address.to_owned()).unwrap_or_default()
}
