//! What people do beside each other: the mix of a busy hour over tables that grow, and pages in a flood of log ins.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;
use argon2::{Argon2, PasswordHasher};
use tower_sessions::session::Id;

use crate::{
    PASSWORD, ROUNDS, at_most, bare_hashes_per_second,
    crowd::slowest_hundredth,
    letters::number,
    load::{self, Connection, get, post},
    log_in_as, median, note, on_database, say,
    site::Site,
};
use vestibule::domain::Token;

/// How many users the sites have that are compared.
const SIZES: [u32; 3] = [1_000, 100_000, 2_000_000];
/// How many ask at once when one kind of request is measured alone.
const ASKING: usize = 4;
/// So that those who follow each other lie far apart in the tables.
const STRIDE: u32 = 7_919;
/// One user of so many is logged in before anybody asks.
const SESSION_EVERY: u32 = 10;
/// How often somebody asks before the next one does: the mix has about as many looks for each log in.
const LOOKS: u32 = 4;

/// What can be asked, and what a good answer's status is.
const KINDS: [(&str, u16); 4] =
    [("GET /profile", 200), ("POST /login", 303), ("POST /register", 303), ("GET /auth/check", 204)];

/// A site with so many users, and who asks it: they in turn, and whoever registers.
struct Crowd {
    users: u32,
    site: Site,
    turn: AtomicU32,
}

impl Crowd {
    fn of(users: u32, beside: &Site) -> anyhow::Result<Self> {
        let start = Instant::now();
        let site = own_site(beside, &format!("mix-{users}"))?;
        grow(&site, users)?;
        let size = number(&site.database_url(), "select pg_database_size(current_database())")?;
        note(&format!("{users} users take {:.0} MB, after {:.0?}", size as f64 / 1e6, start.elapsed()));
        Ok(Self { users, site, turn: AtomicU32::new(0) })
    }

    fn request(&self, kind: usize) -> Vec<u8> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let one_of = |many: u32, turn: u32| u64::from(turn) * u64::from(STRIDE) % u64::from(many);
        let signed_in = || {
            let user = one_of(self.users / SESSION_EVERY, turn / LOOKS) * u64::from(SESSION_EVERY);
            format!("cookie: session={}\r\n", Id(user.into()))
        };
        match kind {
            0 => get("/profile", &signed_in()),
            1 => log_in_as(
                &format!("u{}@example.com", one_of(self.users, turn)),
                &address(turn),
                &Token::random().reveal(),
            ),
            2 => {
                let device = Token::random().reveal();
                let headers = format!("x-forwarded-for: {}\r\ncookie: device={device}\r\n", address(turn));
                let form = format!(
                    "email=r{turn}%40example.com&password=correct+horse&region=Bavaria&region_id=DE-BY\
                     &region_was=Bavaria&account_type=artist"
                );
                post("/register", &headers, &form)
            }
            _ => get("/auth/check", &signed_in()),
        }
    }

    /// Milliseconds of CPU for each: of the process without its hashes, and of PostgreSQL. What a
    /// registration costs holds the letters that left meanwhile.
    fn cost(&self, kind: usize) -> anyhow::Result<[f64; 2]> {
        const LASTS: Duration = Duration::from_secs(2);
        let before = self.site.cpu_beside_hashes()?;
        let load = load::run(self.site.address, ASKING, LASTS, KINDS[kind].1, |_, _| self.request(kind))?;
        Ok(load.milliseconds_each(before, self.site.cpu_beside_hashes()?))
    }

    /// How many answers of each kind a second were what was asked for, and how many said that the site is busy.
    fn mixed(&self, connections: usize) -> anyhow::Result<String> {
        const LASTS: Duration = Duration::from_secs(5);
        let (good, busy) = (KINDS.map(|_| AtomicU32::new(0)), AtomicU32::new(0));
        let start = Instant::now();
        let ask = |number: usize| -> anyhow::Result<()> {
            let mut connection = Connection::open(self.site.address)?;
            let mut turn = u32::try_from(number)?;
            while start.elapsed() < LASTS {
                let kind = kind_of(turn);
                let answer = connection.ask(&self.request(kind))?;
                ensure!([KINDS[kind].1, 503].contains(&answer.status), "{}: {}", KINDS[kind].0, answer.head);
                if answer.status == 503 { &busy } else { &good[kind] }.fetch_add(1, Ordering::Relaxed);
                turn += 1;
            }
            Ok(())
        };
        thread::scope(|scope| {
            let ask = &ask;
            let threads: Vec<_> = (0..connections).map(|number| scope.spawn(move || ask(number))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().expect("no part of it panics"))
        })?;
        let seconds = start.elapsed().as_secs_f64();
        let per_second = |answers: AtomicU32| format!("{:.0}", f64::from(answers.into_inner()) / seconds);
        let good: Vec<String> = KINDS
            .iter()
            .zip(good)
            .map(|((what, _), answers)| format!("{} {what}", per_second(answers)))
            .collect();
        Ok(format!("a second {}, and {} × 503", good.join(", "), per_second(busy)))
    }
}

fn address(number: u32) -> String {
    let [_, a, b, c] = number.to_be_bytes();
    format!("10.{a}.{b}.{c}")
}

/// Of twenty requests, fourteen are page views, four log ins, one registers and one is a check.
fn kind_of(turn: u32) -> usize {
    match turn % 20 {
        3 | 8 | 13 | 18 => 1,
        5 => 2,
        15 => 3,
        _ => 0,
    }
}

