//! A load generator that costs little, since it shares the cores with what it measures: one
//! blocking thread for each connection, HTTP/1.1 kept alive.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

/// A connection that is kept alive.
pub struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

/// An answer, as far as somebody looks at it.
pub struct Answer<'a> {
    pub status: u16,
    pub head: &'a str,
    pub body: &'a [u8],
}

impl Connection {
    pub fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::new() })
    }

    /// Sends a request and reads the whole answer, whose length must be said.
    pub fn ask(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.stream.write_all(request)?;
        self.answer.clear();
        let end = loop {
            self.read()?;
            if let Some(end) = self.answer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = std::str::from_utf8(&self.answer[..end])?;
        // 204 has no content, nor a length (RFC 9110, section 15.3.5).
        let length = if head.get(9..12) == Some("204") { 0 } else { length(head)? };
        while self.answer.len() < end + length {
            self.read()?;
        }
        let (head, body) = self.answer.split_at(end);
        let head = std::str::from_utf8(head)?;
        let status = head.get(9..12).context("no status")?.parse()?;
        Ok(Answer { status, head, body })
    }

    /// What lies under it.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    fn read(&mut self) -> anyhow::Result<()> {
        let mut piece = [0; 16 * 1024];
        let read = self.stream.read(&mut piece)?;
        ensure!(read > 0, "the server hung up");
        self.answer.extend_from_slice(&piece[..read]);
        Ok(())
    }
}

fn length(head: &str) -> anyhow::Result<usize> {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    Ok(length.context("an answer without a length")?.1.parse()?)
}

/// A request for a page, with further header lines, each ended by `\r\n`.
pub fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n").into_bytes()
}

/// A form, sent as by a browser that is on our own page.
pub fn post(path: &str, headers: &str, form: &str) -> Vec<u8> {
    let length = form.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: same-origin\r\n{headers}\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{form}"
    )
    .into_bytes()
}

/// What `connections` could get answered in a while.
pub struct Load {
    pub answers: u32,
    pub elapsed: Duration,
}

impl Load {
    pub fn per_second(&self) -> f64 {
        f64::from(self.answers) / self.elapsed.as_secs_f64()
    }

    /// What each answer took of what is counted in seconds, in milliseconds.
    pub fn milliseconds_each<const N: usize>(&self, before: [f64; N], after: [f64; N]) -> [f64; N] {
        std::array::from_fn(|what| (after[what] - before[what]) * 1e3 / f64::from(self.answers))
    }
}

/// Asks on several connections at once, each as soon as it has its answer, until `lasts` is over.
/// `request` makes the request of a connection and its turn; every answer must have this status.
pub fn run(
    address: SocketAddr,
    connections: usize,
    lasts: Duration,
    status: u16,
    request: impl Fn(usize, u32) -> Vec<u8> + Sync,
) -> anyhow::Result<Load> {
    let start = Instant::now();
    let ask = |number: usize| -> anyhow::Result<u32> {
        let mut connection = Connection::open(address)?;
        let mut answers = 0;
        while answers == 0 || start.elapsed() < lasts {
            let answer = connection.ask(&request(number, answers))?;
            ensure!(answer.status == status, "expected {status}, got {}", answer.head);
            answers += 1;
        }
        Ok(answers)
    };
    let answers: anyhow::Result<u32> = thread::scope(|scope| {
        let ask = &ask;
        let threads: Vec<_> = (0..connections).map(|number| scope.spawn(move || ask(number))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no part of it panics")).sum()
    });
    Ok(Load { answers: answers?, elapsed: start.elapsed() })
}
