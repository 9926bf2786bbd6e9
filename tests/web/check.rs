//! `vestibule check`: what is good, and what is bad and what to do.

use std::{net::SocketAddr, process::Output};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use vestibule::platform::database;

use crate::support::{Act, Program, Sink, Site, Stage, TestDatabase};

/// Runs it with some arguments.
async fn check(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let arguments: Vec<_> = ["check"].iter().chain(arguments).copied().collect();
    Program::run_beside(&arguments, settings).await
}

/// What it says on standard output.
fn said(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("UTF-8")
}

/// What it says to programs: of each thing whether it is good, and what was found.
async fn findings(code: i32, settings: &[(&str, &str)]) -> Vec<(String, bool, String)> {
    let output = check(&["--json"], settings).await;
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let report: Value = serde_json::from_str(said(&output)).expect("JSON");
    assert_eq!(report["is_good"], code == 0);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let finding = |one: &Value| {
        let is_good = one["is_good"].as_bool().expect("a bool");
        assert_eq!(one["to_do"].is_null(), is_good, "what is bad is followed by what to do: {one}");
        (text(&one["what"]), is_good, text(&one["found"]))
    };
    report["findings"].as_array().expect("a list").iter().map(finding).collect()
}

/// Those that are bad.
async fn bad(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    let findings = findings(1, settings).await.into_iter();
    findings.filter_map(|(what, is_good, found)| (!is_good).then_some((what, found))).collect()
}

#[tokio::test]
async fn where_all_is_good_it_says_so_and_the_letter_arrives() {
    let site = Site::with(&[("TRUSTED_PROXIES", "")]).await;
    let (database, smtp, public) = (site.database.url(), site.sink.url(), site.url());
    let settings = [("DATABASE_URL", &*database), ("SMTP_URL", &smtp), ("PUBLIC_URL", &public)];
    let output = check(&["--mail-to", "ann@example.com"], &settings).await;
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for words in [
        "good  settings  all are understood",
        "good  database  PostgreSQL ",
        "good  tables    they are up to date",
        "answers without TLS and asks for no log in",
        "good  letter    handed over: ",
        "good  proxy     there is none; this machine is seen as 127.0.0.1",
        "good  proxy     a made-up x-forwarded-for is not believed",
        "good  proxy     a made-up forwarded is not believed",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let letter = site.sink.letter_to("ann@example.com").await;
    assert_eq!(letter.subject(), "A letter to test the mail service");
    assert_eq!(site.count("letters").await, 0, "the queue knows nothing of it");
    assert_eq!(findings(0, &settings).await.len(), 7);
}

#[tokio::test]
async fn whoever_can_choose_an_address_and_a_proxy_that_is_not_believed_are_bad() {
    let site = Site::start().await;
    let (database, smtp, public) = (site.database.url(), site.sink.url(), site.url());
    let settings = [("DATABASE_URL", &*database), ("SMTP_URL", &smtp), ("PUBLIC_URL", &public)];
    let mut trusting = settings.to_vec();
    trusting.push(("TRUSTED_PROXIES", "127.0.0.1"));
    let output = check(&[], &trusting).await;
    let text = said(&output);
    assert!(text.contains("this one is believed whatever it says"), "{text}");
    let bad = bad(&settings).await;
    let chosen = |name: &str| {
        ("proxy".to_owned(), format!("whoever sends {name} can choose the address they count as"))
    };
    assert_eq!(bad, [chosen("x-forwarded-for"), chosen("forwarded")]);
}

/// A proxy that tells the site its client's address, and lets every header of the client's through. Returns where
/// it listens.
async fn careless_proxy(site: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(site).await.expect("the site");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.expect("a request"));
            }
            head.truncate(head.len() - 2);
            head.extend(b"x-forwarded-for: 192.0.2.7\r\n\r\n");
            server.write_all(&head).await.expect("the site");
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
        }
    });
    address
}

#[tokio::test]
async fn a_proxy_that_lets_its_clients_contradict_it_is_bad() {
    let site = Site::start().await;
    let proxy = careless_proxy(site.address()).await;
    let (database, smtp, public) = (site.database.url(), site.sink.url(), format!("http://{proxy}"));
    let settings = [("DATABASE_URL", &*database), ("SMTP_URL", &smtp), ("PUBLIC_URL", &public)];
    assert_eq!(
        bad(&settings).await,
        [(
            "proxy".to_owned(),
            "whoever sends forwarded counts as 127.0.0.1, and hides their own address".to_owned()
        )]
    );
}

