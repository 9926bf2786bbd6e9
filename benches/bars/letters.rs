//! Letters: none is lost in a storm, a long queue costs no more than a short one, and how fast they leave.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use lettre::{
    Address,
    address::Envelope,
    transport::smtp::{client::AsyncSmtpConnection, extension::ClientId},
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use vestibule::domain::Token;

use crate::{
    ROUNDS, at_least, at_most,
    load::{Connection, get},
    median, note, on_database, say,
    site::Site,
    smtp::MailService,
};

/// The workers of one instance, as the settings have it.
const WORKERS: u32 = 2;

/// A database of its own in the site's cluster, whose letters the site does not touch.
struct Post<'a> {
    beside: &'a Site,
    name: &'static str,
    service: MailService,
}

impl<'a> Post<'a> {
    fn new(beside: &'a Site, name: &'static str) -> anyhow::Result<Self> {
        on_database(&beside.database_url(), &format!("create database {name}"))?;
        let post = Self { beside, name, service: MailService::start()? };
        // The first one migrates it.
        drop(post.instance(&[])?);
        Ok(post)
    }

    fn url(&self) -> String {
        self.beside.database_url().replacen("/vestibule?", &format!("/{}?", self.name), 1)
    }

    /// An instance whose letters go to the service.
    fn instance(&self, settings: &[(&str, &str)]) -> anyhow::Result<Site> {
        let url = self.service.url();
        let all: Vec<_> = [("SMTP_URL", url.as_str())].iter().chain(settings).copied().collect();
        Site::with(&self.folder(), Some(&self.url()), &all)
    }

    fn folder(&self) -> std::path::PathBuf {
        Path::join(self.beside.data_dir(), self.name)
    }

    /// Adds registrations whose letters wait.
    fn promise(&self, letters: u32) -> anyhow::Result<()> {
        on_database(
            &self.url(),
            &format!(
                "create temporary table new as
                 select gen_random_uuid() as id, format('%s@example.com', gen_random_uuid()) as email
                 from generate_series(1, {letters});
                 insert into devices select id, decode(md5(id::text), 'hex'), now(), now() from new;
                 insert into registrations (id, email, password_hash, region_id, account_type, device_id, created_at)
                 select id, email, 'x', 'DE-BY', 'artist', id, now() from new;
                 insert into letters (id, kind, recipient, about, priority, created_at, due_at)
                 select gen_random_uuid(), 'registration', email, id, 1, now(), now() from new;
                 drop table new;
                 analyze devices, registrations, letters;"
            ),
        )
    }

    fn number(&self, question: &str) -> anyhow::Result<i64> {
        number(&self.url(), question)
    }
}

#[tokio::main(flavor = "current_thread")]
pub async fn number(url: &str, question: &str) -> anyhow::Result<i64> {
    let mut connection = PgConnection::connect(url).await?;
    let number = sqlx::query_scalar(AssertSqlSafe(question)).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(number)
}

