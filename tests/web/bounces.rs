//! `vestibule letters bounced`: reports that a letter could not be delivered after all.

use std::process::Output;

use nix::sys::signal::Signal;

use crate::support::{Act, PASSWORD, Program, ScratchFolder, Sink, Site, Stage, TestDatabase, Visitor};

const RETURN_PATH: (&str, &str) = ("MAIL_RETURN_PATH", "bounce@vestibule.example");
const NO_SUCH_USER: &str = "550 5.1.1 <ann@example.com>: no such user, see https://mx.example/help";

/// A report on a letter to Ann, as a mail server writes it to the letter's return path.
fn report(to: &str, action: &str, words: &str) -> Vec<u8> {
    format!(
        "From: MAILER-DAEMON@mx.example\r\nTo: {to}\r\nSubject: Delivery report\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nA report.\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n\
         Final-Recipient: rfc822; ann@example.com\r\nAction: {action}\r\nStatus: 5.1.1\r\n\
         Diagnostic-Code: smtp; {words}\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: x\r\n--b--\r\n"
    )
    .into_bytes()
}

/// Lets the command read a report.
fn bring(database: &TestDatabase, arguments: &[&str], report: &[u8]) -> Output {
    let url = database.url();
    let arguments: Vec<_> = ["letters", "bounced"].iter().chain(arguments).copied().collect();
    Program::feed(ScratchFolder::new().path(), &arguments, &[("DATABASE_URL", &url)], report)
}

/// A site, and Ann, who registered and whose letter was handed over, with its return path.
async fn handed_over() -> (Site, Visitor, String) {
    let site = Site::with(&[RETURN_PATH]).await;
    let ann = site.registered("ann@example.com").await;
    let from = site.sink.letter_to("ann@example.com").await.from;
    (site, ann, from)
}