#[tokio::test]
async fn a_database_that_can_only_be_read_is_bad() {
    let (database, sink) = (TestDatabase::new().await, Sink::start().await);
    database::migrate(&database.pool()).await.expect("tables");
    let (url, smtp) = (database.url(), sink.url());
    let url = format!(
        "{url}{}options[default_transaction_read_only]=on",
        if url.contains('?') { '&' } else { '?' }
    );
    let found =
        bad(&[("DATABASE_URL", &url), ("SMTP_URL", &smtp), ("PUBLIC_URL", "http://localhost:1")]).await;
    assert!(found[0].0 == "database" && found[0].1.ends_with("answers, and can only be read"), "{found:?}");
}

#[tokio::test]
async fn what_is_wrong_is_said_of_each_thing() {
    let (database, sink) = (TestDatabase::new().await, Sink::start().await);
    sink.always(Stage::Greeting, Act::Say("554 5.3.2 not today"));
    let pool = database.pool();
    sqlx::query("delete from _sqlx_migrations where version = 1").execute(&pool).await.expect("a statement");
    assert_eq!(database::tables(&pool).await.expect("an answer"), database::Tables::Behind(1));
    let (database_url, smtp) = (database.url(), sink.url());
    let nobody = ("PUBLIC_URL", "http://localhost:1");
    let found = bad(&[("DATABASE_URL", &database_url), ("SMTP_URL", &smtp), nobody]).await;
    assert_eq!(found[0], ("tables".to_owned(), "one migration is missing".to_owned()));
    assert!(found[1].0 == "mail" && found[1].1.contains("did not let us in"), "{found:?}");
    assert!(found[2].0 == "proxy" && found[2].1.contains("http://localhost:1"), "{found:?}");
    assert_eq!(found.len(), 3);

    sqlx::query("update _sqlx_migrations set version = 9999 where version = 2")
        .execute(&pool)
        .await
        .expect("a statement");
    let found = bad(&[("DATABASE_URL", &database_url), ("SMTP_URL", &smtp), nobody]).await;
    assert_eq!(database::tables(&pool).await.expect("an answer"), database::Tables::Ahead);
    assert_eq!(found.iter().map(|(what, _)| what.as_str()).collect::<Vec<_>>(), ["mail", "proxy"]);

    let gone = ("DATABASE_URL", "postgres://me:s3cret@127.0.0.1:1/x");
    let output = check(&[], &[gone, ("SMTP_URL", "smtp://me:s3cret@127.0.0.1:1"), nobody]).await;
    let text = format!("{output:?}");
    assert!(text.contains("bad   database  cannot reach the database at 127.0.0.1:1: "), "{text}");
    assert!(text.contains("Connection refused"), "{text}");
    assert!(text.contains("bad   mail      127.0.0.1:1: it could not be reached"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}

#[tokio::test]
async fn wrong_settings_are_all_named() {
    let found = bad(&[("LISTEN", "nowhere"), ("COLOUR", "red")]).await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|(what, _)| what == "settings"), "{found:?}");
    let open = [
        ("LISTEN", "0.0.0.0:3000"),
        ("DATABASE_URL", "postgres://127.0.0.1:1/x"),
        ("PUBLIC_URL", "http://localhost:1"),
    ];
    let found = bad(&open).await;
    assert_eq!(found[0], ("settings".to_owned(), "the site would not start".to_owned()));
}

#[tokio::test]
async fn a_letter_that_is_not_taken_is_bad() {
    let (site, smtp) = (Site::with(&[("TRUSTED_PROXIES", "")]).await, Sink::start().await);
    smtp.always(Stage::Rcpt, Act::Say("550 5.1.1 no such user"));
    let (database, smtp_url, public) = (site.database.url(), smtp.url(), site.url());
    let settings = [("DATABASE_URL", &*database), ("SMTP_URL", &smtp_url), ("PUBLIC_URL", &public)];
    let output = check(&["--mail-to", "ann@example.com"], &settings).await;
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("bad   letter    550 5.1.1 no such user\n                to do: see what"),
        "{text}"
    );
    let wrong = check(&["--mail-to", "ann"], &settings).await;
    assert_eq!(wrong.status.code(), Some(2));
}