/// Two instances that are killed again and again, and a service that fails with one letter in five.
pub fn storm(site: &Site) -> anyhow::Result<()> {
    const LETTERS: u32 = 10_000;
    const KILLS: u32 = 5;
    const LIMIT: Duration = Duration::from_secs(300);
    let post = Post::new(site, "storm")?;
    post.promise(LETTERS)?;
    post.service.be_unreliable();
    let short = [("MAIL_LEASE_SECONDS", "2"), ("MAIL_RETRY_FIRST_SECONDS", "1")];
    let start = Instant::now();
    let last_ones: anyhow::Result<Vec<Site>> = thread::scope(|scope| {
        let instance = || -> anyhow::Result<Site> {
            for _ in 0..KILLS {
                let running = post.instance(&short)?;
                thread::sleep(Duration::from_millis(rand::random_range(200..3000)));
                running.kill()?;
            }
            post.instance(&short)
        };
        let instances = [scope.spawn(instance), scope.spawn(instance)];
        instances.into_iter().map(|instance| instance.join().expect("no part of it panics")).collect()
    });
    let killed_within = start.elapsed();
    while post.number("select count(*) from letters where state <> 'handed_over'")? > 0
        && start.elapsed() < LIMIT
    {
        thread::sleep(Duration::from_millis(200));
    }
    drop(last_ones?);
    let (arrived, different) = (post.service.count(), post.service.different());
    let duplicates = arrived - different;
    let most = 2 * KILLS * WORKERS + post.service.dropped_after();
    let under_way = post.number("select count(*) from letters where state <> 'handed_over'")?;
    say(
        different == LETTERS && under_way == 0,
        &format!("{different} of {LETTERS} letters arrived in a storm, {under_way} under way"),
        &[f64::from(different)],
    );
    say(
        duplicates <= most,
        &format!(
            "{duplicates} duplicates, at most {most} ({} dropped after the dot)",
            post.service.dropped_after()
        ),
        &[f64::from(duplicates)],
    );
    note(&format!(
        "{} kills within {:.1} s, all handed over after {:.1} s",
        2 * KILLS,
        killed_within.as_secs_f64(),
        start.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// What a claim and the waiting page cost when a million letters wait, beside a thousand.
pub fn depth(site: &Site) -> anyhow::Result<()> {
    const DELIVERED: u32 = 800;
    const SHALLOW: u32 = 1_000;
    const DEEP: u32 = 1_000_000;
    let (shallow, deep) = (Post::new(site, "shallow")?, Post::new(site, "deep")?);
    deep.promise(DEEP)?;
    let device = Token::random();
    shallow.promise(SHALLOW)?;
    let scans = "select coalesce(seq_scan, 0) from pg_stat_user_tables where relname = 'letters'";
    let scanned_before = deep.number(scans)?;
    let (mut claims, mut pages, mut of_deep) = (vec![], vec![], vec![]);
    on_database(&site.database_url(), "alter system set log_min_duration_statement = 0")?;
    on_database(&site.database_url(), "select pg_reload_conf()")?;
    for _ in 0..ROUNDS {
        let short = claim(&shallow, DELIVERED)?;
        let long = claim(&deep, DELIVERED)?;
        claims.push(long / short);
        of_deep.push(long);
        let waiting = shallow.number("select count(*) from letters where state = 'queued'")?;
        shallow.promise(SHALLOW - u32::try_from(waiting)?)?;
    }
    on_database(&site.database_url(), "alter system reset log_min_duration_statement")?;
    on_database(&site.database_url(), "select pg_reload_conf()")?;
    at_most(2.0, "claiming one of 1,000,000 letters that wait ÷ of 1,000", &claims);
    note(&format!("{:.3} ms a claim of a million", median(&of_deep)));
    let looks = [Waits::behind(&shallow, &device)?, Waits::behind(&deep, &device)?];
    for _ in 0..ROUNDS {
        let [short, long] = [looks[0].milliseconds()?, looks[1].milliseconds()?];
        pages.push(long / short);
    }
    at_most(2.0, "GET /register/letter behind 1,000,000 letters ÷ behind 1,000", &pages);
    // A backend that is busy tells of its scans a second later.
    thread::sleep(Duration::from_secs(2));
    let scanned = deep.number(scans)? - scanned_before;
    say(scanned == 0, &format!("{scanned} scans of all letters meanwhile"), &[scanned as f64]);
    Ok(())
}

/// Milliseconds of a claim as the database writes them down, the median of those while so many letters leave.
fn claim(post: &Post<'_>, letters: u32) -> anyhow::Result<f64> {
    let log = post.beside.data_dir().join("postgres.log");
    let before = std::fs::metadata(&log)?.len();
    deliver(post, letters)?;
    let written = std::fs::read(&log)?.split_off(usize::try_from(before)?);
    let times = String::from_utf8_lossy(&written)
        .lines()
        .filter(|line| line.contains(" execute ") && line.ends_with(": with quick as materialized ("))
        .filter_map(|line| line.split("duration: ").nth(1)?.split(' ').next()?.parse().ok())
        .collect::<Vec<f64>>();
    ensure!(times.len() >= letters as usize / 2, "only {} claims were written down", times.len());
    Ok(median(&times))
}

/// What each of some letters took, in milliseconds.
struct Delivered {
    elapsed: f64,
    /// CPU of the process, its start included.
    process: f64,
    /// CPU of PostgreSQL.
    database: f64,
}

impl Delivered {
    fn per_second(&self) -> f64 {
        1e3 / self.elapsed
    }
}

fn deliver(post: &Post<'_>, letters: u32) -> anyhow::Result<Delivered> {
    let each = |seconds: f64| seconds * 1e3 / f64::from(letters);
    let (first, database) = (post.service.count(), post.beside.database_cpu()?);
    let running = post.instance(&[])?;
    let start = Instant::now();
    while post.service.count() < first + letters {
        ensure!(start.elapsed() < Duration::from_secs(60), "letters do not leave");
        thread::sleep(Duration::from_micros(200));
    }
    Ok(Delivered {
        elapsed: each(start.elapsed().as_secs_f64()),
        process: each(running.cpu()?),
        database: each(post.beside.database_cpu()? - database),
    })
}

/// Somebody whose letter is the last of all.
struct Waits {
    site: Site,
    page: Vec<u8>,
}

impl Waits {
    fn behind(post: &Post<'_>, device: &Token) -> anyhow::Result<Self> {
        let hash: String = device.hash().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        on_database(
            &post.url(),
            &format!(
                "insert into devices values ('e0000000-0000-0000-0000-000000000000', '\\x{hash}', now(), now());
                 insert into registrations (id, email, password_hash, region_id, account_type, device_id, created_at)
                 values ('e0000000-0000-0000-0000-000000000000', 'ann@example.com', 'x', 'DE-BY', 'artist',
                     'e0000000-0000-0000-0000-000000000000', now());
                 insert into letters (id, kind, recipient, about, priority, created_at, due_at)
                 values (gen_random_uuid(), 'registration', 'ann@example.com',
                     'e0000000-0000-0000-0000-000000000000', 1, now(), now());
                 analyze;"
            ),
        )?;
        // Nobody is to wait for what workers do meanwhile.
        let site = post.instance(&[("MAIL_PER_MINUTE", "1")])?;
        Ok(Self { site, page: get("/register/letter", &format!("cookie: device={}\r\n", device.reveal())) })
    }

    /// How long the page takes, the median of many.
    fn milliseconds(&self) -> anyhow::Result<f64> {
        let mut connection = Connection::open(self.site.address)?;
        let mut times = vec![];
        for _ in 0..400 {
            let start = Instant::now();
            let answer = connection.ask(&self.page)?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
            let page = std::str::from_utf8(answer.body)?;
            ensure!(answer.status == 200 && page.contains("leave before it"), "{page}");
        }
        Ok(median(&times))
    }
}

/// How fast letters leave, beside a loop that does no more than it must.
pub fn throughput(site: &Site) -> anyhow::Result<()> {
    const LETTERS: u32 = 3_000;
    let post = Post::new(site, "throughput")?;
    let (mut ratios, mut ours, mut theirs) = (vec![], vec![], vec![]);
    let (mut of_site, mut of_database) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        let bare = bare_letters_per_second(&post, LETTERS)?;
        post.promise(LETTERS)?;
        let left = deliver(&post, LETTERS)?;
        ratios.push(left.per_second() / bare);
        ours.push(left.per_second());
        theirs.push(bare);
        of_site.push(left.process);
        of_database.push(left.database);
    }
    at_least(0.5, "letters per second ÷ a loop of two commits and one send each", &ratios);
    note(&format!("{:.0} against {:.0} per second", median(&ours), median(&theirs)));
    let (process, database) = (median(&of_site), median(&of_database));
    note(&format!("{process:.2} ms of CPU of the process and {database:.2} of PostgreSQL, per letter"));
    Ok(())
}

/// What as many workers reach that for each letter commit two changes of one row and send one message, over
/// connections that are used again.
#[tokio::main]
async fn bare_letters_per_second(post: &Post<'_>, letters: u32) -> anyhow::Result<f64> {
    let mut connection = PgConnection::connect(&post.url()).await?;
    connection
        .execute("drop table if exists bare; create table bare (id bigint primary key, state text)")
        .await?;
    connection
        .execute(AssertSqlSafe(format!(
            "insert into bare select n, 'queued' from generate_series(1, {letters}) n"
        )))
        .await?;
    let start = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..WORKERS {
        workers.spawn(send_barely(post.url(), post.service.port(), worker, letters));
    }
    while let Some(done) = workers.join_next().await {
        done??;
    }
    Ok(f64::from(letters) / start.elapsed().as_secs_f64())
}

async fn send_barely(url: String, port: u16, worker: u32, letters: u32) -> anyhow::Result<()> {
    let mut database = PgConnection::connect(&url).await?;
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let hello = ClientId::Domain("localhost".to_owned());
    let mut service = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello).await?;
    let address = |name: &str| Address::new(name, "example.com").context("an address");
    let envelope = Envelope::new(Some(address("no-reply")?), vec![address("ann")?])?;
    // As long as a letter of ours.
    let body = "A line of this message, which is as long as any other one of them is.\r\n".repeat(42);
    for letter in (1..=letters).filter(|letter| letter % WORKERS == worker) {
        let set = "update bare set state = $2 where id = $1";
        sqlx::query(set).bind(i64::from(letter)).bind("sending").execute(&mut database).await?;
        let message = format!("Message-ID: <{letter}@bare>\r\nSubject: x\r\n\r\n{body}");
        service.send(&envelope, message.as_bytes()).await?;
        sqlx::query(set).bind(i64::from(letter)).bind("handed_over").execute(&mut database).await?;
    }
    Ok(service.quit().await.map(drop)?)
}