fn own_site(beside: &Site, name: &str) -> anyhow::Result<Site> {
    Site::with(&beside.data_dir().join(name), None, &[("CAPTCHA", "off"), ("THROTTLE", "off")])
}

/// What a request of each kind costs at each size beside its hash, and what the mix reaches.
pub fn mix(beside: &Site) -> anyhow::Result<()> {
    const CONNECTIONS: [usize; 3] = [10, 100, 1_000];
    let crowds = SIZES.iter().map(|users| Crowd::of(*users, beside)).collect::<anyhow::Result<Vec<_>>>()?;
    for (kind, (what, _)) in KINDS.iter().enumerate() {
        let (mut costs, mut ratios) = (vec![], vec![]);
        for _ in 0..ROUNDS {
            let round = crowds.iter().map(|crowd| crowd.cost(kind)).collect::<anyhow::Result<Vec<_>>>()?;
            ratios.push(round[2].iter().sum::<f64>() / round[0].iter().sum::<f64>());
            costs.push(round);
        }
        at_most(1.3, &format!("CPU of a {what} among 2,000,000 users ÷ among 1,000"), &ratios);
        for (size, users) in SIZES.iter().enumerate() {
            let [process, database] =
                [0, 1].map(|whose| median(&costs.iter().map(|round| round[size][whose]).collect::<Vec<_>>()));
            note(&format!(
                "{process:.2} ms of the process and {database:.2} of PostgreSQL among {users} users"
            ));
        }
    }
    for connections in CONNECTIONS {
        for crowd in &crowds {
            note(&format!(
                "{} on {connections} connections, {} users",
                crowd.mixed(connections)?,
                crowd.users
            ));
        }
    }
    Ok(())
}

/// Adds users, each with an account and the activity of a log in; some have a session, whose id is their number.
fn grow(site: &Site, users: u32) -> anyhow::Result<()> {
    let hash = Argon2::default().hash_password(PASSWORD.as_bytes())?.to_string();
    // Ids in order, as those of version 7 are. What refers to what needs no test of each row. Nobody is
    // noted as seen meanwhile, which happens once a minute to each: few are asked for twice where many are.
    on_database(
        &site.database_url(),
        &format!(
            "set session_replication_role = replica;
             create temporary table new as
             select lpad(to_hex(n), 32, '0') as hex, n, format('u%s@example.com', n) as email
             from generate_series(0, {users} - 1) as n;
             insert into users (id, email, email_key, password_hash, created_at)
             select hex::uuid, email, email, '{hash}', '2026-01-01' from new;
             insert into accounts (id, user_id, account_type, region_id, created_at)
             select hex::uuid, hex::uuid, 'artist', 'DE-BY', '2026-01-01' from new;
             insert into activity (id, user_id, happened_at, kind, client_address, user_agent)
             select hex::uuid, hex::uuid, '2026-01-01', 'logged_in', '192.0.2.1', 'bars' from new;
             insert into sessions (id_hash, user_id, account_id, remember, logged_in_at, last_seen_at, expires_at,
                 client_address, user_agent)
             select sha256(decode(hex, 'hex')), hex::uuid, hex::uuid, true, now(), now() + interval '1 hour',
                 '2100-01-01', '192.0.2.1', 'bars'
             from new where n % {SESSION_EVERY} = 0;"
        ),
    )?;
    // What was written would be cleaned up while something else is measured.
    on_database(&site.database_url(), "vacuum analyze")?;
    on_database(&site.database_url(), "checkpoint")
}

/// The slowest hundredth of page views in a flood of log ins, beside the same without one.
pub fn flood(beside: &Site) -> anyhow::Result<()> {
    const FLOODING: usize = 64;
    let site = own_site(beside, "flood")?;
    grow(&site, SIZES[0])?;
    let hash = 2e3 / bare_hashes_per_second(Duration::from_secs(2))?;
    let idle = slowest_hundredth(&site)?;
    let (is_over, log_ins, busy) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    let log_in_again = |number: usize| -> anyhow::Result<()> {
        let mut connection = Connection::open(site.address)?;
        while !is_over.load(Ordering::Relaxed) {
            let log_in = log_in_as(
                &format!("u{number}@example.com"),
                &format!("10.0.0.{number}"),
                &Token::random().reveal(),
            );
            let status = connection.ask(&log_in)?.status;
            ensure!([303, 503].contains(&status), "a log in got {status}");
            if status == 503 { &busy } else { &log_ins }.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    let flooded = thread::scope(|scope| {
        let log_in_again = &log_in_again;
        let threads: Vec<_> = (0..FLOODING).map(|number| scope.spawn(move || log_in_again(number))).collect();
        thread::sleep(Duration::from_secs(1));
        let flooded = slowest_hundredth(&site);
        is_over.store(true, Ordering::Relaxed);
        threads.into_iter().try_for_each(|thread| thread.join().expect("no part of it panics"))?;
        flooded
    })?;
    let most = idle + 2.0 * hash;
    say(
        flooded <= most,
        &format!("p99 of GET /login in a flood of log ins: {flooded:.1} ms, at most {most:.1}"),
        &[flooded],
    );
    note(&format!("{idle:.2} ms when idle, {hash:.1} ms a hash"));
    note(&format!("{} log ins meanwhile, {} × 503", log_ins.into_inner(), busy.into_inner()));
    Ok(())
}
