use std::{
    fs::{self, File, Permissions},
    net::SocketAddr,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use nix::unistd::{Uid, User};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::{JoinHandle, JoinSet},
};

use crate::{
    neighbours::free_port,
    support::{ScratchFolder, until},
};

/// Who may hand letters in, and by what password.
const LETTERS: &str = "letters";
const PASSWORD: &str = "a%b:c@d";

/// Debian's postfix with a configuration, a spool and ports of this test's own. It takes letters from who
/// has logged in over TLS, keeps those to `@example.com` whose mailbox there is, greylists `grey@example.com`,
/// and hands on those to `@elsewhere.example`.
pub struct Postfix {
    folder: ScratchFolder,
    submission: u16,
    wrapped: u16,
    _greylist: JoinHandle<()>,
}

impl Postfix {
    /// Starts it; it listens when this returns. Mail to `@elsewhere.example` goes on to `next_hop`.
    pub async fn start(next_hop: &str) -> Self {
        assert!(Uid::effective().is_root(), "postfix starts as root alone: run the system tests as root");
        let folder = ScratchFolder::new();
        let [submission, wrapped] = [free_port(), free_port()];
        let (greylist, greylist_address) = greylist().await;
        let postfix =
            User::from_name("postfix").expect("users").expect("the user postfix: apt install postfix");
        for part in ["config", "config/sasl", "spool", "data", "mail"] {
            fs::create_dir(folder.path().join(part)).expect("a folder");
        }
        for part in ["data", "mail"] {
            let owner = (Some(postfix.uid.as_raw()), Some(postfix.gid.as_raw()));
            chown(folder.path().join(part), owner.0, owner.1).expect("to give a folder away");
        }
        certify(folder.path());
        add_user(&folder.path().join("config/sasl"));
        write(folder.path(), "config/main.cf", &main_cf(folder.path(), &postfix, greylist_address, next_hop));
        write(folder.path(), "config/master.cf", &master_cf(folder.path(), submission, wrapped));
        install(folder.path());
        let postfix = Self { folder, submission, wrapped, _greylist: greylist };
        assert!(postfix.is_done("start"), "postfix does not start: {}", postfix.log());
        postfix
    }

    /// Has this instance start or stop. Either has happened when it returns, and is found by its own pid file.
    fn is_done(&self, what: &str) -> bool {
        let log = File::options().create(true).append(true).open(self.folder.path().join("start.log"));
        let log = log.expect("a log");
        let mut command = Command::new("/usr/sbin/postfix");
        command.arg("-c").arg(self.folder.path().join("config")).arg(what).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a log")).stderr(log);
        command.status().is_ok_and(|ended| ended.success())
    }

    /// What `SMTP_URL` is to be for STARTTLS.
    pub fn starttls_url(&self) -> String {
        format!("smtp://{LETTERS}:{}@localhost:{}?tls=required", encoded(PASSWORD), self.submission)
    }

    /// What it is to be for TLS from the first byte.
    pub fn wrapped_url(&self) -> String {
        format!("smtps://{LETTERS}:{}@localhost:{}", encoded(PASSWORD), self.wrapped)
    }

    /// The certificate to trust.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("config/cert.pem")
    }

    /// Where the program that takes reports runs, with its settings in `.env`.
    pub fn install(&self, database_url: &str) {
        write(self.folder.path(), "site/.env", &format!("DATABASE_URL={database_url}\n"));
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("mail.log")).unwrap_or_default()
    }

    /// Waits until it logs this.
    pub async fn logs(&self, words: &str) {
        let log = self.folder.path().join("mail.log");
        until(&format!("{words} in {}", log.display()), async || self.log().contains(words).then_some(()))
            .await;
    }

    /// Waits for the letter in a mailbox.
    pub async fn letter_to(&self, mailbox: &str) -> PathBuf {
        let new = self.folder.path().join("mail").join(mailbox).join("new");
        until(&format!("a letter to {mailbox}"), async || {
            Some(fs::read_dir(&new).ok()?.next()?.expect("a folder").path())
        })
        .await
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let stopped = self.is_done("stop");
        if std::thread::panicking() {
            eprintln!("postfix logged:\n{}", self.log());
        } else {
            assert!(stopped, "postfix does not stop: {}", self.log());
        }
    }
}

