//! How the site stands to the bars that were set for it: `cargo bench --bench bars`.
//!
//! It needs PostgreSQL's programs and two cores, and takes about fifteen minutes. The site is the program
//! as it is shipped, with its default settings, logs, budgets and a durable embedded PostgreSQL on
//! disk; the load comes from this program, by way of the same cores. What is compared is measured in
//! the same run, in turns, and the median of the rounds' ratios counts, so that it means something on
//! any machine and beside other work. `cargo bench --bench bars -- login start` measures only these.

mod crowd;
mod histories;

mod letters;
mod load;
mod mix;
mod recovery;
mod site;
mod smtp;

use std::{
    collections::BTreeSet,
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use argon2::{Argon2, Block, Params, PasswordHasher};
use scraper::{Html, Selector};
use sqlx::{Connection as _, PgConnection, raw_sql};

use histories::histories;
use load::{Connection, get, post};
use recovery::recovery;
use site::{BARE, Bare, Folder, Site};
use vestibule::{
    captcha::{self, Task},
    domain::Token,
    regions::{self, Languages},
};

const ROUNDS: usize = 5;
/// How many people log in or look at pages at the same time.
const VISITORS: usize = 16;
const USERS: usize = 1000;
const PASSWORD: &str = "correct horse";

/// What people type into the region box: kind, language, query, what they mean.
const QUERIES: &str = include_str!("../../tests/regions/queries.tsv");

/// Measures something and says how it stands to its bars.
type Measure = fn(&Site) -> anyhow::Result<()>;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, length] = arguments.as_slice()
        && first == BARE
    {
        return Bare::serve(length.parse()?);
    }
    // `cargo test --all-targets` runs this program, too, and nobody wants figures then.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let folder = Folder::new()?;
    let data_dir = folder.path().join("data");
    let site = Site::start(&data_dir, None)?;
    seed(&site)?;
    let bars: [(&str, Measure); 15] = [
        ("memory", memory),
        ("weight", weight),
        ("login", login),
        ("pages", pages),
        ("histories", histories),
        ("recovery", recovery),
        ("regions", hints),
        ("pictures", pictures),
        ("crowd", crowd::crowd),
        ("flood", mix::flood),
        ("mix", mix::mix),
        ("storm", letters::storm),
        ("depth", letters::depth),
        ("throughput", letters::throughput),
        ("start", start_beside),
    ];
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| *wanted == name);
    for (_, measure) in bars.iter().filter(|(name, _)| is_wanted(name)) {
        measure(&site)?;
    }
    drop(site);
    if is_wanted("start") {
        start_embedded(&data_dir)?;
    }
    Ok(())
}

/// Says how a bar stands.
fn at_least(bar: f64, what: &str, measured: &[f64]) {
    let figure = median(measured);
    say(figure >= bar, &format!("{what}: {figure:.3}, at least {bar}"), measured);
}

/// Says how a bar stands.
fn at_most(bar: f64, what: &str, measured: &[f64]) {
    let figure = median(measured);
    say(figure <= bar, &format!("{what}: {figure:.2}, at most {bar:.2}"), measured);
}

fn say(is_reached: bool, words: &str, measured: &[f64]) {
    let verdict = if is_reached { "reached" } else { "MISSED " };
    let rounds: Vec<String> = measured.iter().map(|figure| format!("{figure:.2}")).collect();
    match rounds.as_slice() {
        [_] => println!("{verdict}  {words}"),
        _ => println!("{verdict}  {words} (median of {})", rounds.join(" ")),
    }
}

