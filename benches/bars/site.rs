//! What is measured, as processes of their own, so that the system counts their time and memory
//! apart from ours: the site as it is shipped, and the bare server it is compared with.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::load::{Connection, get};

/// How long a site may take to start, its new cluster included.
const START_LIMIT: Duration = Duration::from_secs(60);
/// In which unit Linux counts a process's time (proc(5); 100 on every machine of today).
const TICKS_PER_SECOND: f64 = 100.0;

/// A process that ends with this value.
struct Process(Child);

impl Process {
    fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.id().cast_signed()), Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

/// A folder that goes with this value.
pub struct Folder(PathBuf);

impl Folder {
    /// On disk, not in memory, as data are.
    pub fn new() -> anyhow::Result<Self> {
        let path = PathBuf::from(format!("/var/tmp/vestibule-bars-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The site, with the settings it has by itself but for its addresses.
pub struct Site {
    pub address: SocketAddr,
    metrics_address: SocketAddr,
    data_dir: PathBuf,
    process: Process,
    /// From the start of the process to the first page.
    pub start_time: Duration,
}

impl Site {
    /// Starts it and waits for its first page. Without a database it runs an embedded one.
    pub fn start(data_dir: &Path, database_url: Option<&str>) -> anyhow::Result<Self> {
        Self::with(data_dir, database_url, &[])
    }

    /// The same with some more settings, named without their prefix.
    pub fn with(
        data_dir: &Path,
        database_url: Option<&str>,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(data_dir)?;
        let (address, metrics_address) = (free_address()?, free_address()?);
        // Several may run in one folder.
        let log = data_dir.join(format!("site-{}.log", address.port()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command
            .env_clear()
            .env("VESTIBULE_LISTEN", address.to_string())
            .env("VESTIBULE_METRICS_LISTEN", metrics_address.to_string())
            .env("VESTIBULE_PUBLIC_URL", format!("http://localhost:{}", address.port()))
            .env("VESTIBULE_DATA_DIR", data_dir)
            // The pace of letters is not what is measured.
            .env("VESTIBULE_MAIL_PER_MINUTE", "1000000")
            // So that each visitor can have an address of their own.
            .env("VESTIBULE_TRUSTED_PROXIES", "127.0.0.1")
            .envs(database_url.map(|url| ("VESTIBULE_DATABASE_URL", url)))
            .envs(settings.iter().map(|(name, value)| (format!("VESTIBULE_{name}"), value)))
            .current_dir(data_dir)
            .stderr(File::create(&log)?);
        let start = Instant::now();
        let mut process = Process(command.spawn()?);
        let home = get("/", "");
        loop {
            let answer = Connection::open(address).and_then(|mut to| Ok(to.ask(&home)?.status));
            if answer.is_ok_and(|status| status == 200) {
                break;
            }
            if process.0.try_wait()?.is_some() || start.elapsed() > START_LIMIT {
                bail!("the site did not start: {}", fs::read_to_string(&log)?);
            }
            thread::sleep(Duration::from_millis(1));
        }
        let start_time = start.elapsed();
        Ok(Self { address, metrics_address, data_dir: data_dir.to_owned(), process, start_time })
    }

    /// Ends it as no program expects it.
    pub fn kill(self) -> anyhow::Result<()> {
        kill(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGKILL)?;
        Ok(())
    }

    /// Where it keeps its data.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The address of its embedded database.
    pub fn database_url(&self) -> String {
        format!("postgres://vestibule@localhost/vestibule?host={}", self.data_dir.join("postgres").display())
    }

    /// How many statements its embedded database has run, once it was told to write them down.
    pub fn statements(&self) -> anyhow::Result<usize> {
        let log = fs::read_to_string(self.data_dir.join("postgres.log"))?;
        Ok(log.matches("LOG:  execute ").count())
    }

    /// CPU time of its hash threads, in seconds, as they count it for themselves.
    pub fn hash_cpu(&self) -> anyhow::Result<f64> {
        let mut connection = Connection::open(self.metrics_address)?;
        let metrics = std::str::from_utf8(connection.ask(&get("/metrics", ""))?.body)?.to_owned();
        let mut lines = metrics.lines();
        let value = lines.find_map(|line| line.strip_prefix("vestibule_hash_cpu_seconds_total "));
        Ok(value.context("no such metric")?.parse()?)
    }

    /// CPU time of the process, in seconds.
    pub fn cpu(&self) -> anyhow::Result<f64> {
        Ok(Stat::of(self.process.id())?.cpu)
    }

    /// CPU time of its embedded database with all its processes, in seconds.
    pub fn database_cpu(&self) -> anyhow::Result<f64> {
        let processes: Vec<u32> = fs::read_dir("/proc")?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        // One may have ended since.
        let stats: Vec<(u32, Stat)> =
            processes.into_iter().filter_map(|id| Some((id, Stat::of(id).ok()?))).collect();
        let (server, stat) =
            stats.iter().find(|(_, stat)| stat.parent == self.process.id()).context("no PostgreSQL")?;
        let backends = stats.iter().filter(|(_, stat)| stat.parent == *server);
        Ok(stat.cpu + stat.ended_cpu + backends.map(|(_, stat)| stat.cpu).sum::<f64>())
    }

    /// CPU time in seconds: of the process without its hashes, and of its embedded database.
    pub fn cpu_beside_hashes(&self) -> anyhow::Result<[f64; 2]> {
        Ok([self.cpu()? - self.hash_cpu()?, self.database_cpu()?])
    }

    /// Memory of the process, in MB: `VmRSS` for what it has now, `VmHWM` for the most it ever had.
    pub fn memory(&self, line: &str) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let value = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
        let kib: f64 = value.context("no such line")?.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024.0 / 1e6)
    }
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// What proc(5) tells of a process; times in seconds.
struct Stat {
    parent: u32,
    cpu: f64,
    /// Of the children that it has waited for.
    ended_cpu: f64,
}

impl Stat {
    fn of(process: u32) -> anyhow::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
        let (_, fields) = text.rsplit_once(") ").context("no name")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        // The third field of the file is our first.
        let seconds = |field: usize| -> anyhow::Result<f64> {
            Ok(fields.get(field - 3).context("too few fields")?.parse::<f64>()? / TICKS_PER_SECOND)
        };
        Ok(Self {
            parent: fields[1].parse()?,
            cpu: seconds(14)? + seconds(15)?,
            ended_cpu: seconds(16)? + seconds(17)?,
        })
    }
}

/// A server that answers everything with a page of this many bytes.
pub struct Bare {
    pub address: SocketAddr,
    _process: Process,
}

/// The argument that makes this program be that server.
pub const BARE: &str = "bare";

impl Bare {
    pub fn start(length: usize) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?;
        let child = Command::new(program).arg(BARE).arg(length.to_string()).stdout(Stdio::piped()).spawn()?;
        let mut process = Process(child);
        let mut address = String::new();
        let output = process.0.stdout.take().context("no output")?;
        BufReader::new(output).read_line(&mut address)?;
        ensure!(!address.is_empty(), "the bare server did not start");
        Ok(Self { address: address.trim().parse()?, _process: process })
    }

    /// Is that server, for ever.
    #[tokio::main]
    pub async fn serve(length: usize) -> anyhow::Result<()> {
        let body: &'static str = "x".repeat(length).leak();
        let router = axum::Router::new().route("/", axum::routing::get(move || async move { body }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        Ok(axum::serve(listener, router).await?)
    }
}
