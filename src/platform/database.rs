//! PostgreSQL: which one, its pool, its migrations, and what its errors mean.

use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use time::OffsetDateTime;
use tokio::time::timeout;

use super::{
    config::{Config, Secret},
    embedded_postgres::{EmbeddedOptions, EmbeddedPostgres, OLDEST_VERSION, RunningPostgres},
};

/// Connections of one instance for its pages, for each core. Statements are short and no connection
/// is held over a hash, so a few keep PostgreSQL busy; more would only take turns, each with its
/// caches gone cold.
const FOR_PAGES_A_CORE: u32 = 3;

/// How long a request waits for a connection, and so how long a page takes to say that the
/// database is gone.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(3);

/// A connection that lay idle for longer is tested before it is used. Testing each time would cost
/// every page a round trip.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// So far may the clocks of an instance and of the database be apart.
const CLOCKS_APART: time::Duration = time::Duration::minutes(5);

/// What no statement of ours ever needs, so that one that hangs does not hold its locks for ever;
/// and since all of them go by a key, one plan serves every value: to plan again costs more than to
/// run.
const SESSION_SETTINGS: [(&str, &str); 3] = [
    ("statement_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "30s"),
    ("plan_cache_mode", "force_generic_plan"),
];

/// The server that holds our database.
#[derive(Debug)]
pub enum DatabaseServer {
    /// The one that `DATABASE_URL` names.
    Named(Box<PgConnectOptions>),
    /// The embedded one; it stops when this is dropped.
    Embedded(EmbeddedPostgres),
    /// The embedded one of the Vestibule that serves from the same data folder.
    Running(RunningPostgres),
}

impl DatabaseServer {
    /// The server that `DATABASE_URL` names; without it the embedded one, which is started. Blocks:
    /// call it outside the async runtime.
    ///
    /// # Errors
    /// Where the URL is none, or the embedded server does not start.
    pub fn start(config: &Config) -> anyhow::Result<Self> {
        if let Some(url) = &config.database_url {
            return Self::named(url);
        }
        let options = EmbeddedOptions { data_dir: config.data_dir.clone(), throw_away: false };
        Ok(Self::Embedded(EmbeddedPostgres::start(&options)?))
    }

    /// The server that a site works with which is being served: for commands beside it. Nothing is started.
    ///
    /// # Errors
    /// Where the URL is none, or nobody has served from the data folder yet, or it is another user's.
    pub fn join(config: &Config) -> anyhow::Result<Self> {
        match &config.database_url {
            Some(url) => Self::named(url),
            None => Ok(Self::Running(RunningPostgres::of(&config.data_dir)?)),
        }
    }

    fn named(url: &Secret) -> anyhow::Result<Self> {
        let options = url.0.parse().context("VESTIBULE_DATABASE_URL names no PostgreSQL database")?;
        Ok(Self::Named(Box::new(options)))
    }

    /// How to connect to our database on it, as long as this lives.
    pub fn connect_options(&self) -> PgConnectOptions {
        match self {
            Self::Named(options) => (**options).clone(),
            Self::Embedded(server) => server.connect_options(),
            Self::Running(server) => server.connect_options(),
        }
    }
}

/// A pool of connections, the first of which is open; `beside_pages` of them are for what goes on
/// beside the pages.
///
/// # Errors
/// When the database cannot be reached, or is too old.
pub async fn connect(options: PgConnectOptions, beside_pages: u32) -> anyhow::Result<PgPool> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let for_pages = FOR_PAGES_A_CORE * u32::try_from(cores).unwrap_or(1).max(2);
    let options = options.application_name("vestibule").options(SESSION_SETTINGS);
    let connected = PgPoolOptions::new()
        .max_connections(for_pages + beside_pages)
        .acquire_timeout(ACQUIRE_LIMIT)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > TRUSTED_FOR {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_with(options.clone())
        .await;
    let pool = match connected {
        Ok(pool) => pool,
        Err(error) => return Err(out_of_reach(&options, error).await),
    };
    let version = pool.acquire().await?.server_version_num().unwrap_or_default() / 10_000;
    if version < OLDEST_VERSION {
        bail!("the database is a PostgreSQL {version}: {OLDEST_VERSION} or newer is needed");
    }
    Ok(pool)
}

/// Where no database could be reached, and why not.
async fn out_of_reach(options: &PgConnectOptions, error: sqlx::Error) -> anyhow::Error {
    // The pool tries again and again, and then says only that its time was over.
    let error = match error {
        sqlx::Error::PoolTimedOut => match timeout(ACQUIRE_LIMIT, options.connect()).await {
            Ok(Err(error)) => error,
            _ => error,
        },
        error => error,
    };
    let place = match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    // Its message alone: the error tells also where in its own source PostgreSQL found it.
    let why = error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
    anyhow!("cannot reach the database at {place}: {why}")
}

/// Brings the tables up to date. Instances that start at once take turns. What a newer version has
/// added is no obstacle: while an update goes on, both run side by side, and this one may start again.
///
/// # Errors
/// When a migration fails, or one that the database has seen was changed since.
pub async fn migrate(pool: &PgPool) -> anyhow::Result<()> {
    // A migration, and the wait for another instance's, may take as long as it takes.
    let patient = (*pool.connect_options()).clone().options([("statement_timeout", "0")]);
    let mut connection = patient.connect().await?;
    migrations().run(&mut connection).await.context("cannot migrate the database")?;
    connection.close().await?;
    Ok(())
}

fn migrations() -> Migrator {
    let mut migrations = sqlx::migrate!();
    migrations.set_ignore_missing(true);
    migrations
}

/// How far the tables are, seen from this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tables {
    /// Up to date.
    UpToDate,
    /// So many migrations are missing.
    Behind(usize),
    /// A newer version has migrated them.
    Ahead,
}