fn main_cf(folder: &Path, postfix: &User, greylist: SocketAddr, next_hop: &str) -> String {
    let (at, uid, gid) = (folder.display(), postfix.uid, postfix.gid);
    format!(
        "compatibility_level = 3.6
queue_directory = {at}/spool
data_directory = {at}/data
maillog_file = {at}/mail.log
maillog_file_prefixes = {at}
myhostname = mx.vestibule.example
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks =
smtpd_tls_chain_files = {at}/config/key.pem, {at}/config/cert.pem
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_local_domain = $myhostname
cyrus_sasl_config_path = {at}/config/sasl
smtpd_client_restrictions = permit_sasl_authenticated, reject
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = check_policy_service inet:{greylist}
mydestination =
local_recipient_maps =
virtual_mailbox_domains = example.com
virtual_mailbox_maps = inline:{{ {{ ann@example.com = ann/ }}, {{ bob@example.com = bob/ }}, {{ grey@example.com = grey/ }}, \
         {{ rsa@example.com = rsa/ }}, {{ ed25519@example.com = ed25519/ }} }}
virtual_mailbox_base = {at}/mail
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
relay_domains = elsewhere.example, vestibule.example
recipient_delimiter = +
transport_maps = inline:{{ {{ elsewhere.example = smtp:{next_hop} }}, \
         {{ bounce@vestibule.example = vestibule-bounces: }} }}
vestibule-bounces_destination_recipient_limit = 1
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
"
    )
}

/// Debian's services without what listens on ports of their own, and the one of the README.
fn master_cf(folder: &Path, submission: u16, wrapped: u16) -> String {
    let at = folder.display();
    let readme = include_str!("../../README.md");
    let service = readme.split("```\n").find(|block| block.starts_with("vestibule-bounces unix"));
    let service = service.expect("the service in the README");
    let service = service
        .replace("user=vestibule", "user=postgres")
        .replace("/etc/vestibule-bounces", &format!("{at}/site"))
        .replace("/usr/local/bin/vestibule", &format!("{at}/site/vestibule"));
    format!(
        "127.0.0.1:{submission} inet n - n - - smtpd
127.0.0.1:{wrapped} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
{service}"
    )
}

/// Puts the program where whoever runs it for postfix can reach it.
fn install(folder: &Path) {
    let site = folder.join("site");
    fs::create_dir(&site).expect("a folder");
    fs::copy(env!("CARGO_BIN_EXE_vestibule"), site.join("vestibule")).expect("the program");
    fs::set_permissions(site.join("vestibule"), Permissions::from_mode(0o755)).expect("its mode");
}

fn certify(folder: &Path) {
    let config = folder.join("config");
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]);
    openssl.args([
        "-addext",
        "subjectAltName=DNS:localhost",
        "-addext",
        "basicConstraints=critical,CA:false",
    ]);
    openssl.arg("-keyout").arg(config.join("key.pem")).arg("-out").arg(config.join("cert.pem"));
    let made = openssl.output().expect("openssl: apt install openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn add_user(sasl: &Path) {
    let users = sasl.join("users");
    let conf = format!(
        "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\nsasldb_path: {}\n",
        users.display()
    );
    fs::write(sasl.join("smtpd.conf"), conf).expect("a file");
    let mut saslpasswd = Command::new("saslpasswd2");
    saslpasswd.args(["-p", "-c", "-u", "mx.vestibule.example", "-f"]).arg(&users).arg(LETTERS);
    let mut saslpasswd = saslpasswd
        .stdin(Stdio::piped())
        .spawn()
        .expect("saslpasswd2: apt install sasl2-bin libsasl2-modules");
    let mut stdin = saslpasswd.stdin.take().expect("its input");
    std::io::Write::write_all(&mut stdin, PASSWORD.as_bytes()).expect("its input");
    drop(stdin);
    assert!(saslpasswd.wait().expect("its end").success());
    fs::set_permissions(&users, Permissions::from_mode(0o644)).expect("its mode");
}

/// A policy server (Postfix SMTPD_POLICY_README) that puts off the first try at `grey@example.com`.
async fn greylist() -> (JoinHandle<()>, SocketAddr) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let serving = tokio::spawn(async move {
        let is_known = Arc::new(AtomicBool::new(false));
        // Each of postfix's processes keeps a connection open.
        let mut answering = JoinSet::new();
        while let Ok((connection, _)) = listener.accept().await {
            answering.spawn(answer(connection, Arc::clone(&is_known)));
        }
    });
    (serving, address)
}

async fn answer(connection: TcpStream, is_known: Arc<AtomicBool>) {
    let (read, mut write) = connection.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut action = "dunno";
    while let Ok(Some(line)) = lines.next_line().await {
        if line == "recipient=grey@example.com" && !is_known.swap(true, Ordering::Relaxed) {
            action = "defer 4.2.0 greylisted, come back later";
        }
        if line.is_empty() {
            let _ = write.write_all(format!("action={action}\n\n").as_bytes()).await;
            action = "dunno";
        }
    }
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn write(folder: &Path, file: &str, text: &str) {
    fs::write(folder.join(file), text).expect("a folder to write into");
}
