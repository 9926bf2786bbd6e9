//! The queue and its workers against a mail server that misbehaves.

#[path = "../../../tests/web/support/smtp.rs"]
#[allow(dead_code, reason = "shared with the tests of the pages")]
mod smtp;

mod outages;
mod pace;

use std::time::Duration;

use sqlx::{PgConnection, PgPool, postgres::PgPoolOptions};
use time::Duration as Time;
use uuid::Uuid;

use self::smtp::{Act, Sink, Stage};
use super::{
    Letter, LetterState, LetterStatus, LocalMailbox, Owed, Prepared, Priority, Registry, Words, Workers,
    queue::{self, Settlement},
};
use crate::{
    domain::{EmailAddress, LetterId, Token},
    platform::{clock::Clock, config::Config},
    test_database::TestDatabase,
};

/// Long enough for a busy machine.
const LEASE: Duration = Duration::from_secs(120);
/// For tests in which something hangs until the attempt ends.
const SHORT_LEASE: Duration = Duration::from_secs(2);

/// Letters leave so far apart where a test claims them by itself.
const GAP: Duration = Duration::from_millis(500);

/// A letter with a secret, whose hash goes where the test can see it.
struct SecretLetter;

impl Letter for SecretLetter {
    const KIND: &'static str = "secret";
    const PRIORITY: Priority = Priority::Middle;
    type Content = Token;

    async fn prepare(&self, owed: &Owed, tx: &mut PgConnection) -> anyhow::Result<Option<Prepared<Token>>> {
        let token = Token::random();
        sqlx::query("insert into secrets (hash) values ($1)")
            .bind(token.hash().as_bytes())
            .execute(tx)
            .await?;
        Ok(Some(Prepared { to: owed.to.clone(), content: token }))
    }

    fn compose(&self, token: &Token) -> Words {
        let link = format!("http://localhost/confirm?token={}", token.reveal());
        let text = format!("Here:\n{link}\n");
        Words { subject: "A secret".to_owned(), text, html: "<p>Here".to_owned(), reply_to: None }
    }
}

/// Letters that only carry their subject.
macro_rules! plain_letter {
    ($name:ident, $kind:literal, $priority:ident, |$owed:ident| $prepare:expr, || $compose:expr) => {
        struct $name;

        impl Letter for $name {
            const KIND: &'static str = $kind;
            const PRIORITY: Priority = Priority::$priority;
            type Content = ();

            async fn prepare(
                &self,
                $owed: &Owed,
                _: &mut PgConnection,
            ) -> anyhow::Result<Option<Prepared<()>>> {
                Ok($prepare.map(|to| Prepared { to, content: () }))
            }

            fn compose(&self, (): &()) -> Words {
                $compose
            }
        }
    };
}

fn words() -> Words {
    Words { subject: "x".to_owned(), text: "x".to_owned(), html: "x".to_owned(), reply_to: None }
}

plain_letter!(FirstLetter, "first", First, |owed| Some(owed.to.clone()), || words());
plain_letter!(LastLetter, "last", Last, |owed| Some(owed.to.clone()), || words());
plain_letter!(ForgottenLetter, "forgotten", Middle, |_owed| None, || words());
plain_letter!(BrokenLetter, "broken", Middle, |owed| Some(owed.to.clone()), || panic!("a mistake"));
plain_letter!(
    ElsewhereLetter,
    "elsewhere",
    Middle,
    |_owed| EmailAddress::parse("Stored@example.com").ok(),
    || words()
);

fn registry() -> Registry {
    Registry::new()
        .with(SecretLetter)
        .with(FirstLetter)
        .with(LastLetter)
        .with(ForgottenLetter)
        .with(BrokenLetter)
        .with(ElsewhereLetter)
}

/// A database, a mail server and a clock.
struct Post {
    database: PgPool,
    _test_database: TestDatabase,
    clock: Clock,
    sink: Sink,
    lease: Duration,
}

impl Post {
    async fn new() -> Self {
        let test_database = TestDatabase::new().await;
        let database = test_database.pool();
        sqlx::query("create table secrets (hash bytea not null)").execute(&database).await.unwrap();
        let (clock, sink) = (Clock::system(), Sink::start().await);
        Self { database, _test_database: test_database, clock, sink, lease: LEASE }
    }