#[tokio::test]
async fn a_letter_that_comes_back_is_refused_and_who_waits_reads_why() {
    let (site, mut ann, from) = handed_over().await;
    let token = from.strip_prefix("bounce+").and_then(|rest| rest.strip_suffix("@vestibule.example"));
    assert_eq!(token.expect("a token in the return path").len(), 32);
    let shown = site.sink.letter_to("ann@example.com").await.header("From");
    assert_eq!(shown, "Vestibule <no-reply@localhost>", "nobody sees it");
    ann.open("/register/letter").await.says("Handed over");

    let brought = bring(&site.database, &[], &report(&from, "failed", NO_SUCH_USER));
    assert_eq!(brought.status.code(), Some(0), "{brought:?}");
    let page = ann.open("/register/letter").await;
    page.says("Refused The reason: “550 5.1.1 <ann@example.com>: no such user, see”.");
    page.says("This letter does not arrive.");
    let log = String::from_utf8_lossy(&brought.stderr).into_owned();
    assert!(log.contains("letter bounced") && !log.contains("ann@"), "{log}");
    for secret in [token.expect("a token"), "bounce+"] {
        assert!(!log.contains(secret) && !site.dump().await.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn the_mail_server_may_say_where_the_report_came_to_in_whatever_case() {
    let (site, _ann, from) = handed_over().await;
    let to = from.to_uppercase();
    let forwarded = report("postmaster@vestibule.example", "failed", NO_SUCH_USER);
    assert_eq!(bring(&site.database, &["--recipient", &to], &forwarded).status.code(), Some(0));
    site.letters_are("ann@example.com", &["refused"]).await;
}

#[tokio::test]
async fn every_attempts_return_path_stays_good_and_when_it_was_handed_over_too() {
    let site = Site::with(&[RETURN_PATH]).await;
    site.sink.once(Stage::Dot, Act::KeepAndClose);
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    site.letters_are("ann@example.com", &["delayed"]).await;
    let first = site.sink.letter_to("ann@example.com").await.from;
    site.let_pass(time::Duration::hours(1)).await;
    site.letters_are("ann@example.com", &["handed_over"]).await;
    let settled = site.value("select settled_at from letters").await;
    assert_eq!(bring(&site.database, &[], &report(&first, "failed", NO_SUCH_USER)).status.code(), Some(0));
    site.letters_are("ann@example.com", &["refused"]).await;
    assert_eq!(site.value("select settled_at from letters").await, settled, "no lifetime begins anew");
}

#[tokio::test]
async fn what_tells_of_no_failure_of_a_letter_of_ours_changes_nothing() {
    let (site, _ann, from) = handed_over().await;
    let other = format!("bounce+{}@vestibule.example", "a".repeat(32));
    for (report, why) in [
        (report(&from, "delayed", "450 4.2.1 later"), "it tells of no failure"),
        (report(&other, "failed", NO_SUCH_USER), "its letter is not known"),
        (report("bounce@vestibule.example", "failed", NO_SUCH_USER), "no return path of ours is named"),
        (
            format!("To: {from}\r\nSubject: I am away\r\n\r\nfailed\r\n").into_bytes(),
            "it tells of no failure",
        ),
        (vec![0xff; 1000], "no return path"),
        (Vec::new(), "it is no message"),
    ] {
        let brought = bring(&site.database, &[], &report);
        assert_eq!(brought.status.code(), Some(0), "{brought:?}");
        let log = String::from_utf8_lossy(&brought.stderr).into_owned();
        assert!(log.contains("a report changed nothing") && log.contains(why), "{why}: {log}");
    }
    site.letters_are("ann@example.com", &["handed_over"]).await;
    for _ in 0..2 {
        let brought = bring(&site.database, &[], &report(&from, "failed", NO_SUCH_USER));
        assert_eq!(brought.status.code(), Some(0), "a second time it changes nothing either");
    }
}

#[tokio::test]
async fn a_report_that_comes_before_its_letter_is_settled_is_to_be_brought_again() {
    let site = Site::with(&[RETURN_PATH]).await;
    site.sink.always(Stage::Dot, Act::Hang);
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    site.sink.command("MAIL", 1).await;
    let command = site.sink.commands().into_iter().find(|command| command.starts_with("MAIL")).expect("MAIL");
    let from = command.split(['<', '>']).nth(1).expect("a return path").to_owned();
    let brought = bring(&site.database, &[], &report(&from, "failed", NO_SUCH_USER));
    assert_eq!(brought.status.code(), Some(75), "{brought:?}");
    site.letters_are("ann@example.com", &["sending"]).await;
}

#[tokio::test]
async fn it_finds_the_database_that_a_site_with_nothing_configured_runs() {
    let (folder, sink) = (ScratchFolder::new(), Sink::start().await);
    let url = sink.url();
    let settings = [("CAPTCHA", "off"), ("SMTP_URL", &url), RETURN_PATH];
    let program = Program::serve(folder.path(), &settings).await;
    let mut ann = program.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    let report = report(&sink.letter_to("ann@example.com").await.from, "failed", NO_SUCH_USER);
    crate::support::until("the letter to be settled", async || {
        let page = ann.open("/register/letter").await;
        page.words().contains("to our mail service").then_some(())
    })
    .await;
    let arguments = ["letters", "bounced"];
    assert_eq!(Program::feed(folder.path(), &arguments, &settings, &report).status.code(), Some(0));
    ann.open("/register/letter").await.says("This letter does not arrive.");
    assert!(program.end(Signal::SIGTERM).success());

    let gone = Program::feed(folder.path(), &arguments, &settings, &report);
    assert_eq!(gone.status.code(), Some(75), "nobody serves: {gone:?}");
}

#[tokio::test]
async fn whatever_is_wrong_here_no_report_is_lost() {
    let folder = ScratchFolder::new();
    let report = report("bounce@vestibule.example", "failed", NO_SUCH_USER);
    for settings in [&[("LISTEN", "nowhere")][..], &[("DATABASE_URL", "postgres://127.0.0.1:1/x")], &[]] {
        let brought = Program::feed(folder.path(), &["letters", "bounced"], settings, &report);
        assert_eq!(brought.status.code(), Some(75), "{settings:?}: {brought:?}");
    }
    let mistyped = Program::feed(folder.path(), &["letters", "bounced", "--recipiant", "x"], &[], &report);
    assert_eq!(mistyped.status.code(), Some(75), "{mistyped:?}");
    assert!(!folder.path().join("data").exists(), "nothing is started");
}

#[tokio::test]
async fn a_report_with_a_whole_letter_behind_it_is_read_as_far_as_needed() {
    let (site, _ann, from) = handed_over().await;
    let mut report = report(&from, "failed", NO_SUCH_USER);
    report.resize(3_000_000, b'x');
    let brought = bring(&site.database, &[], &report);
    assert_eq!(brought.status.code(), Some(0), "{brought:?}");
    site.letters_are("ann@example.com", &["refused"]).await;
}
