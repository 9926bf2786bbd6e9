use std::{
    fs::{self, File},
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{ScratchFolder, Visitor, until};

/// The program itself, as an operator runs it, in an environment that holds nothing but what the
/// test sets; it is killed when its value goes.
pub struct Program {
    process: Child,
    log: PathBuf,
    address: SocketAddr,
}

impl Program {
    /// Starts `vestibule serve` in a folder, on a free port unless `LISTEN` is among the settings, and waits
    /// until it is open.
    pub async fn serve(folder: &Path, settings: &[(&str, &str)]) -> Self {
        let log = folder.join("log");
        let file = File::create(&log).expect("a folder to write into");
        let usual = [("LISTEN", "127.0.0.1:0"), ("LOG_FORMAT", "json")];
        let settings: Vec<_> = usual.iter().chain(settings).copied().collect();
        let mut command = command(folder, &["serve"], &settings);
        command.stdout(file.try_clone().expect("a file")).stderr(file);
        let mut process = command.spawn().expect("the program");
        let address = until("the program to be open", async || {
            let words = fs::read_to_string(&log).unwrap_or_default();
            assert!(matches!(process.try_wait(), Ok(None)), "it ended: {words}");
            let (_, rest) = words.split_once("\"listen\":\"")?;
            rest.split('"').next()?.parse().ok()
        })
        .await;
        Self { process, log, address }
    }

    /// Runs it to its end.
    pub fn run(folder: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
        command(folder, arguments, settings).output().expect("the program")
    }

    /// Runs it to its end, in a folder of its own, while the test's servers go on answering.
    pub async fn run_beside(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
        let folder = ScratchFolder::new();
        let mut command = command(folder.path(), arguments, settings);
        tokio::task::spawn_blocking(move || command.output().expect("the program")).await.expect("its end")
    }

    /// Runs it to its end with this on its standard input.
    pub fn feed(folder: &Path, arguments: &[&str], settings: &[(&str, &str)], input: &[u8]) -> Output {
        let mut command = command(folder, arguments, settings);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the program");
        let mut stdin = process.stdin.take().expect("its input");
        stdin.write_all(input).expect("that it reads to the end");
        drop(stdin);
        process.wait_with_output().expect("its end")
    }

    /// Where it listens.
    #[allow(dead_code, reason = "for the system tests")]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Somebody with a browser of their own.
    pub fn visitor(&self) -> Visitor {
        Visitor::new(self.address, None)
    }

    /// Lets a visitor of an earlier run come back.
    pub fn welcome(&self, visitor: &mut Visitor) {
        visitor.go_to_instance(self.address);
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("its log")
    }

    /// Sends it a signal, and waits for its end.
    pub fn end(mut self, signal: Signal) -> ExitStatus {
        kill(Pid::from_raw(self.process.id().cast_signed()), signal).expect("a process that runs");
        self.process.wait().expect("a child of ours")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command(folder: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").current_dir(folder).stdin(Stdio::null());
    for (name, value) in settings {
        // TLS libraries read that one.
        let prefix = if *name == "SSL_CERT_FILE" { "" } else { "VESTIBULE_" };
        command.env(format!("{prefix}{name}"), value);
    }
    command
}
