//! Known and unknown addresses must look alike: by the time of the answer, and by what it asks the database.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;

use crate::{
    load::{Connection, post},
    median, note, on_database, say,
    site::Site,
    with_statements_written,
};

/// How many addresses of either kind are asked about, each once.
const ADDRESSES: usize = 2_000;
/// How many more are asked about while statements are counted.
const COUNTED: usize = 9;
/// What still goes on after an answer, such as a worker that looks for letters, is over by then.
const SETTLED: Duration = Duration::from_millis(300);

/// One form that anybody can send about any address.
struct Asked {
    path: &'static str,
    fields: &'static str,
    status: u16,
    /// Tells the clients of one form from those of another.
    network: u8,
}

/// How much the medians may differ, by which words.
type Bar = fn(known: f64, unknown: f64) -> (bool, String);

/// What `/recover` and `/login` cost for an address that a user has and for one that nobody has: in time, and
/// in statements.
pub fn recovery(site: &Site) -> anyhow::Result<()> {
    seed(site)?;
    let recover = Asked { path: "/recover", fields: "", status: 303, network: 32 };
    let log_in = Asked { path: "/login", fields: "&password=wrong+one", status: 422, network: 64 };
    compare(site, &recover, |known, unknown| {
        let difference = (known - unknown).abs();
        (difference <= 0.2, format!("{difference:.3} ms, at most 0.2"))
    })?;
    compare(site, &log_in, |known, unknown| {
        let difference = (known / unknown - 1.0).abs() * 100.0;
        (difference <= 3.0, format!("{difference:.2} %, at most 3"))
    })?;
    on_database(&site.database_url(), LETTERS_STAY)?;
    with_statements_written(site, || {
        count_statements(site, &recover)?;
        count_statements(site, &log_in)
    })?;
    on_database(&site.database_url(), "drop trigger letters_stay on letters; delete from letters")
}

/// What a letter asks the database when it is written is none of the form's statements.
const LETTERS_STAY: &str = "delete from letters;
     create function letters_stay() returns trigger language plpgsql as $$ begin
         new.due_at = '2100-01-01';
         return new;
     end $$;
     create trigger letters_stay before insert on letters for each row execute function letters_stay();";

/// Users `known0@example.com`, …
fn seed(site: &Site) -> anyhow::Result<()> {
    let users = ADDRESSES + COUNTED;
    on_database(
        &site.database_url(),
        &format!(
            "insert into users (id, email, email_key, password_hash, created_at)
             select gen_random_uuid(), email, email, password_hash, created_at
             from (select password_hash, created_at from users limit 1) as alike,
                 generate_series(0, {users} - 1) as number, format('known%s@example.com', number) as email;
             insert into accounts (id, user_id, account_type, region_id, created_at)
             select gen_random_uuid(), id, 'artist', 'DE-BY', created_at from users where email like 'known%';
             analyze;"
        ),
    )
}

impl Asked {
    /// Asks about an address, from a client that nobody else is.
    fn ask(&self, connection: &mut Connection, is_known: bool, number: usize) -> anyhow::Result<()> {
        let name = if is_known { "known" } else { "other" };
        let network = self.network + u8::from(is_known);
        let headers = format!(
            "x-forwarded-for: 10.{network}.{}.{}\r\nuser-agent: bars\r\n",
            number / 256,
            number % 256
        );
        let form = format!("email={name}{number}%40example.com{}", self.fields);
        let answer = connection.ask(&post(self.path, &headers, &form))?;
        ensure!(answer.status == self.status, "{}: {}", self.path, answer.head);
        Ok(())
    }
}

/// Known and unknown addresses by turns, each pair begun by the other one.
fn compare(site: &Site, asked: &Asked, bar: Bar) -> anyhow::Result<()> {
    let mut connection = Connection::open(site.address)?;
    let (mut known, mut unknown) = (vec![], vec![]);
    for number in 0..ADDRESSES {
        let first = number % 2 == 0;
        for is_known in [first, !first] {
            let start = Instant::now();
            asked.ask(&mut connection, is_known, number)?;
            let milliseconds = start.elapsed().as_secs_f64() * 1e3;
            if is_known { &mut known } else { &mut unknown }.push(milliseconds);
        }
    }
    let (known, unknown) = (median(&known), median(&unknown));
    let (is_reached, words) = bar(known, unknown);
    say(
        is_reached,
        &format!("POST {}, known beside unknown address: {words}", asked.path),
        &[known - unknown],
    );
    note(&format!("{known:.3} ms against {unknown:.3} ms, {ADDRESSES} of each"));
    Ok(())
}

fn count_statements(site: &Site, asked: &Asked) -> anyhow::Result<()> {
    let mut connection = Connection::open(site.address)?;
    let mut count = |is_known: bool| -> anyhow::Result<f64> {
        let mut counted = vec![];
        for number in ADDRESSES..ADDRESSES + COUNTED {
            let before = site.statements()?;
            asked.ask(&mut connection, is_known, number)?;
            thread::sleep(SETTLED);
            counted.push((site.statements()? - before) as f64);
        }
        Ok(median(&counted))
    };
    let (known, unknown) = (count(true)?, count(false)?);
    let words =
        format!("statements of a POST {}: {known} for a known address, {unknown} for another", asked.path);
    say(known == unknown, &words, &[known]);
    Ok(())
}
