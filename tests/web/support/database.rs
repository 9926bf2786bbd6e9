//! A PostgreSQL of the tests' own: one throw-away cluster for each test program, and in it a fresh,
//! migrated database for each test. Neither `DATABASE_URL` nor a running server matters.
//!
//! The unit tests of the library use it too, by way of `#[path]`.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
};

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::runtime;
use uuid::Uuid;
use vestibule::platform::{
    database,
    embedded_postgres::{EmbeddedOptions, EmbeddedPostgres},
};

/// A database that goes when the test does.
pub struct TestDatabase {
    name: String,
    pool: PgPool,
}

impl TestDatabase {
    /// A new one, migrated and empty.
    pub async fn new() -> Self {
        let name = format!("test_{}", Uuid::new_v4().simple());
        execute(&format!("create database {name} template vestibule")).await.expect("a new database");
        let pool = PgPoolOptions::new().max_connections(10).connect_lazy_with(options(&name));
        Self { name, pool }
    }

    /// A pool for the test's own questions.
    pub fn pool(&self) -> PgPool {
        self.pool.clone()
    }

    /// How to connect to it, within this process.
    pub fn connect_options(&self) -> PgConnectOptions {
        options(&self.name)
    }

    /// The socket of the server of them all, as a path for this process.
    pub fn socket() -> PathBuf {
        cluster().folder.path().join("data/postgres/.s.PGSQL.5432")
    }

    /// What `DATABASE_URL` is to be for another process.
    pub fn url(&self) -> String {
        let socket = cluster().folder.path().join("data/postgres");
        format!("postgres://vestibule@localhost/{}?sslmode=disable&host={}", self.name, socket.display())
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let drop_it = format!("drop database {} with (force)", self.name);
        // Nobody waits for it: the cluster itself goes soon.
        thread::spawn(move || blocking(async { drop(execute(&drop_it).await) }));
    }
}

/// A folder that goes, with all that is in it, when its value does or its process dies, however
/// suddenly: a shell waits for either.
pub struct ScratchFolder {
    path: PathBuf,
    remover: Child,
}

/// Waits for the end of its input, then a while for the PostgreSQL that may still be stopping, and
/// removes again what a browser wrote as its last.
const REMOVER: &str = r#"
read -r _
n=0
while [ -e "$0/data/postgres/postmaster.pid" ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
rm -rf "$0"
sleep 1
rm -rf "$0"
"#;

impl ScratchFolder {
    /// A new, empty one.
    pub fn new() -> Self {
        use std::os::unix::process::CommandExt;
        let path = std::env::temp_dir().join(format!("vestibule-test-{}", Uuid::new_v4()));
        std::fs::create_dir(&path).expect("a folder for temporary files");
        let mut remover = Command::new("sh");
        remover.arg("-c").arg(REMOVER).arg(&path).process_group(0);
        remover.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let remover = remover.spawn().expect("a shell");
        Self { path, remover }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        drop(self.remover.stdin.take());
    }
}

/// The cluster of this test program.
struct Cluster {
    postgres: EmbeddedPostgres,
    folder: ScratchFolder,
}

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| thread::spawn(start).join().expect("a PostgreSQL for the tests"))
}

fn start() -> Cluster {
    let folder = ScratchFolder::new();
    let options = EmbeddedOptions { data_dir: folder.path().join("data"), throw_away: true };
    let postgres = EmbeddedPostgres::start(&options).unwrap_or_else(|error| panic!("{error:#}"));
    blocking(async {
        let template = database::connect(postgres.connect_options(), 0).await.expect("the new database");
        database::migrate(&template).await.expect("migrations that work");
        template.close().await;
    });
    Cluster { postgres, folder }
}

fn options(name: &str) -> PgConnectOptions {
    cluster().postgres.connect_options().database(name)
}

/// Runs a statement beside all test databases.
async fn execute(sql: &str) -> sqlx::Result<()> {
    let mut connection = options("template1").connect().await?;
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
    connection.close().await
}

fn blocking<T>(future: impl Future<Output = T>) -> T {
    runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}
