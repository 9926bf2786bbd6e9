//! A mail service that costs little: one blocking thread for each connection. It counts the letters that it
//! took by their `Message-ID`, and can refuse or break off with one in five.

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
};

/// The service, for as long as the process runs.
#[derive(Clone)]
pub struct MailService {
    port: u16,
    taken: Arc<Taken>,
}

#[derive(Default)]
struct Taken {
    /// How often each came.
    letters: Mutex<HashMap<String, u32>>,
    count: AtomicU32,
    /// Letters that were taken and not answered.
    dropped_after: AtomicU32,
    is_unreliable: AtomicBool,
}

/// What is done instead of taking a letter.
#[derive(Clone, Copy)]
enum Fault {
    Defer,
    DropInData,
    DropAfter,
}

impl MailService {
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let service = Self { port: listener.local_addr()?.port(), taken: Arc::default() };
        let taken = Arc::clone(&service.taken);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let taken = Arc::clone(&taken);
                // A client that goes away is no failure of the service's.
                thread::spawn(move || drop(taken.converse(stream)));
            }
        });
        Ok(service)
    }

    /// From now on one letter in five is deferred, or broken off with, in its middle or after its end.
    pub fn be_unreliable(&self) {
        self.taken.is_unreliable.store(true, Ordering::Relaxed);
    }

    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many letters were taken, counting each as often as it came.
    pub fn count(&self) -> u32 {
        self.taken.count.load(Ordering::Relaxed)
    }

    /// How many different letters were taken.
    pub fn different(&self) -> u32 {
        u32::try_from(self.taken.letters().len()).unwrap_or(u32::MAX)
    }

    /// How many letters were taken without an answer.
    pub fn dropped_after(&self) -> u32 {
        self.taken.dropped_after.load(Ordering::Relaxed)
    }
}

impl Taken {
    fn letters(&self) -> std::sync::MutexGuard<'_, HashMap<String, u32>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self) -> Option<Fault> {
        if !self.is_unreliable.load(Ordering::Relaxed) {
            return None;
        }
        match rand::random_range(0..15) {
            0 => Some(Fault::Defer),
            1 => Some(Fault::DropInData),
            2 => Some(Fault::DropAfter),
            _ => None,
        }
    }

    fn converse(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut output = stream.try_clone()?;
        let mut input = BufReader::new(stream);
        output.write_all(b"220 service.example ESMTP\r\n")?;
        let mut line = String::new();
        loop {
            line.clear();
            if input.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let reply: &[u8] = match line.get(..4).unwrap_or_default() {
                "EHLO" => b"250-service.example\r\n250 8BITMIME\r\n",
                "RCPT" if matches!(self.fault(), Some(Fault::Defer)) => b"450 4.2.1 later\r\n",
                "DATA" => {
                    output.write_all(b"354 go ahead\r\n")?;
                    self.take(&mut input)?
                }
                "QUIT" => return output.write_all(b"221 2.0.0 Bye\r\n"),
                _ => b"250 2.0.0 Ok\r\n",
            };
            output.write_all(reply)?;
        }
    }

    /// The message up to its dot.
    fn take(&self, input: &mut impl BufRead) -> io::Result<&'static [u8]> {
        let fault = self.fault();
        if matches!(fault, Some(Fault::DropInData)) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let (mut line, mut id) = (String::new(), String::new());
        while line != ".\r\n" {
            line.clear();
            if input.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(found) = line.strip_prefix("Message-ID: ") {
                id = found.trim().to_owned();
            }
        }
        if matches!(fault, Some(Fault::Defer)) {
            return Ok(b"451 4.3.0 later\r\n");
        }
        *self.letters().entry(id).or_default() += 1;
        self.count.fetch_add(1, Ordering::Relaxed);
        if matches!(fault, Some(Fault::DropAfter)) {
            self.dropped_after.fetch_add(1, Ordering::Relaxed);
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(b"250 2.0.0 Ok\r\n")
    }
}