fn note(words: &str) {
    println!("         {words}");
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Users who share a password's hash, since a thousand hashes take a while.
fn seed(site: &Site) -> anyhow::Result<()> {
    let hash = Argon2::default().hash_password(PASSWORD.as_bytes())?.to_string();
    on_database(
        &site.database_url(),
        &format!(
            "insert into users (id, email, email_key, password_hash, created_at)
             select gen_random_uuid(), email, email, '{hash}', '2026-01-01'
             from generate_series(0, {USERS} - 1) as number, format('u%s@example.com', number) as email;
             insert into accounts (id, user_id, account_type, region_id, created_at)
             select gen_random_uuid(), id, 'artist', 'DE-BY', created_at from users;
             analyze;"
        ),
    )
}

#[tokio::main(flavor = "current_thread")]
async fn on_database(url: &str, statements: &str) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    raw_sql(sqlx::AssertSqlSafe(statements)).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// A log in from an address of its own, in a browser that the site may know.
fn log_in(user: usize, device: &str) -> Vec<u8> {
    log_in_as(&format!("u{user}@example.com"), &format!("10.0.{}.{}", user / 256, user % 256), device)
}

/// A log in of whoever has this email address, from this address on the network.
fn log_in_as(email: &str, address: &str, device: &str) -> Vec<u8> {
    let headers = format!("x-forwarded-for: {address}\r\ncookie: device={device}\r\nuser-agent: bars\r\n");
    let (email, password) = (email.replace('@', "%40"), PASSWORD.replace(' ', "+"));
    post("/login", &headers, &format!("email={email}&password={password}"))
}

/// Logs in, and returns the session's cookie.
fn session(connection: &mut Connection, log_in: &[u8]) -> anyhow::Result<String> {
    let answer = connection.ask(log_in)?;
    let cookie = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: session="));
    Ok(cookie.and_then(|cookie| cookie.split(';').next()).context("no session")?.to_owned())
}

/// Lets the database write down every statement meanwhile.
fn with_statements_written(site: &Site, measure: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    on_database(&site.database_url(), "alter system set log_statement = 'all'")?;
    on_database(&site.database_url(), "select pg_reload_conf()")?;
    // The next statement of every backend reads the settings first.
    thread::sleep(Duration::from_millis(500));
    measure()?;
    on_database(&site.database_url(), "alter system reset log_statement")?;
    on_database(&site.database_url(), "select pg_reload_conf()")
}

/// Log ins beside what the cores give to hashing alone, and what they cost beside the hash.
fn login(site: &Site) -> anyhow::Result<()> {
    const LASTS: Duration = Duration::from_secs(5);
    let devices: Vec<String> = (0..USERS).map(|_| Token::random().reveal()).collect();
    let one = |visitor: usize, turn: u32| {
        let user = (visitor * (USERS / VISITORS) + turn as usize) % USERS;
        log_in(user, &devices[user])
    };
    // Until the site has seen every browser once.
    load::run(site.address, VISITORS, Duration::from_secs(10), 303, one)?;
    let (mut ratios, mut costs, mut of_site, mut of_database) = (vec![], vec![], vec![], vec![]);
    let (mut log_ins, mut hashes) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        let bare = bare_hashes_per_second(Duration::from_secs(3))?;
        let before = site.cpu_beside_hashes()?;
        let load = load::run(site.address, VISITORS, LASTS, 303, one)?;
        let [process, database] = load.milliseconds_each(before, site.cpu_beside_hashes()?);
        of_site.push(process);
        of_database.push(database);
        costs.push(process + database);
        ratios.push(load.per_second() / bare);
        log_ins.push(load.per_second());
        hashes.push(bare);
    }
    at_least(0.85, "log ins per second ÷ bare argon2id on two threads", &ratios);
    note(&format!("{:.0} log ins against {:.0} hashes per second", median(&log_ins), median(&hashes)));
    // Beside other work everything takes longer, and the hash shows how much.
    note(&format!("{:.1} ms a hash of those that run two at once", 2e3 / median(&hashes)));
    at_most(1.2, "ms of CPU beside the hash, per log in", &costs);
    note(&format!("{:.2} of the process, {:.2} of PostgreSQL", median(&of_site), median(&of_database)));
    Ok(())
}

/// What two threads reach that do nothing else and reuse their memory.
fn bare_hashes_per_second(lasts: Duration) -> anyhow::Result<f64> {
    let start = Instant::now();
    let hash = || -> anyhow::Result<u32> {
        let mut memory = vec![Block::default(); Params::default().block_count()];
        let mut hashes = 0;
        while start.elapsed() < lasts {
            let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
            Argon2::default().hash_password_into_with_memory(
                PASSWORD.as_bytes(),
                b"sixteen bytes ok",
                &mut output,
                &mut memory,
            )?;
            black_box(output);
            hashes += 1;
        }
        Ok(hashes)
    };
    let hashes: anyhow::Result<u32> = thread::scope(|scope| {
        let threads = [scope.spawn(hash), scope.spawn(hash)];
        threads.into_iter().map(|thread| thread.join().expect("no part of it panics")).sum()
    });
    Ok(f64::from(hashes?) / start.elapsed().as_secs_f64())
}

