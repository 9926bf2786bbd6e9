//! Three instances behind nginx with the README's configuration, over one database: stopped, killed and
//! started again one after the other while people use the site.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use nix::sys::signal::Signal;
use sqlx::{AssertSqlSafe, PgPool};
use tokio::task::{JoinSet, block_in_place};

use crate::{
    are_well,
    neighbours::{Neighbour, block, free_port, nginx, with, without_tls},
    support::{Form, PASSWORD, Page, Program, ScratchFolder, Sink, TestDatabase, Visitor, until},
};

/// One instance, which keeps its address when it starts again.
struct Instance {
    folder: ScratchFolder,
    settings: Vec<(&'static str, String)>,
    program: Program,
}

impl Instance {
    async fn start(port: u16, settings: &[(&'static str, String)]) -> Self {
        let listen = ("LISTEN", format!("127.0.0.1:{port}"));
        let settings: Vec<_> = settings.iter().cloned().chain([listen]).collect();
        let folder = ScratchFolder::new();
        let program = serve(&folder, &settings).await;
        Self { folder, settings, program }
    }

    /// Ends it by this signal, and starts it again.
    async fn restart(self, signal: Signal) -> Self {
        let Self { folder, settings, program } = self;
        let ended = block_in_place(|| program.end(signal));
        assert_eq!(ended.success(), signal == Signal::SIGTERM, "{ended}");
        let program = serve(&folder, &settings).await;
        Self { folder, settings, program }
    }
}

async fn serve(folder: &ScratchFolder, settings: &[(&str, String)]) -> Program {
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Program::serve(folder.path(), &settings).await
}

/// The README's nginx before three instances.
async fn nginx_before(folder: &ScratchFolder, port: u16, ports: [u16; 3]) -> Neighbour {
    let mut configuration = without_tls(&block("nginx\n", "upstream vestibule"), port);
    for (address, port) in ["10.0.0.1:3000", "10.0.0.2:3000", "10.0.0.3:3000"].iter().zip(ports) {
        configuration = with(&configuration, address, &format!("127.0.0.1:{port}"));
    }
    Neighbour::start(nginx(folder, &configuration), folder, port).await
}

/// People who use the site, each with an address of their own, until it is over.
#[derive(Default)]
struct Crowd {
    people: AtomicU32,
    /// The addresses whose registration was accepted.
    accepted: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

impl Crowd {
    /// The same browser as another client.
    fn another(&self, visitor: &Visitor) -> Visitor {
        let number = 0x0A00_0000 + self.people.fetch_add(1, Ordering::Relaxed);
        visitor.clone().at(&Ipv4Addr::from(number).to_string())
    }

    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    /// Registers one address after the other.
    async fn register(self: Arc<Self>, visitor: Visitor, who: usize) {
        for number in 0.. {
            if !self.goes_on() {
                return;
            }
            let mut visitor = self.another(&visitor);
            let email = format!("p{who}-{number}@example.com");
            let form = filled_in(&mut visitor, &email).await;
            let page = visitor.submit(form).await;
            assert_eq!(page.is(303).header("location"), "/register/letter");
            self.accepted.lock().expect("the addresses").push(email);
        }
    }

    /// Looks at the profile again and again.
    async fn look(self: Arc<Self>, mut visitor: Visitor) {
        while self.goes_on() {
            visitor.get("/profile").await.is(200);
        }
    }

    /// Logs in and out again and again.
    async fn come_and_go(self: Arc<Self>, mut visitor: Visitor, email: &'static str) {
        while self.goes_on() {
            assert_eq!(visitor.log_in(email).await.is(200).path(), "/profile");
            visitor.log_out().await.is(200);
        }
    }
}

/// The form of `/register`, all of it right.
async fn filled_in(visitor: &mut Visitor, email: &str) -> Form {
    visitor.registration_form(email, PASSWORD).await.forge("region_id", "DE-BY")
}

/// Which field the one complaint is about.
fn complaint(page: &Page) -> String {
    page.is(422).complaints().remove(0).0
}

async fn count(pool: &PgPool, rows: &str) -> i64 {
    let statement = AssertSqlSafe(format!("select count(*) from {rows}"));
    sqlx::query_scalar(statement).fetch_one(pool).await.expect("a count")
}

async fn execute(pool: &PgPool, statement: &'static str) {
    sqlx::raw_sql(statement).execute(pool).await.expect(statement);
}

/// Three instances, which find an empty database at once; one of them migrates it.
async fn start_three(pool: &PgPool, ports: [u16; 3], settings: &[(&'static str, String)]) -> Vec<Instance> {
    execute(pool, "drop schema public cascade; create schema public").await;
    let [first, second, third] = ports.map(|port| Instance::start(port, settings));
    let (first, second, third) = tokio::join!(first, second, third);
    let files = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).expect("migrations").count();
    assert_eq!(count(pool, "_sqlx_migrations where success").await, i64::try_from(files).expect("a count"));
    vec![first, second, third]
}

/// What a newer version does, while this one runs and starts beside it.
async fn migrate_as_a_newer_version(pool: &PgPool) {
    execute(
        pool,
        "alter table users add column of_the_future text;
         insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values (9999, 'of the future', true, '', 0)",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_instance_ends_nobody_notices() {
    let (folder, database, sink) = (ScratchFolder::new(), TestDatabase::new().await, Sink::start().await);
    let (pool, port, ports) = (database.pool(), free_port(), [free_port(), free_port(), free_port()]);
    let settings = [
        ("DATABASE_URL", database.url()),
        ("SMTP_URL", sink.url()),
        ("PUBLIC_URL", format!("http://localhost:{port}")),
        ("TRUSTED_PROXIES", "127.0.0.1".to_owned()),
        ("MAIL_PER_MINUTE", "1000000".to_owned()),
        ("MAIL_LEASE_SECONDS", "5".to_owned()),
    ];
    let mut instances = start_three(&pool, ports, &settings).await;
    let _nginx = nginx_before(&folder, port, ports).await;
    let visitor = Visitor::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Some(pool.clone()));
    let crowd = Arc::new(Crowd::default());
    let mut people = JoinSet::new();
    for email in ["ann@example.com", "bob@example.com"] {
        let mut person = crowd.another(&visitor);
        person.register(email, PASSWORD).await;
        let link = sink.letter_to(email).await.link();
        assert_eq!(person.confirm(&link).await.path(), "/profile");
        let elsewhere = crowd.another(&visitor);
        people.spawn(Arc::clone(&crowd).look(person));
        people.spawn(Arc::clone(&crowd).come_and_go(elsewhere, email));
    }
    for who in 0..4 {
        people.spawn(Arc::clone(&crowd).register(visitor.clone(), who));
    }
    let mut guesser = crowd.another(&visitor);
    let mut painter = crowd.another(&visitor);
    let mut unsolved = filled_in(&mut painter, "eve@example.com").await;
    let solution = unsolved.value("captcha_answer");

    for (turn, signal) in [Signal::SIGTERM, Signal::SIGKILL].into_iter().cycle().take(6).enumerate() {
        // The first of the three that is left: each has both ends.
        let instance = instances.remove(0).restart(signal).await;
        until("nginx to ask it again", async || {
            are_well(&mut people);
            instance.program.log().contains("\"answered\"").then_some(())
        })
        .await;
        instances.push(instance);
        let page = guesser.submit_password("carl@example.com", "wrong").await;
        assert_eq!(complaint(&page), "password", "turn {turn}");
        if turn < 3 {
            let picture = format!("/captcha/{}.png", unsolved.value("captcha_id"));
            painter.get(&picture).await.is(200);
            let page = painter.send(unsolved.fill("captcha_answer", "99")).await;
            assert_eq!(complaint(&page), "captcha_answer");
            unsolved = page.form("/register").fill("password", PASSWORD);
        }
        if turn == 2 {
            migrate_as_a_newer_version(&pool).await;
        }
    }
    for _ in 6..10 {
        assert_eq!(complaint(&guesser.submit_password("carl@example.com", "wrong").await), "password");
    }
    assert_eq!(complaint(&guesser.submit_password("carl@example.com", "wrong").await), "captcha_answer");
    // The third wrong answer was its end, whoever heard the first two.
    let spent = unsolved.fill("captcha_answer", &solution);
    assert_eq!(complaint(&painter.send(spent).await), "captcha_answer");

    crowd.is_over.store(true, Ordering::Relaxed);
    people.join_all().await;
    let accepted = crowd.accepted.lock().expect("the addresses").clone();
    for email in &accepted {
        assert_eq!(count(&pool, &format!("registrations where email = '{email}'")).await, 1, "{email}");
        sink.letter_to(email).await;
    }
}
