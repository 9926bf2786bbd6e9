//! What a crowd of connections that ask for nothing costs: memory, and the time of whoever does ask.

use std::{
    io::Write,
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::{
    at_most,
    load::{Connection, get, post},
    note,
    site::Site,
};

/// How many connections lie idle: half after an answer, half within the headers of their first request.
const IDLE: usize = 10_000;
/// How many bring one more octet of a header now and then.
const SLOW: usize = 200;
/// How many bring a head as large as one may be, or a form, and do not end it.
const UNENDED: usize = 1_000;

/// A crowd that asks for nothing: what it costs, and what it costs whoever does ask.
pub fn crowd(site: &Site) -> anyhow::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let alone = slowest_hundredth(site)?;
    note(&format!("{alone:.2} ms for the p99 of GET /login alone"));
    let idle = open_many(IDLE, |number| waiting(site, number % 2 == 0))?;
    let ratios: Vec<f64> = beside_slow_ones(site)?.iter().map(|beside| beside / alone).collect();
    let what = format!("p99 of GET /login beside {IDLE} idle and {SLOW} slow connections ÷ alone");
    at_most(2.0, &what, &ratios);
    drop(idle);
    let form = |octets| move |site: &Site, _| unended_form(site, octets);
    let each = memory_of_each(site, IDLE, |site, number| waiting(site, number % 2 == 0))?;
    at_most(32.0, "kB of a connection that lies idle", &[each]);
    let each = memory_of_each(site, UNENDED, |site, _| unended_head(site))?;
    at_most(32.0, "kB of a connection with a large head that does not end", &[each]);
    let each = memory_of_each(site, UNENDED, form(8))?;
    at_most(32.0, "kB of a connection with a form of which little comes", &[each]);
    let each = memory_of_each(site, UNENDED, form(16_000))?;
    note(&format!("{each:.1} kB of one with a large form that does not end"));
    Ok(())
}

fn open_many(
    count: usize,
    open: impl Fn(usize) -> anyhow::Result<TcpStream>,
) -> anyhow::Result<Vec<TcpStream>> {
    (0..count).map(open).collect()
}

/// How many kB of memory each of so many connections takes, in a process that has no memory to spare yet.
fn memory_of_each(
    beside: &Site,
    count: usize,
    open: impl Fn(&Site, usize) -> anyhow::Result<TcpStream>,
) -> anyhow::Result<f64> {
    let site = Site::start(&beside.data_dir().join("crowd"), Some(&beside.database_url()))?;
    drop(waiting(&site, true)?);
    let before = site.memory("VmRSS")?;
    let connections = open_many(count, |number| open(&site, number))?;
    // Until the last ones were read, too.
    thread::sleep(Duration::from_secs(1));
    let each = (site.memory("VmRSS")? - before) * 1e3 / count as f64;
    drop(connections);
    Ok(each)
}

/// The slowest hundredth, three times, while connections bring their headers octet by octet.
fn beside_slow_ones(site: &Site) -> anyhow::Result<Vec<f64>> {
    let mut slow = (0..SLOW).map(|_| waiting(site, false)).collect::<anyhow::Result<Vec<_>>>()?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                // One that was hung up on has had its time.
                slow.iter_mut().for_each(|stream| drop(stream.write_all(b"a")));
                thread::sleep(Duration::from_millis(50));
            }
        });
        let beside = (0..3).map(|_| slowest_hundredth(site)).collect();
        is_over.store(true, Ordering::Relaxed);
        beside
    })
}

/// A connection that lies idle after an answer, or within the headers of its first request.
fn waiting(site: &Site, has_asked: bool) -> anyhow::Result<TcpStream> {
    let mut connection = Connection::open(site.address)?;
    if has_asked {
        connection.ask(&get("/login", ""))?;
        return Ok(connection.into_stream());
    }
    let mut stream = connection.into_stream();
    stream.write_all(b"GET /login HTTP/1.1\r\nhost: loc")?;
    Ok(stream)
}

/// A connection whose head is nearly as large as one may be, and does not end.
fn unended_head(site: &Site) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(site.address)?;
    write!(stream, "GET /login HTTP/1.1\r\nhost: localhost\r\ncookie: a={}", "b".repeat(15_000))?;
    Ok(stream)
}

/// A connection that brings so many octets of a form, and not the last one.
fn unended_form(site: &Site, octets: usize) -> anyhow::Result<TcpStream> {
    let mut form = post("/login", "", &"a".repeat(octets + 1));
    form.pop();
    let mut stream = TcpStream::connect(site.address)?;
    stream.write_all(&form)?;
    Ok(stream)
}

/// How long the slowest hundredth of some looks at a page takes at least, in milliseconds.
pub fn slowest_hundredth(site: &Site) -> anyhow::Result<f64> {
    const LOOKS: usize = 3000;
    let mut connection = Connection::open(site.address)?;
    let mut took = Vec::with_capacity(LOOKS);
    for _ in 0..LOOKS {
        let start = Instant::now();
        connection.ask(&get("/login", ""))?;
        took.push(start.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    Ok(took[LOOKS * 99 / 100])
}