/// Pages beside a bare handler that answers as many bytes.
fn pages(site: &Site) -> anyhow::Result<()> {
    let mut connection = Connection::open(site.address)?;
    let session = session(&mut connection, &log_in(0, &Token::random().reveal()))?;
    let signed_in = get("/profile", &format!("cookie: session={session}\r\n"));
    let check = get("/auth/check", &format!("cookie: session={session}\r\n"));
    beside_bare(site, 0.5, "GET /login", (200, &get("/login", "")))?;
    beside_bare(site, 0.05, "GET /profile, signed in,", (200, &signed_in))?;
    beside_bare(site, 0.06, "GET /auth/check, signed in,", (204, &check))?;
    with_statements_written(site, || {
        let mut statements = vec![];
        // Something else may go on beside a request: hence the median of several.
        for _ in 0..9 {
            let before = site.statements()?;
            connection.ask(&signed_in)?;
            statements.push((site.statements()? - before) as f64);
        }
        at_most(2.0, "statements of a GET /profile", &statements);
        let before = site.statements()?;
        connection.ask(&check)?;
        at_most(1.0, "statements of a GET /auth/check", &[(site.statements()? - before) as f64]);
        let before = site.statements()?;
        connection.ask(&log_in(0, &Token::random().reveal()))?;
        note(&format!("{} of a POST /login", site.statements()? - before));
        Ok(())
    })
}

fn beside_bare(site: &Site, bar: f64, what: &str, (status, request): (u16, &[u8])) -> anyhow::Result<()> {
    const LASTS: Duration = Duration::from_secs(2);
    let length = Connection::open(site.address)?.ask(request)?.body.len();
    let bare = Bare::start(length)?;
    let bare_request = get("/", "");
    let (mut ratios, mut ours, mut theirs) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let bare = load::run(bare.address, VISITORS, LASTS, 200, |_, _| bare_request.clone())?;
        let pages = load::run(site.address, VISITORS, LASTS, status, |_, _| request.to_vec())?;
        ratios.push(pages.per_second() / bare.per_second());
        ours.push(pages.per_second());
        theirs.push(bare.per_second());
    }
    at_least(bar, &format!("{what} per second ÷ a bare handler of {length} bytes"), &ratios);
    note(&format!("{:.0} against {:.0} per second", median(&ours), median(&theirs)));
    Ok(())
}

/// How long a search takes of what people type, and of what is long or odd; and the whole answer, with
/// the way there and back, asked one after the other.
fn hints(site: &Site) -> anyhow::Result<()> {
    let queries: Vec<&str> = QUERIES.lines().skip(1).filter_map(|row| row.split('\t').nth(2)).collect();
    let languages = Languages::accepted("de-AT,de;q=0.9,en;q=0.8");
    let microseconds = |start: Instant| start.elapsed().as_secs_f64() * 1e6;
    let searched = |query: &str| {
        let start = Instant::now();
        black_box(regions::search(query, &languages));
        microseconds(start)
    };
    // The best of some turns is what it costs; the others are what else the machine did meanwhile.
    let cost = |query: &str| (0..5).map(|_| searched(query)).fold(f64::INFINITY, f64::min);
    let mut costs: Vec<f64> = queries.iter().map(|query| cost(query)).collect();
    costs.sort_by(f64::total_cmp);
    at_most(200.0, "µs of a search, the median", &[costs[costs.len() / 2]]);
    at_most(2000.0, "µs of a search, 99 in 100", &[costs[costs.len() * 99 / 100]]);
    let letters: String = queries.concat();
    let odd = [
        letters.chars().take(500).collect(),
        "a ".repeat(64),
        "province of the north ".repeat(6),
        "слипс ".repeat(20),
        "zzzzzzzzzzzzzzzzzzzzzzzz".repeat(5),
        "s ".repeat(12),
        "s n ".repeat(5),
        "de la ".repeat(5) + "united",
        "oblast krai island lanet united".to_owned(),
        "i ".repeat(9) + &"가나".repeat(50),
        "г ".repeat(9) + &"山川".repeat(50),
        queries.iter().rev().take(12).copied().collect::<Vec<_>>().join(" "),
    ];
    let longest = costs.iter().copied().chain(odd.iter().map(|query| cost(query))).fold(0.0, f64::max);
    at_most(20_000.0, "µs of a search, the longest", &[longest]);
    let mut connection = Connection::open(site.address)?;
    let mut answers = Vec::new();
    for query in &queries {
        let encoded: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let request = get(&format!("/regions?q={encoded}"), "");
        let start = Instant::now();
        let answer = connection.ask(&request)?;
        answers.push(microseconds(start));
        ensure!(answer.status == 200, "{}", answer.head);
    }
    at_most(500.0, "µs of a GET /regions, there and back", &[median(&answers)]);
    Ok(())
}

