//! A private PostgreSQL, for who sets no `DATABASE_URL`: the distribution's binaries, a cluster in
//! `DATA_DIR/postgres`, no port, no password, started and stopped with the program.
//!
//! - **Paths.** PostgreSQL gets its folder as an open descriptor (`/proc/self/fd/N`), and so do we
//!   when we connect: no folder above it needs to be passable for the user it runs as, and no
//!   path is too long for a socket.
//! - **Users.** PostgreSQL refuses to run as root. Started by root it runs as whoever owns the
//!   cluster; a new one is given to `postgres`, else to `nobody`.
//! - **One at a time.** A lock on the data folder keeps a second instance out.
//! - **Versions.** The cluster's `PG_VERSION` decides which binaries run, not the newest there are.
//! - **Ends.** One thread starts the server, watches it, and starts it again when it dies. Should
//!   that thread die with the program, however suddenly, the kernel tells the server to stop. The
//!   next start waits until the last server is gone.
//! - **Half-made clusters** are never taken for whole ones: a new one is renamed into its place.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::{
        fd::AsRawFd,
        unix::{
            fs::{DirBuilderExt, MetadataExt, chown},
            net::UnixStream,
            process::CommandExt,
        },
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    sys::{
        prctl::set_pdeathsig,
        signal::{Signal, kill},
    },
    unistd::{Gid, Pid, Uid, User, getppid},
};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// The oldest PostgreSQL that our statements need.
pub const OLDEST_VERSION: u32 = 14;

/// The role, and the database, that are made for us.
const NAME: &str = "vestibule";

/// How long a server may take until it answers, recovery after a crash and the end of the last
/// server included.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long a server may take to stop before it is told to drop everything, which costs the next
/// start a recovery, but no row.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How often a starting server is looked at.
const START_POLL: Duration = Duration::from_millis(10);

/// How often a stopping server is looked at.
const STOP_POLL: Duration = Duration::from_millis(2);

/// How often a running server is looked at, to notice that it died.
const WATCH_POLL: Duration = Duration::from_millis(200);

/// How long it is left alone when it could not be started again.
const RESTART_PAUSE: Duration = Duration::from_secs(5);

/// What a server says when the last one is not quite gone.
const LAST_ONE_IS_STILL_HERE: [&str; 2] =
    ["lock file \"postmaster.pid\" already exists", "pre-existing shared memory block"];

/// Where the cluster lives and how dear it is.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// `DATA_DIR`; it is made where it is missing.
    pub data_dir: PathBuf,
    /// For tests: nothing is synced to disk, and many may connect.
    pub throw_away: bool,
}

/// A running server; it stops when this is dropped.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    cluster: Arc<File>,
    /// Closing it tells the thread to stop the server.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _lock: FolderLock,
}

impl EmbeddedPostgres {
    /// Starts the server, after making its cluster where there is none, and returns when it
    /// answers. Blocks: call it outside the async runtime.
    ///
    /// # Errors
    /// One sentence that says what to do, where that is known: another instance runs, a package is
    /// missing, the cluster is another user's; or the server's last words.
    pub fn start(options: &EmbeddedOptions) -> anyhow::Result<Self> {
        let lock = FolderLock::take(&options.data_dir)?;
        let (stop, stopped) = mpsc::channel();
        let (report, reported) = mpsc::channel();
        let options = options.clone();
        let thread = thread::Builder::new().name("postgres".to_owned()).spawn(move || {
            let started = Server::prepare(&options).and_then(|server| Ok((server.start(&stopped)?, server)));
            match started {
                Ok((child, server)) => {
                    drop(report.send(Ok(server.cluster.clone())));
                    server.watch(child, &stopped);
                }
                Err(error) => drop(report.send(Err(error))),
            }
        })?;
        let cluster = reported.recv().context("the thread that starts PostgreSQL panicked")??;
        Ok(Self { cluster, stop: Some(stop), thread: Some(thread), _lock: lock })
    }

