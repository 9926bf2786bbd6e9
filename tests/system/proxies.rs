//! The configurations that the README gives for nginx and Caddy, in the real programs, with a marketplace
//! behind them that repeats what it is told.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::Command,
    thread,
};

use crate::{
    neighbours::{self, Neighbour, block, free_port, with, without_tls},
    support::{PASSWORD, Page, Program, Request, ScratchFolder, Sink, TestDatabase, Visitor},
};

const IDS: [&str; 4] = ["x-user-id", "x-account-id", "x-account-type", "x-counterpart-id"];

/// The site and a marketplace, behind a proxy.
struct Behind {
    _proxy: Neighbour,
    _program: Program,
    _database: TestDatabase,
    sink: Sink,
    address: SocketAddr,
    _folder: ScratchFolder,
}

impl Behind {
    /// `command` is the proxy's, given a folder, its own port, and those of the site and of the marketplace.
    async fn new(command: fn(&ScratchFolder, u16, u16, u16) -> Command) -> Self {
        let (folder, database, sink) = (ScratchFolder::new(), TestDatabase::new().await, Sink::start().await);
        let port = free_port();
        let public_url = format!("http://localhost:{port}");
        let (database_url, smtp_url) = (database.url(), sink.url());
        let settings = [
            ("DATABASE_URL", database_url.as_str()),
            ("SMTP_URL", &smtp_url),
            ("PUBLIC_URL", &public_url),
            ("TRUSTED_PROXIES", "127.0.0.1"),
            ("CAPTCHA", "off"),
        ];
        let program = Program::serve(folder.path(), &settings).await;
        let command = command(&folder, port, program.address().port(), marketplace().port());
        let proxy = Neighbour::start(command, &folder, port).await;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self { _proxy: proxy, _program: program, _database: database, sink, address, _folder: folder }
    }

    /// Ann, who has both types of accounts and is logged in, all by way of the proxy.
    async fn ann(&self) -> Visitor {
        let mut ann = Visitor::new(self.address, None);
        ann.register("ann@example.com", PASSWORD).await;
        let link = self.sink.letter_to("ann@example.com").await.link();
        assert_eq!(ann.confirm(&link).await.path(), "/profile");
        let form = ann.open("/profile/accounts").await.forms("/profile/accounts").remove(0);
        assert_eq!(ann.submit(form).await.is(303).header("location"), "/profile/accounts?because=added");
        ann
    }

    /// Asks the marketplace for a page, with ids that were made up.
    async fn forge(&self, visitor: &mut Visitor) -> Page {
        // Some programs read an underscore as a hyphen.
        let underscored = ["x_user_id", "x_account_id", "x_account_type", "x_counterpart_id"];
        let headers =
            [IDS, underscored].concat().into_iter().map(|name| (name, "forged".to_owned())).collect();
        let request =
            Request { method: "GET", path: "/market/a?b=1&c=2".to_owned(), headers, body: Vec::new() };
        visitor.request(request).await
    }
}

/// With the ports of the test.
fn with_ports(configuration: &str, site: u16, marketplace: u16) -> String {
    let configuration = with(configuration, "127.0.0.1:3000", &format!("127.0.0.1:{site}"));
    with(&configuration, "127.0.0.1:4000", &format!("127.0.0.1:{marketplace}"))
}

fn nginx(folder: &ScratchFolder, port: u16, site: u16, marketplace: u16) -> Command {
    let server = without_tls(&block("nginx\n", "proxy_pass http://127.0.0.1:3000"), port);
    let inside = block("nginx\n", "auth_request");
    let (before, _) = server.rsplit_once('}').expect("the server's end");
    neighbours::nginx(folder, &with_ports(&format!("{before}{inside}}}"), site, marketplace))
}

fn caddy(folder: &ScratchFolder, port: u16, site: u16, marketplace: u16) -> Command {
    let address = format!("http://:{port} {{\n    bind 127.0.0.1\n");
    let configuration = with(&block("caddyfile\n", "forward_auth"), "vestibule.example {\n", &address);
    let configuration = format!(
        "{{\n    admin off\n    auto_https off\n}}\n{}",
        with_ports(&configuration, site, marketplace)
    );
    let file = folder.path().join("Caddyfile");
    fs::write(&file, configuration).expect("a folder to write into");
    let mut command = Command::new("/usr/bin/caddy");
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file).env("HOME", folder.path());
    command.env("XDG_DATA_HOME", folder.path()).env("XDG_CONFIG_HOME", folder.path());
    command
}

/// A program that answers every request with the lines of its header.
fn marketplace() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let lines = BufReader::new(connection.try_clone().expect("a connection")).lines();
            let header: Vec<_> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let body = header.join("\n").to_lowercase();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = connection.write_all(answer.as_bytes());
        }
    });
    address
}

/// The ids that the marketplace was told.
fn told(page: &Page) -> [Option<&str>; 4] {
    IDS.map(|name| page.body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")))
}

async fn tells_the_marketplace_who_it_is(behind: Behind) {
    let mut ann = behind.ann().await;
    let page = behind.forge(&mut ann).await;
    let checked = ann.get("/auth/check").await;
    let ids = told(page.is(200));
    assert!(page.body.contains("get /market/a?b=1&c=2") && !page.body.contains("forged"), "{}", page.body);
    assert_eq!(ids[2], Some("artist"));
    for id in [ids[0], ids[1], ids[3]] {
        assert_eq!(id.map(str::len), Some(36), "{ids:?}");
    }
    // A browser asks for itself, or may not; it learns no more.
    assert!(matches!(checked.status.as_u16(), 204 | 404), "{checked:?}");

    // Nobody hides behind the proxy by contradicting it.
    let headers = vec![("forwarded", "for=203.0.113.254".to_owned())];
    let path = "/healthz/client".to_owned();
    let seen = ann.request(Request { method: "GET", path, headers, body: Vec::new() }).await;
    assert!(seen.is(200).body.contains("\"believed\""), "{}", seen.body);

    ann.log_out().await;
    let page = behind.forge(&mut ann).await;
    let log_in = "/login?because=log-in-first&next=%2Fmarket%2Fa%3Fb%3D1%26c%3D2";
    // nginx makes a whole address of it.
    assert!(page.is(303).header("location").ends_with(log_in), "{}", page.header("location"));
    let form = ann.open(log_in).await.form("/login").fill("email", "ann@example.com");
    let page = ann.send(form.fill("password", PASSWORD)).await;
    assert_eq!(page.address, "/market/a?b=1&c=2");
    assert_eq!(told(&page)[..2], ids[..2]);

    // Where there is no counterpart, none is made up.
    let mut bob = Visitor::new(behind.address, None);
    bob.register("bob@example.com", PASSWORD).await;
    let link = behind.sink.letter_to("bob@example.com").await.link();
    bob.confirm(&link).await;
    let page = behind.forge(&mut bob).await;
    assert!(!page.is(200).body.contains("forged"), "{}", page.body);
    assert_eq!(told(&page)[3].unwrap_or_default(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_tells_the_marketplace_who_is_logged_in_and_nothing_that_was_made_up() {
    tells_the_marketplace_who_it_is(Behind::new(nginx).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caddy_tells_the_marketplace_who_is_logged_in_and_nothing_that_was_made_up() {
    tells_the_marketplace_who_it_is(Behind::new(caddy).await).await;
}