/// How long a captcha's picture takes to draw.
fn pictures(_: &Site) -> anyhow::Result<()> {
    const PICTURES: usize = 500;
    let draw = |task: &Task| {
        let start = Instant::now();
        black_box(captcha::picture(task));
        start.elapsed().as_secs_f64() * 1e3
    };
    // The shapes of the digits are made with the first.
    let first = draw(&Task::random());
    let milliseconds: Vec<f64> = (0..PICTURES).map(|_| draw(&Task::random())).collect();
    at_most(5.0, "ms of a captcha's picture", &[median(&milliseconds)]);
    note(&format!("{first:.2} the first, over {PICTURES} pictures"));
    Ok(())
}

/// Memory of the process, without PostgreSQL.
fn memory(site: &Site) -> anyhow::Result<()> {
    const AT_ONCE: usize = 64;
    let mut connection = Connection::open(site.address)?;
    for page in ["/", "/login", "/register", "/help", "/regions?q=bav"] {
        ensure!(connection.ask(&get(page, ""))?.status == 200, "{page}");
    }
    let idle = site.memory("VmRSS")?;
    at_most(60.0, "MB of memory when idle", &[idle]);
    let device = Token::random().reveal();
    load::run(site.address, AT_ONCE, Duration::from_secs(3), 303, |visitor, _| log_in(visitor, &device))?;
    let workers = thread::available_parallelism()?.get();
    let bar = idle + workers as f64 * 19.0 * 1.048_576 + 20.0;
    at_most(bar, &format!("MB of memory at most, under {AT_ONCE} log ins at once"), &[site.memory("VmHWM")?]);
    Ok(())
}

/// What a browser loads for the registration page.
fn weight(site: &Site) -> anyhow::Result<()> {
    let mut connection = Connection::open(site.address)?;
    let mut load = |path: &str| -> anyhow::Result<Vec<u8>> {
        let answer = connection.ask(&get(path, "accept-encoding: gzip, br, zstd\r\n"))?;
        ensure!(answer.status == 200, "{path}: {}", answer.head);
        Ok(answer.body.to_vec())
    };
    let page = load("/register")?;
    // A compressed page would have to be unpacked first.
    let html = Html::parse_document(std::str::from_utf8(&page)?);
    let parts = Selector::parse("link[href], script[src], img[src]").expect("these are selectors");
    let addresses: BTreeSet<&str> = html
        .select(&parts)
        .filter_map(|part| part.attr("href").or(part.attr("src")))
        .filter(|address| !address.starts_with("/captcha/"))
        .collect();
    let mut bytes = page.len();
    for address in &addresses {
        bytes += load(address)?.len();
    }
    at_most(20.0, "kB of /register with what it loads", &[bytes as f64 / 1e3]);
    note(&format!("{} of the page itself, the rest of {} files", page.len(), addresses.len()));
    Ok(())
}

/// A second instance over a database that runs and is migrated.
fn start_beside(site: &Site) -> anyhow::Result<()> {
    let folder = site.data_dir().join("beside");
    let starts = (0..ROUNDS).map(|_| Ok(milliseconds(Site::start(&folder, Some(&site.database_url()))?)));
    at_most(
        100.0,
        "ms to the first page, with a database of one's own",
        &starts.collect::<anyhow::Result<Vec<_>>>()?,
    );
    Ok(())
}

/// A start with a cluster that is there and at rest.
fn start_embedded(data_dir: &std::path::Path) -> anyhow::Result<()> {
    let starts = (0..ROUNDS).map(|_| Ok(milliseconds(Site::start(data_dir, None)?)));
    at_most(
        300.0,
        "ms to the first page, with the embedded database",
        &starts.collect::<anyhow::Result<Vec<_>>>()?,
    );
    Ok(())
}

fn milliseconds(site: Site) -> f64 {
    site.start_time.as_secs_f64() * 1e3
}
