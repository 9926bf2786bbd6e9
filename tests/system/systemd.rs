//! The service that the README gives for systemd, as systemd itself reads it.

use std::{
    fs,
    process::{Command, Output},
};

use crate::{
    neighbours::{block, with},
    support::ScratchFolder,
};

/// How open to attack a service may be, in tenths: from 0 to 100, and one without any of it has 96.
const MOST_EXPOSED: &str = "--threshold=15";

fn analyze(arguments: &[&str], folder: &ScratchFolder) -> Output {
    let mut command = Command::new("systemd-analyze");
    command.args(arguments).arg(folder.path().join("vestibule.service"));
    command.output().expect("systemd-analyze: apt install systemd")
}

#[test]
fn the_readmes_service_is_understood_and_may_do_little() {
    let folder = ScratchFolder::new();
    let service = block("ini\n", "[Install]");
    let service = with(&service, "/usr/local/bin/vestibule", env!("CARGO_BIN_EXE_vestibule"));
    fs::write(folder.path().join("vestibule.service"), service).expect("a file");
    let beside = folder.path().join("vestibule.service.d");
    fs::create_dir(&beside).expect("a folder");
    fs::write(beside.join("dkim.conf"), block("ini\n", "dkim.pem")).expect("a file");

    // What it does not understand it says, and goes on.
    let verified = analyze(&["verify", "--man=no"], &folder);
    let words = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && !words.contains("vestibule"), "{words}");
    let rated = analyze(&["security", "--offline=true", "--no-pager", MOST_EXPOSED], &folder);
    assert!(rated.status.success(), "{}", String::from_utf8_lossy(&rated.stdout));
}
