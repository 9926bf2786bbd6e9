//! Other people's programs, with the configurations that the README gives for them.

use std::{
    fs::{self, File},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::support::{ScratchFolder, until};

const README: &str = include_str!("../../README.md");

/// The README's block of this kind that holds these words.
pub fn block(kind: &str, words: &str) -> String {
    let mut blocks = README.split("```").filter_map(|block| block.strip_prefix(kind));
    blocks.find(|block| block.contains(words)).expect("a block in the README").to_owned()
}

/// A configuration with something else in this place, which it must have.
pub fn with(configuration: &str, place: &str, other: &str) -> String {
    assert!(configuration.contains(place), "{place}: {configuration}");
    configuration.replace(place, other)
}

/// A port that is nobody's at this moment.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address").port()
}

/// A program that listens; it stops when its value goes.
pub struct Neighbour {
    process: Child,
    log: PathBuf,
}

impl Neighbour {
    /// Starts it, and waits until it listens on this port.
    pub async fn start(mut command: Command, folder: &ScratchFolder, port: u16) -> Self {
        let log = folder.path().join(format!("{port}.log"));
        let file = File::create(&log).expect("a log");
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("a log")).stderr(file);
        let words = format!("{command:?}: is its package installed?");
        let mut neighbour = Self { process: command.spawn().expect(&words), log };
        until("a program to listen", async || {
            assert!(matches!(neighbour.process.try_wait(), Ok(None)), "{words} {}", neighbour.log());
            TcpStream::connect(("127.0.0.1", port)).ok()
        })
        .await;
        neighbour
    }

    /// Kills it, and waits for its end.
    pub fn kill(&mut self) {
        self.process.kill().expect("a process that runs");
        self.process.wait().expect("a child of ours");
    }

    /// Waits until it says this.
    pub async fn says(&self, words: &str) {
        until(words, async || self.log().contains(words).then_some(())).await;
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        // All of them take it for a stop that waits for no client; not if it has ended already.
        if matches!(self.process.try_wait(), Ok(None)) {
            let _ = kill(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGINT);
            let _ = self.process.wait();
        }
        if thread::panicking() {
            eprintln!("{} says:\n{}", self.log.display(), self.log());
        }
    }
}

/// nginx, with what stands in its `http` block.
pub fn nginx(folder: &ScratchFolder, http: &str) -> Command {
    let at = folder.path().display();
    let configuration = format!(
        "daemon off;\npid {at}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n\
         client_body_temp_path {at}/body;\nproxy_temp_path {at}/proxy;\nfastcgi_temp_path {at}/fastcgi;\n\
         uwsgi_temp_path {at}/uwsgi;\nscgi_temp_path {at}/scgi;\n{http}\n}}\n"
    );
    let file = folder.path().join("nginx.conf");
    fs::write(&file, configuration).expect("a folder to write into");
    let mut command = Command::new("/usr/sbin/nginx");
    command.arg("-p").arg(folder.path()).arg("-c").arg(file);
    command
}

/// A server of the README's without its certificate, on this port of this machine.
pub fn without_tls(server: &str, port: u16) -> String {
    let lines = server.lines().filter(|line| !line.contains("ssl_certificate"));
    lines.map(|line| line.replace("443 ssl", &format!("127.0.0.1:{port}")) + "\n").collect()
}