/// Looks how far the tables are, and changes nothing.
///
/// # Errors
/// When the database fails.
pub async fn tables(pool: &PgPool) -> sqlx::Result<Tables> {
    // The table of migrations is sqlx's own, and not there before the first one.
    let is_there: bool =
        sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null").fetch_one(pool).await?;
    let applied: Vec<i64> = match is_there {
        true => {
            sqlx::query_scalar("select version from _sqlx_migrations where success").fetch_all(pool).await?
        }
        false => Vec::new(),
    };
    let known: Vec<i64> = migrations().iter().map(|migration| migration.version).collect();
    if applied.iter().any(|version| !known.contains(version)) {
        return Ok(Tables::Ahead);
    }
    Ok(match known.iter().filter(|version| !applied.contains(version)).count() {
        0 => Tables::UpToDate,
        missing => Tables::Behind(missing),
    })
}

/// Which PostgreSQL answers, in its own words.
///
/// # Errors
/// When the database fails.
pub async fn version(pool: &PgPool) -> sqlx::Result<String> {
    sqlx::query_scalar("show server_version").fetch_one(pool).await
}

/// Whether nothing can be written: it is a standby, say, or its user may only read.
///
/// # Errors
/// When the database fails.
pub async fn is_read_only(pool: &PgPool) -> sqlx::Result<bool> {
    sqlx::query_scalar("select current_setting('transaction_read_only')::boolean").fetch_one(pool).await
}

/// Looks whether our clock, which says `now`, and the database's agree. Where ours is days ahead, all that is kept
/// for as long would be thrown away at once.
///
/// # Errors
/// When they do not, by more than [`CLOCKS_APART`], or the database fails.
pub async fn compare_clocks(pool: &PgPool, now: OffsetDateTime) -> anyhow::Result<()> {
    let theirs: OffsetDateTime = sqlx::query_scalar("select clock_timestamp()").fetch_one(pool).await?;
    let apart = now - theirs;
    ensure!(
        apart.abs() <= CLOCKS_APART,
        "this machine's clock is {} seconds {} the database's",
        apart.whole_seconds().abs(),
        if apart.is_positive() { "ahead of" } else { "behind" },
    );
    Ok(())
}

/// Lets the statements of a transaction take as long as they take: operators look through whole tables.
///
/// # Errors
/// When the database fails.
pub async fn have_patience(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("set local statement_timeout = 0").execute(connection).await.map(drop)
}

/// Whether an error means that the database cannot serve us now, which is nobody's mistake and
/// passes: a page answers 503. Any other is a fault of ours.
pub fn is_gone(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        // So sqlx reads a connection that a proxy without a server ends before its first answer.
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // PostgreSQL, Appendix A: connection exception, insufficient resources, operator
        // intervention, and a primary that has become a standby.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            ["08", "53", "57"].iter().any(|class| code.starts_with(class)) || code == "25006"
        }),
        _ => false,
    }
}

