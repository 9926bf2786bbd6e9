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
    load::{Connection, get},
    note,
    site::Site,
};

/// How many connections lie idle: half after an answer, half within the headers of their first request.
const IDLE: usize = 10_000;
/// How many bring one more octet of a header now and then.
const SLOW: usize = 200;
/// How many fill a header as far as it is read.
const LARGE: usize = 500;

/// A crowd that asks for nothing: what it costs, and what it costs whoever does ask.
pub fn crowd(site: &Site) -> anyhow::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let alone = slowest_hundredth(site)?;
    note(&format!("{alone:.2} ms for the p99 of GET /login alone"));
    let (idle, each) = open_many(site, IDLE, |number| waiting(site, number % 2 == 0))?;
    at_most(32.0, "kB of a connection that lies idle", &[each]);
    let ratios: Vec<f64> = beside_slow_ones(site)?.iter().map(|beside| beside / alone).collect();
    let what = format!("p99 of GET /login beside {IDLE} idle and {SLOW} slow connections ÷ alone");
    at_most(2.0, &what, &ratios);
    drop(idle);
    let (_large, each) = open_many(site, LARGE, |_| with_large_head(site))?;
    at_most(32.0, "kB of a connection with a large head that does not end", &[each]);
    Ok(())
}

/// Opens connections, and says how many kB of the site's memory each takes.
fn open_many(
    site: &Site,
    many: usize,
    open: impl Fn(usize) -> anyhow::Result<TcpStream>,
) -> anyhow::Result<(Vec<TcpStream>, f64)> {
    let before = site.memory("VmRSS")?;
    let connections = (0..many).map(open).collect::<anyhow::Result<Vec<_>>>()?;
    let each = (site.memory("VmRSS")? - before) * 1e3 / many as f64;
    Ok((connections, each))
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
fn with_large_head(site: &Site) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(site.address)?;
    write!(stream, "GET /login HTTP/1.1\r\nhost: localhost\r\ncookie: a={}", "b".repeat(15_000))?;
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
