//! A database that fails: two PostgreSQL servers with synchronous replication, HAProxy with the README's
//! configuration before them, and the primary killed in a storm of registrations.

use std::{
    fs,
    net::SocketAddr,
    os::unix::{
        fs::{DirBuilderExt, chown},
        process::CommandExt,
    },
    path::PathBuf,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use nix::unistd::{Uid, User};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{
    are_well,
    neighbours::{Neighbour, block, free_port, with},
    support::{Form, PASSWORD, Program, ScratchFolder, Sink, Visitor, until},
};

/// One of the two servers, and who says whether it is the primary.
struct Node {
    postgres: Neighbour,
    port: u16,
    /// Where `OPTIONS /primary` is answered, as by Patroni.
    health_port: u16,
    _health: JoinSet<()>,
}

impl Node {
    /// A server of its own, with the empty database.
    async fn primary(folder: &ScratchFolder) -> Self {
        let data = home(folder, "primary");
        let mut initdb = postgres("initdb");
        initdb.args(["--username=vestibule", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]);
        run(initdb.args(["--no-sync", "--no-instructions", "-D"]).arg(&data));
        let node = Self::start(folder, data).await;
        execute(node.port, "template1", "create database vestibule").await;
        node
    }

    /// A server that repeats what another does.
    async fn standby(folder: &ScratchFolder, primary: &Self) -> Self {
        let data = home(folder, "standby");
        let mut copy = postgres("pg_basebackup");
        copy.args(["--host=127.0.0.1", "--username=vestibule", &format!("--port={}", primary.port)]);
        copy.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "-D"]);
        run(copy.arg(&data));
        Self::start(folder, data).await
    }

    async fn start(folder: &ScratchFolder, data: PathBuf) -> Self {
        let port = free_port();
        let mut command = postgres("postgres");
        command.arg("-D").arg(data).args(["-c", "listen_addresses=127.0.0.1"]);
        command.args(["-c", &format!("port={port}"), "-c", "unix_socket_directories="]);
        let postgres = Neighbour::start(command, folder, port).await;
        until("PostgreSQL to answer", async || ask(port, "select true").await.ok()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let health_port = listener.local_addr().expect("an address").port();
        let mut health = JoinSet::new();
        health.spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tell(connection, port).await;
            }
        });
        Self { postgres, port, health_port, _health: health }
    }
}

/// Where a cluster is to be made.
fn home(folder: &ScratchFolder, name: &str) -> PathBuf {
    let data = folder.path().join(name);
    fs::DirBuilder::new().mode(0o700).create(&data).expect("a folder");
    let (uid, gid) = owner();
    chown(&data, Some(uid), Some(gid)).expect("to give a folder away");
    data
}

/// One of PostgreSQL's programs, which do not run as root.
fn postgres(program: &str) -> Command {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let paths = versions.map(|version| version.path().join("bin").join(program));
    let path = paths.filter(|path| path.exists()).max().expect("PostgreSQL: apt install postgresql");
    let (uid, gid) = owner();
    let mut command = Command::new(path);
    command.uid(uid).gid(gid).current_dir("/").env("LC_ALL", "C.UTF-8");
    command
}

fn owner() -> (u32, u32) {
    assert!(Uid::effective().is_root(), "run the system tests as root");
    let user =
        User::from_name("postgres").expect("users").expect("the user postgres: apt install postgresql");
    (user.uid.as_raw(), user.gid.as_raw())
}