/// Whether a statement was refused by this constraint.
pub fn violates(error: &sqlx::Error, constraint: &str) -> bool {
    error.as_database_error().and_then(|error| error.constraint()) == Some(constraint)
}

#[cfg(test)]
mod tests {
    use sqlx::AssertSqlSafe;
    use tokio::io::AsyncReadExt;

    use super::{
        super::{clock::Clock, embedded_postgres::tests::Scratch},
        *,
    };

    async fn server(scratch: &Scratch) -> EmbeddedPostgres {
        let options = scratch.options();
        tokio::task::spawn_blocking(move || EmbeddedPostgres::start(&options)).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_new_database_is_migrated_and_then_left_alone() {
        let scratch = Scratch::new();
        let server = server(&scratch).await;
        let pool = connect(server.connect_options(), 0).await.unwrap();
        let Tables::Behind(missing) = tables(&pool).await.unwrap() else {
            panic!("a new database has no tables")
        };
        assert_eq!(missing, migrations().iter().count());
        let (one, two) = tokio::join!(migrate(&pool), migrate(&pool));
        one.and(two).unwrap();
        migrate(&pool).await.unwrap();
        assert_eq!(tables(&pool).await.unwrap(), Tables::UpToDate);
        let limit: String = sqlx::query_scalar("show statement_timeout").fetch_one(&pool).await.unwrap();
        assert_eq!(limit, "10s");
        let mut tx = pool.begin().await.unwrap();
        have_patience(&mut tx).await.unwrap();
        let limit: String = sqlx::query_scalar("show statement_timeout").fetch_one(&mut *tx).await.unwrap();
        assert_eq!(limit, "0");
        tx.commit().await.unwrap();

        let insert = "insert into devices (id, token_hash, created_at, last_seen_at)
                      values (gen_random_uuid(), 'a', '2026-01-01', '2026-01-01')";
        sqlx::query(insert).execute(&pool).await.unwrap();
        let twice = sqlx::query(insert).execute(&pool).await.unwrap_err();
        assert!(violates(&twice, "devices_token_hash") && !violates(&twice, "devices_pkey"));
        assert!(!is_gone(&twice));
    }

    #[tokio::test]
    async fn a_clock_that_is_wrong_is_noticed_on_either_side() {
        let scratch = Scratch::new();
        let server = server(&scratch).await;
        let pool = connect(server.connect_options(), 0).await.unwrap();
        let now = Clock::system().now();
        compare_clocks(&pool, now + time::Duration::minutes(1)).await.unwrap();
        for (wrong, words) in
            [(now + time::Duration::days(8), "ahead of"), (now - time::Duration::days(8), "behind")]
        {
            let error = compare_clocks(&pool, wrong).await.unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    /// One row in each table that the first migration makes.
    const ROWS: &str = "
        insert into users values ('a0000000-0000-0000-0000-000000000000', 'Ann@b', 'ann@b', 'x', '2026-01-01', null);
        insert into accounts values ('b0000000-0000-0000-0000-000000000000',
            'a0000000-0000-0000-0000-000000000000', 'artist', 'DE-BY', null, null, '2026-01-01');
        insert into devices values ('c0000000-0000-0000-0000-000000000000', 'd', '2026-01-01', '2026-01-01');
        insert into known_devices values ('a0000000-0000-0000-0000-000000000000',
            'c0000000-0000-0000-0000-000000000000', '2026-01-01');
        insert into sessions values ('s', 'a0000000-0000-0000-0000-000000000000',
            'b0000000-0000-0000-0000-000000000000', true, '2026-01-01', '2026-01-01', '2026-01-31', '192.0.2.1', '');
        insert into registrations values ('e0000000-0000-0000-0000-000000000000', 'bob@b', 'x', 'DE-BY', 'artist',
            'c0000000-0000-0000-0000-000000000000', '2026-01-01T00:00Z', null, null, null);
        insert into confirmation_tokens values ('t', 'e0000000-0000-0000-0000-000000000000');
        insert into accepted_forms values ('f0000000-0000-0000-0000-000000000000', '/', '2026-01-01');
        insert into budget_events values ('client_failures', 'c', '2026-01-01')";

    #[tokio::test]
    async fn what_is_in_the_tables_outlives_the_migrations_that_follow() {
        let scratch = Scratch::new();
        let server = server(&scratch).await;
        let pool = connect(server.connect_options(), 0).await.unwrap();
        migrations().run_to(1, &pool).await.unwrap();
        sqlx::raw_sql(ROWS).execute(&pool).await.unwrap();
        migrate(&pool).await.unwrap();
        let tables = ROWS.split("insert into ").skip(1).map(|row| row.split(' ').next().unwrap());
        for table in tables {
            let count = AssertSqlSafe(format!("select count(*) from {table}"));
            assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&pool).await.unwrap(), 1, "{table}");
        }

        let runs_out = async || {
            let day = "select to_char(runs_out_at at time zone 'UTC', 'DD HH24:MI') from live_registrations";
            sqlx::query_scalar::<_, Option<String>>(day).fetch_one(&pool).await.unwrap()
        };
        assert_eq!(runs_out().await.as_deref(), Some("08 00:00"), "without a letter");
        let letter =
            "insert into letters (id, kind, recipient, about, priority, created_at, due_at, settled_at)
             values (gen_random_uuid(), 'registration', 'bob@b', 'e0000000-0000-0000-0000-000000000000', 1,
                 '2026-01-01', '2026-01-01', $1::timestamptz)";
        sqlx::query(letter).bind("2026-01-02T03:00Z").execute(&pool).await.unwrap();
        sqlx::query(letter).bind("2026-01-01T02:00Z").execute(&pool).await.unwrap();
        assert_eq!(runs_out().await.as_deref(), Some("09 03:00"), "after the last that was settled");
        sqlx::query(letter).bind(None::<&str>).execute(&pool).await.unwrap();
        assert_eq!(runs_out().await, None, "while one is under way");
    }

    #[tokio::test]
    async fn a_database_that_is_gone_is_told_from_a_mistake_and_comes_back() {
        let scratch = Scratch::new();
        let server = server(&scratch).await;
        let pool = connect(server.connect_options(), 0).await.unwrap();
        let mistake = sqlx::query("select nonsense").execute(&pool).await.unwrap_err();
        assert!(!is_gone(&mistake));

        // Held, so that its end is seen here: the pool tests what it takes back, drops the dead and
        // waits for the next server, so that asking it may never show an error.
        let mut held = pool.acquire().await.unwrap();
        let started_at = "select pg_postmaster_start_time()::text";
        let killed: String = sqlx::query_scalar(started_at).fetch_one(&mut *held).await.unwrap();
        scratch.kill_server();
        // A connection may outlive the server until it lies idle.
        let pause = || tokio::time::sleep(Duration::from_millis(10));
        let error = loop {
            match sqlx::query("select 1").execute(&mut *held).await {
                Ok(_) => pause().await,
                Err(error) => break error,
            }
        };
        assert!(is_gone(&error), "{error:?}");
        drop(held);
        // Not until the next server answers: another of the pool's connections may outlive the last one.
        loop {
            match sqlx::query_scalar::<_, String>(started_at).fetch_one(&pool).await {
                Ok(answering) if answering != killed => break,
                Ok(_) => {}
                Err(error) => assert!(is_gone(&error), "{error:?}"),
            }
            pause().await;
        }
        tokio::task::spawn_blocking(move || server.stop()).await.unwrap();
        let error = sqlx::query("select 1").execute(&pool).await.unwrap_err();
        assert!(is_gone(&error), "{error:?}");
    }

    #[tokio::test]
    async fn a_proxy_that_has_no_database_to_lead_to_is_one_that_is_gone() {
        let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = proxy.local_addr().unwrap().port();
        let ending = async {
            // The wish for TLS; unread, it would make a reset of the end.
            let (mut connection, _) = proxy.accept().await.unwrap();
            connection.read_exact(&mut [0; 8]).await.unwrap();
        };
        let options = PgConnectOptions::new().host("127.0.0.1").port(port);
        let (connected, ()) = tokio::join!(options.connect(), ending);
        let error = connected.unwrap_err();
        assert!(is_gone(&error), "{error:?}");
    }

    #[tokio::test]
    async fn a_database_that_cannot_be_reached_is_said_without_its_password() {
        let options: PgConnectOptions = "postgres://me:s3cret@localhost/none?host=/nowhere".parse().unwrap();
        let words = format!("{:#}", connect(options, 0).await.unwrap_err());
        assert!(words.contains("cannot reach the database") && !words.contains("s3cret"), "{words}");
    }
}
