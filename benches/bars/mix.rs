//! What people do beside each other: the mix of a busy hour over tables that grow, and pages in a flood of log ins.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;
use argon2::{Argon2, PasswordHasher};

use crate::{
    PASSWORD, ROUNDS, at_most, bare_hashes_per_second,
    crowd::slowest_hundredth,
    load::{self, Connection, get, post},
    log_in_as, median, note, on_database, say, session,
    site::Site,
};
use vestibule::domain::Token;

/// How many users there are, one size after the other.
const SIZES: [u32; 3] = [1_000, 100_000, 2_000_000];
/// How many ask at once when one kind of request is measured alone.
const ASKING: usize = 4;
/// So that those who follow each other lie far apart in the tables.
const STRIDE: u32 = 7_919;

/// What can be asked, and what a good answer's status is.
const KINDS: [(&str, u16); 4] =
    [("GET /profile", 200), ("POST /login", 303), ("POST /register", 303), ("GET /auth/check", 204)];

/// Who asks: everybody logs in once and registers once, in turn.
struct Crowd {
    users: u32,
    session: String,
    turn: AtomicU32,
}

impl Crowd {
    fn request(&self, kind: usize, newcomers: &AtomicU32) -> Vec<u8> {
        let signed_in = format!("cookie: session={}\r\n", self.session);
        match kind {
            0 => get("/profile", &signed_in),
            1 => {
                let turn = self.turn.fetch_add(1, Ordering::Relaxed);
                let user = u64::from(turn) * u64::from(STRIDE) % u64::from(self.users);
                log_in_as(&format!("u{user}@example.com"), &address(turn), &Token::random().reveal())
            }
            2 => {
                let newcomer = newcomers.fetch_add(1, Ordering::Relaxed);
                let headers = format!(
                    "x-forwarded-for: {}\r\ncookie: device={}\r\n",
                    address(newcomer),
                    Token::random().reveal()
                );
                let form = format!(
                    "email=r{newcomer}%40example.com&password=correct+horse&region=Bavaria&region_id=DE-BY\
                     &region_was=Bavaria&account_type=artist"
                );
                post("/register", &headers, &form)
            }
            _ => get("/auth/check", &signed_in),
        }
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
    let site = own_site(beside, "mix")?;
    let newcomers = AtomicU32::new(0);
    let mut costs = vec![];
    let mut from = 0;
    for users in SIZES {
        let start = Instant::now();
        grow(&site, from, users)?;
        note(&format!("{users} users, after {:.0} s", start.elapsed().as_secs_f64()));
        from = users;
        let mut connection = Connection::open(site.address)?;
        let log_in = log_in_as("u0@example.com", "10.255.0.1", &Token::random().reveal());
        let crowd = Crowd { users, session: session(&mut connection, &log_in)?, turn: AtomicU32::new(1) };
        let each = (0..KINDS.len())
            .map(|kind| cost(&site, kind, || crowd.request(kind, &newcomers)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        for ((what, _), cost) in KINDS.iter().zip(&each) {
            note(&format!("{cost:.2} ms of CPU beside the hash, per {what} among {users} users"));
        }
        costs.push(each);
        for connections in CONNECTIONS {
            let mixed = run_mix(&site, connections, &crowd, &newcomers)?;
            note(&format!("{mixed} a second of the mix on {connections} connections among {users} users"));
        }
    }
    for (kind, (what, _)) in KINDS.iter().enumerate() {
        let ratio = costs[2][kind] / costs[0][kind];
        at_most(1.3, &format!("CPU of {what} among 2,000,000 users ÷ among 1,000"), &[ratio]);
    }
    Ok(())
}

/// Milliseconds of CPU of the process and PostgreSQL for each, without what the hash took. What a
/// registration costs holds the letters that left meanwhile.
fn cost(site: &Site, kind: usize, request: impl Fn() -> Vec<u8> + Sync) -> anyhow::Result<f64> {
    let spent = || Ok::<_, anyhow::Error>(site.cpu()? + site.database_cpu()? - site.hash_cpu()?);
    let mut costs = vec![];
    for _ in 0..ROUNDS {
        let before = spent()?;
        let load = load::run(site.address, ASKING, Duration::from_secs(1), KINDS[kind].1, |_, _| request())?;
        costs.push((spent()? - before) * 1e3 / f64::from(load.answers));
    }
    Ok(median(&costs))
}

/// How many answers a second of the mix were what was asked for, and how many said that the site is busy.
fn run_mix(site: &Site, connections: usize, crowd: &Crowd, newcomers: &AtomicU32) -> anyhow::Result<String> {
    const LASTS: Duration = Duration::from_secs(3);
    let (good, busy) = (AtomicU32::new(0), AtomicU32::new(0));
    let start = Instant::now();
    let ask = |number: usize| -> anyhow::Result<()> {
        let mut connection = Connection::open(site.address)?;
        let mut turn = u32::try_from(number)?;
        while start.elapsed() < LASTS {
            let kind = kind_of(turn);
            let answer = connection.ask(&crowd.request(kind, newcomers))?;
            ensure!([KINDS[kind].1, 503].contains(&answer.status), "{}: {}", KINDS[kind].0, answer.head);
            if answer.status == 503 { &busy } else { &good }.fetch_add(1, Ordering::Relaxed);
            turn += 1;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let ask = &ask;
        let threads: Vec<_> = (0..connections).map(|number| scope.spawn(move || ask(number))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no part of it panics"))
    })?;
    let per_second = |answers: AtomicU32| f64::from(answers.into_inner()) / start.elapsed().as_secs_f64();
    Ok(format!("{:.0} answers and {:.0} × 503", per_second(good), per_second(busy)))
}

/// Adds users; every tenth has a session.
fn grow(site: &Site, from: u32, to: u32) -> anyhow::Result<()> {
    let hash = Argon2::default().hash_password(PASSWORD.as_bytes())?.to_string();
    // Ids in order, as those of version 7 are. What refers to what needs no test of each row.
    on_database(
        &site.database_url(),
        &format!(
            "set session_replication_role = replica;
             create temporary table new as
             select lpad(to_hex(n), 32, '0')::uuid as id, n, format('u%s@example.com', n) as email
             from generate_series({from}, {to} - 1) as n;
             insert into users (id, email, email_key, password_hash, created_at)
             select id, email, email, '{hash}', '2026-01-01' from new;
             insert into accounts (id, user_id, account_type, region_id, created_at)
             select id, id, 'artist', 'DE-BY', '2026-01-01' from new;
             insert into sessions (id_hash, user_id, account_id, remember, logged_in_at, last_seen_at, expires_at,
                 client_address, user_agent)
             select sha256(convert_to(email, 'UTF8')), id, id, true, now(), now(), '2100-01-01', '192.0.2.1', 'bars'
             from new where n % 10 = 0;"
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
    grow(&site, 0, SIZES[0])?;
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