fn run(command: &mut Command) {
    let ended = command.output().expect("a program of PostgreSQL's");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

async fn connect(port: u16, database: &str) -> sqlx::Result<PgConnection> {
    PgConnection::connect(&format!("postgres://vestibule@127.0.0.1:{port}/{database}")).await
}

async fn execute(port: u16, database: &str, statement: &'static str) {
    let mut connection = connect(port, database).await.expect("a connection");
    sqlx::raw_sql(statement).execute(&mut connection).await.expect(statement);
}

async fn ask(port: u16, question: &str) -> sqlx::Result<bool> {
    let mut connection = connect(port, "template1").await?;
    sqlx::query_scalar(AssertSqlSafe(question.to_owned())).fetch_one(&mut connection).await
}

/// Answers `OPTIONS /primary` as Patroni does: 200 where the server takes writes, else 503.
async fn tell(mut connection: TcpStream, port: u16) {
    let mut request = [0; 1024];
    let read = connection.read(&mut request).await.unwrap_or_default();
    assert!(request[..read].starts_with(b"OPTIONS /primary "));
    let is_primary = ask(port, "select not pg_is_in_recovery()").await.unwrap_or_default();
    let status = if is_primary { "200 OK" } else { "503 Service Unavailable" };
    let _ = connection.write_all(format!("HTTP/1.0 {status}\r\n\r\n").as_bytes()).await;
}

/// The README's HAProxy before two nodes.
async fn haproxy(folder: &ScratchFolder, nodes: [&Node; 2]) -> (Neighbour, u16) {
    let port = free_port();
    let mut configuration =
        with(&block("haproxy\n", "/primary"), "127.0.0.1:5000", &format!("127.0.0.1:{port}"));
    for (address, node) in
        ["10.0.0.11:5432 check port 8008", "10.0.0.12:5432 check port 8008"].iter().zip(nodes)
    {
        let here = format!("127.0.0.1:{} check port {}", node.port, node.health_port);
        configuration = with(&configuration, address, &here);
    }
    let file = folder.path().join("haproxy.cfg");
    fs::write(&file, configuration).expect("a folder to write into");
    let mut command = Command::new("/usr/sbin/haproxy");
    command.arg("-db").arg("-f").arg(file);
    (Neighbour::start(command, folder, port).await, port)
}

/// Many people who register, and what they heard.
#[derive(Default)]
struct Storm {
    /// The addresses whose form was answered 303.
    accepted: Mutex<Vec<String>>,
    /// How many answers were 503.
    refused: AtomicUsize,
    is_over: AtomicBool,
}

impl Storm {
    /// Registers one address after the other until it is over.
    async fn rage(self: Arc<Self>, site: SocketAddr, who: usize) {
        let mut visitor = Visitor::new(site, None);
        for number in 0.. {
            if self.is_over.load(Ordering::Relaxed) {
                break;
            }
            let email = format!("p{who}-{number}@example.com");
            let form = self.form(&mut visitor).await.fill("email", &email).fill("password", PASSWORD);
            let form = form.forge("region_id", "DE-BY").choose("account_type", "artist");
            // Whoever is told to go back and try again sends the same form.
            while !self.is_accepted(&mut visitor, &form).await {}
            self.accepted.lock().expect("the addresses").push(email);
        }
    }

    async fn form(&self, visitor: &mut Visitor) -> Form {
        loop {
            let page = visitor.get("/register").await;
            if page.status == 200 {
                return page.form("/register");
            }
            page.is(503);
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn is_accepted(&self, visitor: &mut Visitor, form: &Form) -> bool {
        let page = visitor.submit(form.clone()).await;
        if page.status == 303 {
            assert_eq!(page.header("location"), "/register/letter");
            return true;
        }
        page.is(503);
        self.refused.fetch_add(1, Ordering::Relaxed);
        false
    }

    fn accepted(&self) -> usize {
        self.accepted.lock().expect("the addresses").len()
    }

    /// Waits until so many more have been accepted.
    async fn goes_on(&self, people: &mut JoinSet<()>, more: usize) {
        let wanted = self.accepted() + more;
        until("people to be registered", async || {
            are_well(people);
            (self.accepted() >= wanted).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_registration_that_was_acknowledged_is_lost_with_the_primary_and_its_letter_arrives() {
    let (folder, sink) = (ScratchFolder::new(), Sink::start().await);
    let mut primary = Node::primary(&folder).await;
    let standby = Node::standby(&folder, &primary).await;
    // On the primary alone: the standby has none of its own, and would wait for it for ever once promoted.
    execute(primary.port, "template1", "alter system set synchronous_standby_names = '*'").await;
    execute(primary.port, "template1", "select pg_reload_conf()").await;
    let synchronous = "select exists (select from pg_stat_replication where sync_state = 'sync')";
    until("synchronous replication", async || ask(primary.port, synchronous).await.ok()?.then_some(())).await;

    let (haproxy, port) = haproxy(&folder, [&primary, &standby]).await;
    // Until it has asked it believes each to be the primary.
    haproxy.says("postgres/b is DOWN").await;
    let database_url = format!("postgres://vestibule@127.0.0.1:{port}/vestibule");
    let smtp_url = sink.url();
    let settings = [
        ("DATABASE_URL", database_url.as_str()),
        ("SMTP_URL", &smtp_url),
        ("CAPTCHA", "off"),
        ("THROTTLE", "off"),
        ("EMAIL_MAX", "254"),
        ("MAIL_PER_MINUTE", "1000000"),
        ("MAIL_LEASE_SECONDS", "5"),
        ("MAIL_RETRY_FIRST_SECONDS", "1"),
    ];
    let program = Program::serve(folder.path(), &settings).await;
    let mut ann = program.visitor();
    ann.register("ann@example.com", PASSWORD).await;

    let (storm, mut people) = (Arc::new(Storm::default()), JoinSet::new());
    for who in 0..6 {
        people.spawn(Arc::clone(&storm).rage(program.address(), who));
    }
    storm.goes_on(&mut people, 50).await;
    assert_eq!(storm.refused.load(Ordering::Relaxed), 0);
    primary.postgres.kill();
    until("somebody to be refused", async || (storm.refused.load(Ordering::Relaxed) > 0).then_some(())).await;
    ann.get("/readyz").await.is(503);
    execute(standby.port, "template1", "select pg_promote()").await;
    storm.goes_on(&mut people, 50).await;
    storm.is_over.store(true, Ordering::Relaxed);
    people.join_all().await;

    let accepted = storm.accepted.lock().expect("the addresses").clone();
    let mut connection = connect(standby.port, "vestibule").await.expect("a connection");
    for email in &accepted {
        let made: i64 = sqlx::query_scalar("select count(*) from registrations where email = $1")
            .bind(email)
            .fetch_one(&mut connection)
            .await
            .expect("a count");
        assert_eq!(made, 1, "{email} of {}", accepted.len());
    }
    for email in &accepted {
        sink.letter_to(email).await;
    }
    let link = sink.letter_to("ann@example.com").await.link();
    assert_eq!(ann.confirm(&link).await.path(), "/profile");
}