    /// How to connect, within this process and as long as the server runs.
    pub fn connect_options(&self) -> PgConnectOptions {
        connect_options(&self.cluster)
    }

    /// Ends open transactions, writes everything down and returns when the server is gone. Blocks.
    pub fn stop(self) {
        drop(self);
    }
}

/// The server that another Vestibule runs on a data folder.
#[derive(Debug)]
pub struct RunningPostgres {
    cluster: Arc<File>,
}

impl RunningPostgres {
    /// The one of this data folder, which need not answer.
    ///
    /// # Errors
    /// Where there is no cluster, or it is another user's.
    pub fn of(data_dir: &Path) -> anyhow::Result<Self> {
        let folder = data_dir.join("postgres");
        ensure!(version_of(&folder)?.is_some(), "{} holds no PostgreSQL cluster", folder.display());
        Ok(Self { cluster: open_cluster(&folder)? })
    }

    /// How to connect, as long as this lives.
    pub fn connect_options(&self) -> PgConnectOptions {
        connect_options(&self.cluster)
    }
}

fn connect_options(cluster: &File) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(path_of(cluster))
        .port(5432)
        .username(NAME)
        .ssl_mode(PgSslMode::Disable)
        .database(NAME)
}

impl Drop for EmbeddedPostgres {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that watches PostgreSQL panicked");
        }
    }
}

/// All that is needed to start the server, once and again.
struct Server {
    bin: PathBuf,
    cluster: Arc<File>,
    log: PathBuf,
    user: Option<(Uid, Gid)>,
    throw_away: bool,
}

