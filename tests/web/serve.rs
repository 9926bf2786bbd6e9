//! The program itself, as an operator starts, stops and kills it.

use nix::sys::signal::Signal;

use crate::support::{PASSWORD, Program, ScratchFolder, Site, TestDatabase, Visitor, until};

/// Nothing that a test has to solve.
const NO_CAPTCHA: (&str, &str) = ("CAPTCHA", "off");

/// Registers, and answers the letter in the mailbox of this machine.
async fn become_a_user(ann: &mut Visitor) -> String {
    ann.register("ann@example.com", PASSWORD).await;
    let letter = until("a letter in the mailbox", async || {
        ann.open("/dev/mailbox").await.attributes(".letters a", "href").into_iter().next()
    })
    .await;
    let link = ann.open(&letter).await.attribute("pre a", "href");
    assert_eq!(ann.confirm(&link).await.path(), "/profile");
    link
}

#[tokio::test]
async fn with_nothing_configured_it_runs_and_its_data_survive_a_stop_and_a_kill() {
    let folder = ScratchFolder::new();
    let program = Program::serve(folder.path(), &[NO_CAPTCHA, ("LOG", "debug")]).await;
    let mut ann = program.visitor();
    let link = become_a_user(&mut ann).await;
    let token = link.rsplit_once('=').expect("a token").1.to_owned();
    let (session, device) = (ann.cookie("session"), ann.cookie("device"));
    program.visitor().try_password("ann@example.com", "my other password").await;

    let second = Program::run(folder.path(), &["serve"], &[("LISTEN", "127.0.0.1:0")]);
    assert_eq!(second.status.code(), Some(1));
    let words = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(words.contains("another Vestibule runs on the data folder"), "{words}");

    let log = program.log();
    for secret in [PASSWORD, "green+Elephant", &token, &session, &device, "my other password"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    assert!(program.end(Signal::SIGTERM).success());
    assert!(!folder.path().join("data/postgres/postmaster.pid").exists());

    let program = Program::serve(folder.path(), &[NO_CAPTCHA]).await;
    program.welcome(&mut ann);
    assert_eq!(ann.open("/profile").await.path(), "/profile", "sessions survive");
    assert_eq!(program.end(Signal::SIGKILL).code(), None);

    let program = Program::serve(folder.path(), &[NO_CAPTCHA]).await;
    program.welcome(&mut ann);
    assert_eq!(ann.open("/profile").await.path(), "/profile");
    assert_eq!(program.visitor().log_in("ann@example.com").await.path(), "/profile");
    assert!(program.end(Signal::SIGINT).success());
}

#[tokio::test]
async fn with_a_database_of_ones_own_nothing_embedded_starts() {
    let (folder, database) = (ScratchFolder::new(), TestDatabase::new().await);
    let url = database.url();
    let program = Program::serve(folder.path(), &[NO_CAPTCHA, ("DATABASE_URL", &url)]).await;
    become_a_user(&mut program.visitor()).await;
    assert!(!folder.path().join("data/postgres").exists());
    let users: i64 =
        sqlx::query_scalar("select count(*) from users").fetch_one(&database.pool()).await.expect("a count");
    assert_eq!(users, 1);
    assert!(program.end(Signal::SIGTERM).success());
    let migrated = Program::run(folder.path(), &["migrate"], &[("DATABASE_URL", &url)]);
    assert!(migrated.status.success(), "{migrated:?}");
}

#[test]
fn all_wrong_settings_are_named_at_once_and_none_of_their_values() {
    let folder = ScratchFolder::new();
    let wrong = [
        ("LISTEN", "s3cret"),
        ("PUBLIC_URL", "s3cret"),
        ("SMTP_URL", "s3cret"),
        ("EMAIL_MIN", "s3cret"),
        ("PASSWORD_MIN", "30"),
        ("CAPTCHA", "s3cret"),
        ("TRUSTED_PROXIES", "s3cret"),
        ("LISTN", "s3cret"),
    ];
    let output = Program::run(folder.path(), &["serve"], &wrong);
    assert_eq!(output.status.code(), Some(2));
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    for (name, _) in wrong {
        assert!(words.contains(&format!("VESTIBULE_{name}")), "{name}: {words}");
    }
    assert!(!words.contains("s3cret"), "{words}");
    assert!(!folder.path().join("data").exists());
}

#[test]
fn a_filter_for_the_log_that_cannot_be_read_is_named() {
    let folder = ScratchFolder::new();
    let output = Program::run(folder.path(), &["serve"], &[("LOG", "vestibule=loud")]);
    assert_eq!(output.status.code(), Some(2));
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("VESTIBULE_LOG: expected a filter") && !words.contains("loud"), "{words}");
}

#[test]
fn a_setting_in_the_file_counts_as_well() {
    let folder = ScratchFolder::new();
    std::fs::write(folder.path().join(".env"), "VESTIBULE_CAPTCHA=perhaps\n")
        .expect("a folder to write into");
    let output = Program::run(folder.path(), &["serve"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("VESTIBULE_CAPTCHA: expected picture or off"));
}

#[test]
fn away_from_ones_own_machine_it_does_not_start_without_a_mail_service() {
    let folder = ScratchFolder::new();
    for elsewhere in [("LISTEN", "0.0.0.0:0"), ("PUBLIC_URL", "https://accounts.example")] {
        let output = Program::run(folder.path(), &["serve"], &[elsewhere]);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("VESTIBULE_SMTP_URL is not set"));
    }
    assert!(!folder.path().join("data").exists());
}

#[test]
fn a_database_that_is_not_there_is_said_without_its_password() {
    let folder = ScratchFolder::new();
    let url = "postgres://me:s3cret@127.0.0.1:1/none";
    let output = Program::run(folder.path(), &["serve"], &[("DATABASE_URL", url)]);
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("cannot reach the database") && !words.contains("s3cret"), "{words}");
}

#[tokio::test]
async fn several_instances_share_a_database() {
    let mut site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    site.start_server().await;
    ann.go_to_instance(site.address());
    assert_eq!(ann.open("/profile").await.path(), "/profile");
    ann.log_out().await;
    assert_eq!(ann.log_in("ann@example.com").await.path(), "/profile");
}