    fn config(&self, workers: usize) -> Config {
        let variables = [
            ("SMTP_URL", self.sink.url()),
            ("MAIL_PER_MINUTE", "1000000".to_owned()),
            ("MAIL_WORKERS", workers.to_string()),
            ("MAIL_LEASE_SECONDS", self.lease.as_secs().to_string()),
        ];
        Config::from_variables(variables.map(|(name, value)| (format!("VESTIBULE_{name}"), value))).unwrap()
    }

    fn workers(&self, workers: usize) -> Workers {
        self.workers_who_know(registry(), workers)
    }

    fn workers_who_know(&self, registry: Registry, workers: usize) -> Workers {
        self.workers_as(&self.config(workers), registry)
    }

    /// An instance with a pool of its own.
    fn workers_as(&self, config: &Config, registry: Registry) -> Workers {
        let options = self.database.connect_options();
        let pool = PgPoolOptions::new().max_connections(5).connect_lazy_with((*options).clone());
        Workers::start(pool, self.clock.clone(), registry, config).unwrap()
    }

    async fn owe<L: Letter>(&self, to: &str) -> LetterId {
        let mut tx = self.database.begin().await.unwrap();
        let to = EmailAddress::parse(to).unwrap();
        let id = super::enqueue::<L>(&mut tx, &to, Some(Uuid::new_v4()), self.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Lets time pass, and wakes who sleeps through it.
    async fn let_pass(&self, time: Time) {
        self.clock.advance(time);
        sqlx::query("select pg_notify('letters', '')").execute(&self.database).await.unwrap();
    }

    async fn letter(&self, id: LetterId) -> Option<LetterStatus> {
        let about: Option<Uuid> = sqlx::query_scalar("select about from letters where id = $1")
            .bind(id.0)
            .fetch_optional(&self.database)
            .await
            .unwrap();
        let mut conn = self.database.acquire().await.unwrap();
        super::about(&mut conn, &[about?]).await.unwrap().pop()
    }

    /// Waits until a letter is in a state.
    async fn until(&self, id: LetterId, state: LetterState) -> LetterStatus {
        for _ in 0..3000 {
            if let Some(letter) = self.letter(id).await.filter(|letter| letter.state == state) {
                return letter;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never {state:?}: {:?}; seen: {:#?}", self.letter(id).await, self.sink.commands());
    }

    /// Every column of every letter, as text.
    async fn rows(&self) -> String {
        let rows: Vec<String> =
            sqlx::query_scalar("select letters::text from letters").fetch_all(&self.database).await.unwrap();
        rows.join("\n")
    }
}

#[tokio::test]
async fn a_letter_is_handed_over_and_no_row_holds_its_secret_or_its_words() {
    let post = Post::new().await;
    let _workers = post.workers(1);
    let id = post.owe::<SecretLetter>("Ann@example.com").await;

    let letter = post.sink.letter_to("Ann@example.com").await;
    assert_eq!(letter.header("Message-ID"), format!("<{id}@localhost>"));
    let secret = letter.link().rsplit_once('=').unwrap().1.to_owned();
    let hash = Token::parse(&secret).unwrap().hash();
    let stored: Vec<Vec<u8>> =
        sqlx::query_scalar("select hash from secrets").fetch_all(&post.database).await.unwrap();
    assert_eq!(stored, [hash.as_bytes()], "the hash is committed before the letter leaves");

    let status = post.until(id, LetterState::HandedOver).await;
    assert_eq!(status.answer.as_deref(), Some("250 2.0.0 Ok: queued"));
    assert!(status.settled_at >= status.first_attempt_at);
    let rows = post.rows().await;
    assert!(!rows.contains(&secret) && !rows.contains("Here") && !rows.contains("A secret"), "{rows}");
}

#[tokio::test]
async fn a_letter_leaves_with_what_caused_it_or_not_at_all() {
    let post = Post::new().await;
    let _workers = post.workers(1);
    let mut tx = post.database.begin().await.unwrap();
    let to = EmailAddress::parse("undone@example.com").unwrap();
    super::enqueue::<SecretLetter>(&mut tx, &to, None, post.clock.now()).await.unwrap();
    tx.rollback().await.unwrap();
    let done = post.owe::<SecretLetter>("done@example.com").await;

    post.until(done, LetterState::HandedOver).await;
    assert_eq!(post.sink.count(), 1);
}

#[tokio::test]
async fn a_letter_that_is_not_taken_now_is_delayed_and_leaves_later() {
    let post = Post::new().await;
    post.sink.once(Stage::Rcpt, Act::Say("450-4.2.1 come\r\n450 4.2.1 back later"));
    let _workers = post.workers(1);
    let id = post.owe::<SecretLetter>("ann@example.com").await;

    let delayed = post.until(id, LetterState::Delayed).await;
    assert_eq!(delayed.answer.as_deref(), Some("450 4.2.1 come back later"));
    assert!(delayed.due_at > post.clock.now() && delayed.settled_at.is_none());

    post.let_pass(Time::minutes(2)).await;
    post.until(id, LetterState::HandedOver).await;
    assert_eq!(post.sink.count(), 1);
}

#[tokio::test]
async fn a_letter_that_is_refused_keeps_the_servers_words() {
    let post = Post::new().await;
    let _workers = post.workers(1);
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Dot] {
        post.sink.once(stage, Act::Say("550 5.1.1 no such user, see https://example.com/why"));
        let id = post.owe::<SecretLetter>("ann@example.com").await;
        let refused = post.until(id, LetterState::Refused).await;
        assert_eq!(refused.answer.as_deref(), Some("550 5.1.1 no such user, see"), "{stage:?}");
        assert!(refused.settled_at.is_some());
    }
    assert!(post.sink.letters().is_empty());
}

#[tokio::test]
async fn only_who_holds_the_lease_settles_and_only_once() {
    let post = Post::new().await;
    post.owe::<SecretLetter>("ann@example.com").await;
    let mut conn = post.database.acquire().await.unwrap();
    let now = post.clock.now();
    let lost = queue::claim(&mut conn, now, LEASE, GAP).await.unwrap().unwrap();
    assert!(queue::claim(&mut conn, now, LEASE, GAP).await.unwrap().is_none(), "it is leased");
    let later = now + LEASE;
    let held = queue::claim(&mut conn, later, LEASE, GAP).await.unwrap().unwrap();
    assert_eq!((held.id, held.attempt, held.first_attempt_at), (lost.id, 2, now));

    let settlement = Settlement::HandedOver { answer: "250".to_owned() };
    assert!(!queue::settle(&mut conn, &lost, &Settlement::NoLongerOwed, later).await.unwrap());
    assert!(!queue::settle(&mut conn, &lost, &settlement, later).await.unwrap());
    assert!(queue::settle(&mut conn, &held, &settlement, later).await.unwrap());
    assert!(!queue::settle(&mut conn, &held, &settlement, later).await.unwrap());
}

#[tokio::test]
async fn many_workers_on_two_instances_send_each_letter_once() {
    let post = Post::new().await;
    let mut ids = Vec::new();
    for letter in 0..60 {
        ids.push(post.owe::<SecretLetter>(&format!("a{letter}@example.com")).await);
    }
    let _workers = [post.workers(3), post.workers(3)];
    for id in ids {
        post.until(id, LetterState::HandedOver).await;
    }
    let mut recipients: Vec<_> = post.sink.letters().into_iter().map(|letter| letter.to).collect();
    assert_eq!(recipients.len(), 60);
    recipients.sort();
    recipients.dedup();
    assert_eq!(recipients.len(), 60);
    assert!(post.sink.connections() <= 6, "each worker keeps its connection");
}

#[tokio::test]
async fn a_letter_goes_where_it_says_and_not_at_all_when_it_is_no_longer_owed() {
    let post = Post::new().await;
    let _workers = post.workers(1);
    let forgotten = post.owe::<ForgottenLetter>("ann@example.com").await;
    post.owe::<ElsewhereLetter>("stored@Example.com").await;
    post.sink.letter_to("Stored@example.com").await;
    assert_eq!(post.sink.count(), 1);
    assert!(post.letter(forgotten).await.is_none());
}

#[tokio::test]
async fn a_kind_that_only_a_newer_instance_knows_waits_for_it() {
    let post = Post::new().await;
    let older = post.workers_who_know(Registry::new(), 1);
    let id = post.owe::<SecretLetter>("ann@example.com").await;
    post.until(id, LetterState::Delayed).await;
    older.finish(Duration::from_secs(10)).await;

    let _newer = post.workers(1);
    post.let_pass(Time::minutes(2)).await;
    post.until(id, LetterState::HandedOver).await;
}

#[tokio::test]
async fn letters_beyond_ascii_before_the_at_sign_need_a_service_that_takes_them() {
    let post = Post::new().await;
    let _workers = post.workers(1);
    let id = post.owe::<SecretLetter>("почта@пример.рф").await;
    let refused = post.until(id, LetterState::Refused).await;
    assert!(refused.answer.unwrap().contains("beyond ASCII before the @ sign"));

    post.sink.offer("SMTPUTF8");
    let id = post.owe::<SecretLetter>("почта@пример.рф").await;
    post.until(id, LetterState::HandedOver).await;
    post.sink.letter_to("почта@xn--e1afmkfd.xn--p1ai").await;
    let id = post.owe::<SecretLetter>("a@bücher.example").await;
    post.until(id, LetterState::HandedOver).await;
    post.sink.letter_to("a@xn--bcher-kva.example").await;
}

#[tokio::test]
async fn settled_letters_are_forgotten_after_a_month_and_others_are_not() {
    let post = Post::new().await;
    let _workers = post.workers(1);
    let settled = post.owe::<SecretLetter>("ann@example.com").await;
    post.until(settled, LetterState::HandedOver).await;
    post.sink.always(Stage::Rcpt, Act::Say("450 later"));
    let delayed = post.owe::<SecretLetter>("ann@example.com").await;
    post.until(delayed, LetterState::Delayed).await;

    let mut conn = post.database.acquire().await.unwrap();
    assert_eq!(super::purge(&mut conn, post.clock.now() + Time::days(29)).await.unwrap(), 0);
    assert_eq!(super::purge(&mut conn, post.clock.now() + Time::days(31)).await.unwrap(), 1);
    assert!(post.letter(delayed).await.is_some());
}

#[tokio::test]
async fn on_ones_own_machine_letters_go_into_a_folder() {
    let post = Post::new().await;
    let folder = std::env::temp_dir().join(format!("vestibule-{}", Uuid::new_v4()));
    let mut config = Config::from_variables([]).unwrap();
    config.data_dir = folder.clone();
    let mailbox = LocalMailbox::from_config(&config).unwrap();
    assert!(mailbox.newest(10).await.unwrap().is_empty());
    let _workers = post.workers_as(&config, registry());
    let older = post.owe::<SecretLetter>("ann@example.com").await;
    post.until(older, LetterState::HandedOver).await;
    let newer = post.owe::<SecretLetter>("bob@example.com").await;
    post.until(newer, LetterState::HandedOver).await;

    let letters = mailbox.newest(10).await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.id).collect::<Vec<_>>(), [newer, older]);
    assert!(letters[0].to == "bob@example.com" && letters[0].text.contains("token="));
    assert!(mailbox.letter(LetterId::new()).await.unwrap().is_none());
    let raw = std::fs::read(folder.join("mailbox").join(format!("{newer}.eml"))).unwrap();
    assert_eq!(mail_parser::MessageParser::default().parse(&raw).unwrap().subject(), Some("A secret"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_folder_that_was_there_before_keeps_letters_from_other_users_too() {
    use std::os::unix::fs::PermissionsExt;

    let post = Post::new().await;
    let mut config = Config::from_variables([]).unwrap();
    config.data_dir = std::env::temp_dir().join(format!("vestibule-{}", Uuid::new_v4()));
    std::fs::create_dir_all(config.data_dir.join("mailbox")).unwrap();
    let _workers = post.workers_as(&config, registry());
    let id = post.owe::<SecretLetter>("ann@example.com").await;
    post.until(id, LetterState::HandedOver).await;

    for file in std::fs::read_dir(config.data_dir.join("mailbox")).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.file_name());
    }
    std::fs::remove_dir_all(config.data_dir).unwrap();
}

#[tokio::test]
async fn an_answer_does_not_tell_how_a_known_users_address_is_spelled() {
    let post = Post::new().await;
    post.sink
        .once(Stage::Rcpt, Act::Say("452 4.2.2 <Stored@example.com>: mailbox full, ask boss@example.com"));
    let _workers = post.workers(1);
    let id = post.owe::<ElsewhereLetter>("sToReD@example.com").await;
    let delayed = post.until(id, LetterState::Delayed).await;
    assert_eq!(delayed.answer.as_deref(), Some("452 4.2.2 <sToReD@example.com>: mailbox full, ask"));
    post.sink.command("RCPT TO:<Stored@example.com>", 1).await;
}