impl Server {
    /// Finds the cluster, or makes it.
    fn prepare(options: &EmbeddedOptions) -> anyhow::Result<Self> {
        let folder = options.data_dir.join("postgres");
        let log = options.data_dir.join("postgres.log");
        let throw_away = options.throw_away;
        if let Some(version) = version_of(&folder)? {
            let bin = binaries_of(version).with_context(|| {
                format!(
                    "{} was made by PostgreSQL {version}, which is not installed: \
                     apt install postgresql-{version} (another version cannot read it)",
                    folder.display()
                )
            })?;
            let cluster = open_cluster(&folder)?;
            return Ok(Self { bin, user: owner_of(&cluster)?, cluster, log, throw_away });
        }
        let is_in_the_way = fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some());
        ensure!(!is_in_the_way, "{} holds no PostgreSQL cluster: move it away", folder.display());
        let bin = newest_binaries().with_context(|| {
            format!(
                "PostgreSQL is not installed: apt install postgresql ({OLDEST_VERSION} or newer), \
                 or set VESTIBULE_DATABASE_URL to one that runs elsewhere"
            )
        })?;
        let new = options.data_dir.join("postgres.new");
        let user = user_for_new_cluster()?;
        let cluster = make_folder(&new, user)?;
        let server = Self { bin, cluster, log, user, throw_away };
        server.make_cluster()?;
        fs::rename(&new, &folder).with_context(|| format!("cannot make {}", folder.display()))?;
        File::open(&options.data_dir)?.sync_all()?;
        Ok(server)
    }

    fn make_cluster(&self) -> anyhow::Result<()> {
        let at = path_of(&self.cluster);
        let initdb = ["-U", NAME, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"];
        // Only who can enter the folder can reach the socket in it, so no password is needed.
        let doors = ["--auth-local=trust", "--auth-host=reject"];
        run(self.command("initdb").arg("-D").arg(&at).args(initdb).args(doors), "")?;
        // Renaming is ten times as fast as creating another.
        let rename = format!("alter database postgres rename to {NAME}");
        run(self.command("postgres").arg("--single").arg("-F").arg("-D").arg(&at).arg("template1"), &rename)?;
        if !self.throw_away {
            run(self.command("initdb").arg("--sync-only").arg("-D").arg(&at), "")?;
        }
        Ok(())
    }

    /// Starts the server and waits until it answers, or until nobody wants it any more.
    fn start(&self, stopped: &mpsc::Receiver<()>) -> anyhow::Result<Child> {
        let deadline = Instant::now() + START_LIMIT;
        let mut child = self.spawn()?;
        while !self.answers(&child) {
            if let Some(status) = child.try_wait()? {
                let log = self.log_tail();
                let again = LAST_ONE_IS_STILL_HERE.iter().any(|words| log.contains(words));
                ensure!(
                    again && Instant::now() < deadline,
                    "PostgreSQL did not start ({status}); its last words:\n{log}"
                );
                child = self.spawn()?;
            }
            let unwanted = stopped.recv_timeout(START_POLL) == Err(RecvTimeoutError::Disconnected);
            if unwanted || Instant::now() > deadline {
                halt(&mut child);
                bail!("PostgreSQL does not answer; its last words:\n{}", self.log_tail());
            }
        }
        Ok(child)
    }

    fn spawn(&self) -> anyhow::Result<Child> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("cannot write {}", self.log.display()))?;
        log.set_len(0)?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(path_of(&self.cluster)).stdout(log.try_clone()?).stderr(log);
        let mut set = |setting: &str| {
            command.args(["-c", setting]);
        };
        set("listen_addresses=");
        set("port=5432");
        set(&format!("unix_socket_directories={}", path_of(&self.cluster).display()));
        // What fails in a statement is for us to log; what is left keeps the file small.
        set("log_min_messages=log");
        set("log_checkpoints=off");
        if self.throw_away {
            for setting in
                ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300"]
            {
                set(setting);
            }
        }
        command.spawn().with_context(|| format!("cannot run {}/postgres", self.bin.display()))
    }

    /// Whether the server takes connections, as `pg_ctl` learns it: by the last line of its file.
    fn answers(&self, child: &Child) -> bool {
        let folder = path_of(&self.cluster);
        // A file that a killed server left may name the id that this one was given, and say `ready`;
        // once somebody listens, it has been written anew.
        if UnixStream::connect(folder.join(".s.PGSQL.5432")).is_err() {
            return false;
        }
        let pid_file = fs::read_to_string(folder.join("postmaster.pid")).unwrap_or_default();
        let lines: Vec<_> = pid_file.lines().map(str::trim).collect();
        lines.first() == Some(&child.id().to_string().as_str()) && lines.get(7) == Some(&"ready")
    }

    /// Starts the server again whenever it dies, until it is to stop.
    fn watch(&self, mut child: Child, stopped: &mpsc::Receiver<()>) {
        let mut pause = WATCH_POLL;
        while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            let Ok(Some(status)) = child.try_wait() else { continue };
            tracing::error!(%status, last_words = self.log_tail(), "PostgreSQL died; starting it again");
            match self.start(stopped) {
                Ok(started) => {
                    tracing::info!("PostgreSQL is back");
                    (child, pause) = (started, WATCH_POLL);
                }
                Err(error) => {
                    tracing::error!("{error:#}");
                    pause = RESTART_PAUSE;
                }
            }
        }
        halt(&mut child);
    }

    /// The server's last words.
    fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    /// One of PostgreSQL's programs, as the right user, out of reach of Ctrl-C, and ending with the
    /// thread that starts it.
    #[allow(unsafe_code, reason = "only between fork and exec can a process ask for its parent's death")]
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.env_clear().env("LC_ALL", "C.UTF-8").env("PATH", "/usr/bin:/bin").current_dir("/");
        // Ctrl-C reaches the whole group of the terminal: the program is to finish first.
        command.process_group(0).stdin(Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
        let (cluster, this_program) = (self.cluster.clone(), Pid::this());
        let prepare = move || {
            fcntl(&cluster, FcntlArg::F_SETFD(FdFlag::empty()))?;
            set_pdeathsig(Signal::SIGINT)?;
            // Where this program died just before, no signal will come.
            if getppid() == this_program { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
        };
        // SAFETY: between fork and exec only async-signal-safe calls are allowed, and `prepare`
        // makes three system calls and allocates nothing.
        unsafe { command.pre_exec(prepare) };
        command
    }
}

