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

/// How many connections lie idle: half after an answer, half within their first line.
const IDLE: usize = 10_000;
/// How many bring one more octet of a header now and then.
const SLOW: usize = 200;
/// How many fill a header as far as it is read.
const LARGE: usize = 500;

/// A crowd that asks for nothing, beside one who looks at pages.
pub fn crowd(site: &Site) -> anyhow::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let alone = slowest_hundredth(site)?;
    let before = site.memory("VmRSS")?;
    let idle = (0..IDLE).map(|number| waiting(site, number % 2 == 0)).collect::<anyhow::Result<Vec<_>>>()?;
    let per_idle = (site.memory("VmRSS")? - before) * 1e3 / IDLE as f64;
    at_most(32.0, "kB of a connection that lies idle", &[per_idle]);
    let mut slow = (0..SLOW).map(|_| waiting(site, false)).collect::<anyhow::Result<Vec<_>>>()?;
    let is_over = AtomicBool::new(false);
    let beside = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                // One that was hung up on has had its time.
                slow.iter_mut().for_each(|stream| drop(stream.write_all(b"a")));
                thread::sleep(Duration::from_millis(50));
            }
        });
        let beside = (0..3).map(|_| slowest_hundredth(site)).collect::<anyhow::Result<Vec<_>>>();
        is_over.store(true, Ordering::Relaxed);
        beside
    })?;
    let ratios: Vec<f64> = beside.iter().map(|beside| beside / alone).collect();
    at_most(2.0, "p99 of GET /login beside 10,000 idle and 200 slow connections ÷ alone", &ratios);
    note(&format!("{alone:.2} ms alone"));
    drop(idle);
    let before = site.memory("VmRSS")?;
    let large = (0..LARGE).map(|_| with_large_head(site)).collect::<anyhow::Result<Vec<_>>>()?;
    let per_large = (site.memory("VmRSS")? - before) * 1e3 / LARGE as f64;
    at_most(32.0, "kB of a connection with a large head that does not end", &[per_large]);
    drop(large);
    Ok(())
}

fn waiting(site: &Site, has_asked: bool) -> anyhow::Result<TcpStream> {
    let mut connection = Connection::open(site.address)?;
    if has_asked {
        connection.ask(&get("/login", ""))?;
    }
    let mut stream = connection.into_stream();
    if !has_asked {
        stream.write_all(b"GET /login HTTP/1.1\r\nhost: loc")?;
    }
    Ok(stream)
}

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
