//! The pages of who has done much beside those of who has done little.

use std::time::Instant;

use anyhow::{Context, ensure};

use crate::{
    ROUNDS, at_most,
    load::{Connection, get},
    log_in_as, median, note, on_database, session,
    site::Site,
};
use vestibule::domain::{Token, TokenHash};

/// How often each page is asked for in a round.
const TURNS: usize = 200;
/// When the oldest entry of either happened, as a Unix time.
const BEGIN: i64 = 1_767_225_600;

/// One has 100,000 entries of activity and 1,000 sessions, the other ten of each; what logging in adds is
/// among them. The pages in the middle are compared with the other's first ones.
pub fn histories(site: &Site) -> anyhow::Result<()> {
    seed(site, "much@example.com", 1, 99_999, 999)?;
    seed(site, "little@example.com", 2, 9, 9)?;
    on_database(&site.database_url(), "vacuum analyze activity")?;
    on_database(&site.database_url(), "vacuum analyze sessions")?;
    let mut connection = Connection::open(site.address)?;
    let much = session(&mut connection, &log_in_as("much@example.com", "10.9.0.1", &device()))?;
    let little = session(&mut connection, &log_in_as("little@example.com", "10.9.0.2", &device()))?;
    let in_the_middle = format!("00000001-0000-0000-0000-{:012}", 50_000);
    let session_in_the_middle = format!("{}.{}", (BEGIN + 500) * 1_000_000, TokenHash::of(b"1 500"));
    for (path, deep) in [
        ("/profile", String::new()),
        ("/profile/activity", String::new()),
        ("/profile/sessions", String::new()),
        ("/profile/activity", format!("?before={in_the_middle}")),
        ("/profile/sessions", format!("?before={session_in_the_middle}")),
    ] {
        let requests = [
            get(&format!("{path}{deep}"), &format!("cookie: session={much}\r\n")),
            get(path, &format!("cookie: session={little}\r\n")),
        ];
        compare(
            &mut connection,
            &format!("{path}{}", if deep.is_empty() { "" } else { "?before=…" }),
            &requests,
        )?;
    }
    Ok(())
}

/// A user with so many entries and sessions, whose ids tell their number.
fn seed(site: &Site, email: &str, user: u8, entries: u32, sessions: u32) -> anyhow::Result<()> {
    on_database(
        &site.database_url(),
        &format!(
            "insert into users (id, email, email_key, password_hash, created_at)
             select gen_random_uuid(), '{email}', '{email}', password_hash, created_at from users limit 1;
             insert into accounts (id, user_id, account_type, region_id, created_at)
             select gen_random_uuid(), id, 'artist', 'DE-BY', created_at from users where email = '{email}';
             insert into activity (id, user_id, happened_at, kind, client_address, user_agent)
             select format('0000000{user}-0000-0000-0000-%s', lpad(n::text, 12, '0'))::uuid, id,
                 to_timestamp({BEGIN} + n), 'logged_in', '192.0.2.1', 'Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0'
             from users, generate_series(1, {entries}) as n where email = '{email}';
             insert into sessions (id_hash, user_id, account_id, remember, logged_in_at, last_seen_at, expires_at,
                 client_address, user_agent)
             select sha256(convert_to('{user} ' || n, 'UTF8')), user_id, accounts.id, true, to_timestamp({BEGIN} + n),
                 to_timestamp({BEGIN} + n), '2100-01-01', '192.0.2.1', 'Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0'
             from accounts join users on users.id = user_id, generate_series(1, {sessions}) as n
             where email = '{email}';"
        ),
    )
}

fn device() -> String {
    Token::random().reveal()
}

/// Both by turns: the median time of the first, divided by that of the other.
fn compare(connection: &mut Connection, what: &str, requests: &[Vec<u8>; 2]) -> anyhow::Result<()> {
    let (mut ratios, mut microseconds) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        let mut times = [vec![], vec![]];
        for _ in 0..TURNS {
            for (request, times) in requests.iter().zip(&mut times) {
                let start = Instant::now();
                let answer = connection.ask(request)?;
                times.push(start.elapsed().as_secs_f64() * 1e6);
                ensure!(answer.status == 200, "{}", answer.head);
            }
        }
        let [much, little] = times.map(|times| median(&times));
        ratios.push(much / little);
        microseconds.push(much);
    }
    at_most(1.3, &format!("{what} of 100,000 entries and 1,000 sessions ÷ of ten"), &ratios);
    let slowest = microseconds.iter().copied().reduce(f64::max).context("rounds")?;
    note(&format!("{:.0} µs, {slowest:.0} in the slowest round", median(&microseconds)));
    Ok(())
}