/// Lets the server finish what it must or, where that takes too long, nothing.
fn halt(child: &mut Child) {
    for signal in [Signal::SIGINT, Signal::SIGQUIT] {
        // Once it was waited for, its id may be another process's.
        if has_ended(child) {
            return;
        }
        let _ = kill(Pid::from_raw(child.id().cast_signed()), signal);
        let deadline = Instant::now() + STOP_LIMIT;
        while !has_ended(child) && Instant::now() < deadline {
            thread::sleep(STOP_POLL);
        }
    }
}

fn has_ended(child: &mut Child) -> bool {
    !matches!(child.try_wait(), Ok(None))
}

/// Keeps every other instance out of the data folder, as long as it lives.
#[derive(Debug)]
struct FolderLock(File);

impl FolderLock {
    fn take(data_dir: &Path) -> anyhow::Result<Self> {
        let shown = data_dir.display();
        fs::create_dir_all(data_dir).with_context(|| format!("cannot make the data folder {shown}"))?;
        let folder = File::open(data_dir).with_context(|| format!("cannot open the data folder {shown}"))?;
        match folder.try_lock() {
            Ok(()) => Ok(Self(folder)),
            Err(TryLockError::WouldBlock) => bail!(
                "another Vestibule runs on the data folder {shown}: stop it, or give this one a folder \
                 of its own by VESTIBULE_DATA_DIR"
            ),
            Err(TryLockError::Error(error)) => Err(error).context(format!("cannot lock {shown}")),
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing is not enough: a process that is just being started may hold a copy until its exec.
        let _ = self.0.unlock();
    }
}

/// How this process, and one that inherits the descriptor, may name an open folder.
fn path_of(folder: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()))
}

/// The version that made the cluster, or `None` where there is no cluster.
fn version_of(folder: &Path) -> anyhow::Result<Option<u32>> {
    let file = folder.join("PG_VERSION");
    let text = match fs::read_to_string(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| foreign(folder))?,
    };
    let version = text.trim().parse().with_context(|| format!("{} holds no version", file.display()))?;
    ensure!(
        version >= OLDEST_VERSION,
        "{} was made by PostgreSQL {version}: {OLDEST_VERSION} or newer is needed",
        folder.display()
    );
    Ok(Some(version))
}

fn open_cluster(folder: &Path) -> anyhow::Result<Arc<File>> {
    Ok(Arc::new(File::open(folder).with_context(|| foreign(folder))?))
}

fn foreign(folder: &Path) -> String {
    format!("cannot open {}: start Vestibule as the user who owns it, or as root", folder.display())
}

/// Whom root steps down to for a cluster that is there; nobody else needs to, or can.
fn owner_of(cluster: &File) -> anyhow::Result<Option<(Uid, Gid)>> {
    let owner = cluster.metadata()?;
    let owner = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
    Ok(Uid::effective().is_root().then_some(owner))
}

/// Whom root makes a new cluster for.
fn user_for_new_cluster() -> anyhow::Result<Option<(Uid, Gid)>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Some(user) = User::from_name(name)? {
            return Ok(Some((user.uid, user.gid)));
        }
    }
    bail!(
        "PostgreSQL does not run as root, and there is no user postgres or nobody: start Vestibule as another"
    )
}

/// An empty folder, in place of what an interrupted start left.
fn make_folder(folder: &Path, user: Option<(Uid, Gid)>) -> anyhow::Result<Arc<File>> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).context(format!("cannot remove {}", folder.display()));
        }
        _ => {}
    }
    DirBuilder::new()
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    if let Some((uid, gid)) = user {
        chown(folder, Some(uid.as_raw()), Some(gid.as_raw())).with_context(|| {
            format!(
                "PostgreSQL does not run as root, and {} cannot be given to user {uid}: start Vestibule \
                 as another user, or give it another VESTIBULE_DATA_DIR",
                folder.display()
            )
        })?;
    }
    open_cluster(folder)
}

