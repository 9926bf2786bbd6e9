use std::net::SocketAddr;

use sqlx::{AssertSqlSafe, PgPool};
use time::Duration;
use tokio::net::TcpListener;
use vestibule::{
    platform::{clock::Clock, config::Config, database},
    server::{Patience, Server},
};

use super::{Browser, PASSWORD, ScratchFolder, Sink, TestDatabase, Visitor, Wire, until};

/// A whole site in this process: a server on a free port, over a database, a mail service and a
/// clock that are the test's own.
pub struct Site {
    /// Its time; to let some pass use [`Site::let_pass`], which also wakes who sleeps through it.
    pub clock: Clock,
    /// Its mail service.
    pub sink: Sink,
    /// Its database.
    pub database: TestDatabase,
    /// What its servers reach the database over.
    pub wire: Wire,
    /// `VESTIBULE_DATA_DIR`, as long as the site is there.
    _data: ScratchFolder,
    settings: Vec<(String, String)>,
    patience: Patience,
    servers: Vec<(Server, PgPool)>,
}

impl Site {
    /// One with the settings of one's own machine, letters excepted, and with a proxy on this
    /// machine that is trusted.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// One with some settings of the test's own, named without their prefix; an empty value takes
    /// one back.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        Self::with_patience(settings, Patience::default()).await
    }

    /// One that waits for its clients no longer than that.
    pub async fn with_patience(settings: &[(&str, &str)], patience: Patience) -> Self {
        let (database, sink, data) = (TestDatabase::new().await, Sink::start().await, ScratchFolder::new());
        let (url, folder) = (sink.url(), data.path().display().to_string());
        let usual = [
            ("SMTP_URL", url.as_str()),
            ("DATA_DIR", &folder),
            ("MAIL_PER_MINUTE", "1000000"),
            ("TRUSTED_PROXIES", "127.0.0.1"),
            ("SUPPORT_EMAIL", "support@example.com"),
        ];
        let all = usual.iter().chain(settings);
        let settings = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (clock, wire) = (Clock::system(), Wire::new().await);
        let servers = Vec::new();
        let mut site = Self { clock, sink, database, wire, _data: data, settings, patience, servers };
        site.start_server().await;
        site
    }

    /// Another instance over the same database; visitors made from now on go to it.
    pub async fn start_server(&mut self) {
        // Bound first, so that the port is known to the settings.
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let variables = [("PUBLIC_URL".to_owned(), format!("http://localhost:{}", address.port()))]
            .into_iter()
            .chain(self.settings.clone())
            .map(|(name, value)| (format!("VESTIBULE_{name}"), value));
        let config = Config::from_variables(variables).expect("right settings");
        let options = self.wire.connect_options(&self.database);
        let pool = database::connect(options, config.mail.connections()).await.expect("its database");
        let clock = self.clock.clone();
        let server = Server::start(config, clock, pool.clone(), listener, self.patience).await;
        self.servers.push((server.expect("a server"), pool));
    }

    /// Stops all instances, as SIGTERM does.
    pub async fn stop(&mut self) {
        for (server, pool) in self.servers.drain(..) {
            server.stop().await;
            pool.close().await;
        }
    }

    /// Stops all instances and starts one with other settings as well.
    pub async fn restart_with(&mut self, settings: &[(&str, &str)]) {
        self.stop().await;
        self.settings.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.start_server().await;
    }

    /// Where its youngest instance listens.
    pub fn address(&self) -> SocketAddr {
        self.servers.last().expect("a server that runs").0.address
    }

    /// Where its youngest instance shows its numbers.
    pub fn metrics_address(&self) -> SocketAddr {
        self.servers.last().and_then(|(server, _)| server.metrics_address).expect("METRICS_LISTEN")
    }

    /// Somebody with a browser of their own.
    pub fn visitor(&self) -> Visitor {
        Visitor::new(self.address(), Some(self.database.pool()))
    }

    /// Where people open it.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.address().port())
    }

    /// Somebody with Chromium, at one of this site's pages.
    pub async fn browser(&self, path: &str) -> Browser {
        let browser = Browser::start(&self.url()).await;
        browser.open(path).await;
        browser
    }

    /// The result of the task in a captcha's picture.
    pub async fn captcha_answer(&self, id: &str) -> String {
        self.value(&format!("select answer from captchas where id = '{id}'")).await
    }

    /// Somebody who has registered and whose letter has left.
    pub async fn registered(&self, email: &str) -> Visitor {
        let mut visitor = self.visitor();
        visitor.register(email, PASSWORD).await;
        self.letters_are(email, &["handed_over"]).await;
        visitor
    }

    /// Somebody who has registered and answered the letter, and is logged in.
    pub async fn user(&self, email: &str) -> Visitor {
        self.user_with(email, PASSWORD).await
    }

    /// Such a one with a password of the test's own.
    pub async fn user_with(&self, email: &str, password: &str) -> Visitor {
        let mut visitor = self.visitor();
        visitor.register(email, password).await;
        let link = self.sink.letter_to(email).await.link();
        let page = visitor.confirm(&link).await;
        assert_eq!(page.path(), "/profile", "{}", page.body);
        visitor
    }

    /// Lets time pass, and wakes who sleeps through it.
    pub async fn let_pass(&self, time: Duration) {
        self.clock.advance(time);
        self.sql("select pg_notify('letters', '')").await;
    }

    /// Runs a statement; each row comes back as text, its columns as PostgreSQL writes a row.
    pub async fn sql(&self, statement: &str) -> Vec<String> {
        let is_question = statement.starts_with("select") || statement.contains("returning");
        if !is_question {
            let done = sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&self.database.pool()).await;
            done.unwrap_or_else(|error| panic!("{statement}: {error}"));
            return Vec::new();
        }
        let as_text = format!("with asked as ({statement}) select asked::text from asked");
        let rows = sqlx::query_scalar(AssertSqlSafe(as_text)).fetch_all(&self.database.pool()).await;
        rows.unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    /// The first row of an answer that has one column.
    pub async fn value(&self, statement: &str) -> String {
        self.sql(statement).await[0].trim_matches(['(', ')']).to_owned()
    }

    /// How many rows a table has; a condition may follow its name.
    pub async fn count(&self, rows: &str) -> i64 {
        let statement = format!("select count(*) from {rows}");
        let counted = sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&self.database.pool()).await;
        counted.unwrap_or_else(|error| panic!("{rows}: {error}"))
    }

    /// Waits until the letters to an address are in these states, in order.
    pub async fn letters_are(&self, email: &str, states: &[&str]) {
        let wanted = states.join(",");
        let statement =
            format!("select state from letters where recipient = '{email}' order by created_at, id");
        until(&format!("letters to {email} that are {wanted}"), async || {
            let found: Vec<String> = self
                .sql(&statement)
                .await
                .iter()
                .map(|row| row.trim_matches(['(', ')']).to_owned())
                .collect();
            (found == states).then_some(())
        })
        .await;
    }

    /// All that the database holds, as text.
    pub async fn dump(&self) -> String {
        let tables = "select tablename from pg_tables where schemaname = 'public' order by tablename";
        let mut dump = String::new();
        for table in self.sql(tables).await {
            let table = table.trim_matches(['(', ')']);
            dump += &format!("{table}\n{}\n", self.sql(&format!("select * from {table}")).await.join("\n"));
        }
        dump
    }
}