/// The folder of programs of exactly this version.
fn binaries_of(version: u32) -> Option<PathBuf> {
    installed().find(|(installed, _)| *installed == version).map(|(_, bin)| bin)
}

/// The folder of programs of the newest version that will do.
fn newest_binaries() -> Option<PathBuf> {
    let newest = installed().max_by_key(|(version, _)| *version);
    newest.filter(|(version, _)| *version >= OLDEST_VERSION).map(|(_, bin)| bin)
}

/// Every PostgreSQL that is installed: Debian keeps them side by side, others keep one.
fn installed() -> impl Iterator<Item = (u32, PathBuf)> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = debian.map(|version| version.path().join("bin"));
    let others = ["/usr/bin", "/usr/local/bin", "/usr/local/pgsql/bin"].map(PathBuf::from);
    folders
        .chain(others)
        .filter(|bin| bin.join("initdb").exists())
        .filter_map(|bin| Some((version_of_program(&bin.join("postgres"))?, bin)))
}

fn version_of_program(postgres: &Path) -> Option<u32> {
    let output = Command::new(postgres).arg("--version").output().ok()?;
    major_version(&String::from_utf8_lossy(&output.stdout))
}

/// The 15 in `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn major_version(words: &str) -> Option<u32> {
    let version = words.split_whitespace().nth(2)?;
    version.split(|other: char| !other.is_ascii_digit()).next()?.parse().ok()
}

/// Runs a program to its end, with something to read.
fn run(command: &mut Command, input: &str) -> anyhow::Result<()> {
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let shown = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().with_context(|| format!("cannot run {shown}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        drop(stdin.write_all(input.as_bytes()));
    }
    let mut words = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut words)?;
    }
    let status = child.wait()?;
    ensure!(status.success(), "{shown} failed ({status}):\n{words}");
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use sqlx::{AssertSqlSafe, ConnectOptions};

    use super::*;

    /// A folder that goes when the test does.
    pub(in crate::platform) struct Scratch(PathBuf);

    impl Scratch {
        pub(in crate::platform) fn new() -> Self {
            let folder = std::env::temp_dir().join(format!("vestibule-{}", uuid::Uuid::new_v4()));
            fs::create_dir(&folder).unwrap();
            Self(folder)
        }

        pub(in crate::platform) fn options(&self) -> EmbeddedOptions {
            EmbeddedOptions { data_dir: self.0.join("data"), throw_away: true }
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.join("data").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn server_id(&self) -> Option<i32> {
            let pid_file = fs::read_to_string(self.0.join("data/postgres/postmaster.pid")).ok()?;
            pid_file.lines().next()?.parse().ok()
        }

        /// Kills the server, and tells which it was.
        pub(in crate::platform) fn kill_server(&self) -> i32 {
            let server = self.server_id().unwrap();
            kill(Pid::from_raw(server), Signal::SIGKILL).unwrap();
            server
        }

        fn refusal(&self) -> String {
            format!("{:#}", EmbeddedPostgres::start(&self.options()).unwrap_err())
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn execute(options: &PgConnectOptions, sql: &str) -> sqlx::Result<u64> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = options.connect().await?;
            let done = sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
            Ok(done.rows_affected())
        })
    }

    fn rows(postgres: &EmbeddedPostgres) -> u64 {
        execute(&postgres.connect_options(), "select * from kept").unwrap()
    }

    fn keep_a_row(postgres: &EmbeddedPostgres) {
        let options = postgres.connect_options();
        execute(&options, "create table if not exists kept (x int)").unwrap();
        execute(&options, "insert into kept values (1)").unwrap();
    }

    #[test]
    fn rows_survive_a_stop_and_what_an_interrupted_start_left_is_no_obstacle() {
        let scratch = Scratch::new();
        scratch.write("postgres.new/PG_VERSION", "half-made");
        let options = EmbeddedOptions { throw_away: false, ..scratch.options() };
        let postgres = EmbeddedPostgres::start(&options).unwrap();
        keep_a_row(&postgres);
        postgres.stop();
        assert!(!options.data_dir.join("postgres/postmaster.pid").exists());
        let postgres = EmbeddedPostgres::start(&options).unwrap();
        assert_eq!(rows(&postgres), 1);
    }

    #[test]
    fn a_second_instance_is_told_so_until_the_first_has_stopped() {
        let scratch = Scratch::new();
        let first = EmbeddedPostgres::start(&scratch.options()).unwrap();
        let words = scratch.refusal();
        assert!(words.contains("another Vestibule runs on the data folder"), "{words}");
        keep_a_row(&first);
        first.stop();
        EmbeddedPostgres::start(&scratch.options()).unwrap();
    }

    #[test]
    fn a_killed_server_is_started_again_with_its_rows() {
        let scratch = Scratch::new();
        let options = EmbeddedOptions { throw_away: false, ..scratch.options() };
        let postgres = EmbeddedPostgres::start(&options).unwrap();
        keep_a_row(&postgres);
        let killed = scratch.kill_server();
        while scratch.server_id().is_none_or(|server| server == killed)
            || execute(&postgres.connect_options(), "select 1").is_err()
        {
            thread::sleep(START_POLL);
        }
        assert_eq!(rows(&postgres), 1);
    }

    #[test]
    fn a_start_waits_until_the_last_server_is_gone() {
        let scratch = Scratch::new();
        let options = scratch.options();
        EmbeddedPostgres::start(&options).unwrap().stop();
        let (_stop, stopped) = mpsc::channel();
        let mut last = Server::prepare(&options).unwrap().start(&stopped).unwrap();
        let next = thread::spawn(move || EmbeddedPostgres::start(&options).unwrap());
        let log = scratch.0.join("data/postgres.log");
        while !fs::read_to_string(&log).unwrap().contains(LAST_ONE_IS_STILL_HERE[0]) {
            thread::sleep(START_POLL);
        }
        halt(&mut last);
        keep_a_row(&next.join().unwrap());
    }

    #[test]
    fn neither_a_folder_that_others_cannot_enter_nor_a_long_path_is_an_obstacle() {
        let scratch = Scratch::new();
        let deep = scratch.0.join("deep".repeat(30));
        DirBuilder::new().mode(0o700).create(&deep).unwrap();
        let postgres =
            EmbeddedPostgres::start(&EmbeddedOptions { data_dir: deep, throw_away: true }).unwrap();
        keep_a_row(&postgres);
        assert_eq!(rows(&postgres), 1);
    }

    #[test]
    fn a_cluster_of_a_version_that_is_not_installed_names_the_package() {
        let scratch = Scratch::new();
        scratch.write("postgres/PG_VERSION", "99\n");
        let words = scratch.refusal();
        assert!(words.contains("apt install postgresql-99"), "{words}");
        scratch.write("postgres/PG_VERSION", "13\n");
        let words = scratch.refusal();
        assert!(words.contains("made by PostgreSQL 13: 14 or newer is needed"), "{words}");
    }

    #[test]
    fn what_is_no_cluster_is_not_overwritten() {
        let scratch = Scratch::new();
        scratch.write("postgres/letter", "mine");
        let words = scratch.refusal();
        assert!(words.contains("holds no PostgreSQL cluster"), "{words}");
        assert_eq!(fs::read_to_string(scratch.0.join("data/postgres/letter")).unwrap(), "mine");
    }

    #[test]
    fn a_server_that_cannot_start_is_quoted() {
        let scratch = Scratch::new();
        EmbeddedPostgres::start(&scratch.options()).unwrap().stop();
        let settings = OpenOptions::new().append(true).open(scratch.0.join("data/postgres/postgresql.conf"));
        writeln!(settings.unwrap(), "no_such_setting = on").unwrap();
        let words = scratch.refusal();
        assert!(words.contains("did not start") && words.contains("no_such_setting"), "{words}");
    }

    #[test]
    fn versions_are_read_as_every_distribution_writes_them() {
        assert_eq!(major_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 17beta1"), Some(17));
        assert_eq!(major_version("busybox"), None);
    }
}
