//! The queue and its workers against a mail server that misbehaves.

#[path = "../../tests/web/support/smtp.rs"]
#[allow(dead_code, reason = "shared with the tests of the pages")]
mod smtp;

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

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
async fn what_the_service_says_of_our_own_log_in_refuses_no_letter() {
    let post = Post::new().await;
    let _workers = post.workers(1);
    for (stage, words) in [
        (Stage::Greeting, "554 5.3.2 nobody is served here"),
        (Stage::Ehlo, "550 who are you"),
        (Stage::Mail, "530 5.7.0 log in first"),
        (Stage::Mail, "421 4.3.2 closing"),
    ] {
        post.sink.drop_connections();
        post.sink.once(stage, Act::Say(words));
        let id = post.owe::<SecretLetter>("ann@example.com").await;
        post.until(id, LetterState::Delayed).await;
    }
}

#[tokio::test]
async fn a_service_that_hangs_or_breaks_off_loses_no_letter() {
    let post = Post { lease: SHORT_LEASE, ..Post::new().await };
    let _workers = post.workers(1);
    for (stage, act, kept) in [
        (Stage::Greeting, Act::Hang, 0),
        (Stage::Greeting, Act::Close, 0),
        (Stage::Ehlo, Act::Close, 0),
        (Stage::Mail, Act::Hang, 0),
        (Stage::Rcpt, Act::Close, 0),
        (Stage::Body, Act::Close, 0),
        (Stage::Dot, Act::Hang, 0),
        (Stage::Dot, Act::Close, 0),
        (Stage::Dot, Act::KeepAndClose, 1),
    ] {
        let before = post.sink.count();
        // A new connection, so that it is greeted.
        post.sink.drop_connections();
        post.sink.once(stage, act);
        let id = post.owe::<SecretLetter>("ann@example.com").await;
        post.until(id, LetterState::Delayed).await;
        assert_eq!(post.sink.count() - before, kept, "{stage:?} {act:?}");

        post.let_pass(Time::hours(1)).await;
        post.until(id, LetterState::HandedOver).await;
        let letters = post.sink.letters().split_off(before);
        assert_eq!(letters.len(), kept + 1, "{stage:?} {act:?}");
        for letter in letters {
            assert_eq!(letter.header("Message-ID"), format!("<{id}@localhost>"), "{stage:?} {act:?}");
        }
    }
}

#[tokio::test]
async fn a_slow_reply_is_not_taken_for_the_next_letters() {
    let post = Post { lease: SHORT_LEASE, ..Post::new().await };
    let _workers = post.workers(1);
    post.sink.once(Stage::Data, Act::Slow(SHORT_LEASE));
    let slow = post.owe::<SecretLetter>("slow@example.com").await;
    post.until(slow, LetterState::Delayed).await;
    let next = post.owe::<SecretLetter>("next@example.com").await;
    post.until(next, LetterState::HandedOver).await;
    post.sink.letter_to("next@example.com").await;
}

#[tokio::test]
async fn no_service_at_all_delays_the_letter_and_it_is_given_up_after_a_day() {
    let post = Post::new().await;
    post.sink.always(Stage::Greeting, Act::Say("421 4.3.2 not now"));
    let _workers = post.workers(1);
    let id = post.owe::<SecretLetter>("ann@example.com").await;
    let delayed = post.until(id, LetterState::Delayed).await;
    assert_eq!(delayed.answer.as_deref(), Some("our mail service did not let us in"));

    post.let_pass(Time::hours(24)).await;
    let given_up = post.until(id, LetterState::GivenUp).await;
    assert!(given_up.settled_at.is_some() && given_up.answer.is_some());
}

#[tokio::test]
async fn a_killed_workers_letter_is_taken_over_when_its_lease_ends() {
    let post = Post::new().await;
    post.sink.once(Stage::Rcpt, Act::Hang);
    let killed = post.workers(1);
    let id = post.owe::<SecretLetter>("ann@example.com").await;
    post.sink.command("RCPT", 1).await;
    drop(killed);
    assert_eq!(post.letter(id).await.unwrap().state, LetterState::Sending);

    let _workers = post.workers(1);
    post.let_pass(LEASE.try_into().unwrap()).await;
    post.until(id, LetterState::HandedOver).await;
    assert_eq!(post.sink.count(), 1);
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
async fn letters_keep_their_distance_over_all_instances_and_no_turns_are_saved_up() {
    let post = Post::new().await;
    for _ in 0..4 {
        post.owe::<SecretLetter>("ann@example.com").await;
    }
    let mut here = post.database.acquire().await.unwrap();
    let mut there = post.database.acquire().await.unwrap();
    let now = post.clock.now();
    assert!(queue::claim(&mut here, now, LEASE, GAP).await.unwrap().is_some());
    assert!(queue::claim(&mut there, now, LEASE, GAP).await.unwrap().is_none(), "it has just left");
    let next = queue::next_due(&mut there, now).await.unwrap().unwrap();
    assert!(next > now && next <= now + GAP, "it is asked again then");
    assert!(queue::claim(&mut there, next, LEASE, GAP).await.unwrap().is_some());

    let later = now + Time::minutes(1);
    assert!(queue::claim(&mut here, later, LEASE, GAP).await.unwrap().is_some());
    assert!(queue::claim(&mut here, later, LEASE, GAP).await.unwrap().is_none(), "one minute, one turn");
}

#[tokio::test]
async fn a_clock_that_was_wrong_once_stops_no_letters() {
    let post = Post::new().await;
    for _ in 0..3 {
        post.owe::<SecretLetter>("ann@example.com").await;
    }
    let mut conn = post.database.acquire().await.unwrap();
    let now = post.clock.now();
    assert!(queue::claim(&mut conn, now + Time::days(365), LEASE, GAP).await.unwrap().is_some());
    assert!(queue::next_due(&mut conn, now).await.unwrap().unwrap() <= now + GAP);
    assert!(queue::claim(&mut conn, now, LEASE, GAP).await.unwrap().is_some());
    assert!(queue::claim(&mut conn, now, LEASE, GAP).await.unwrap().is_none(), "the pace is kept again");
}

#[tokio::test]
async fn an_idle_look_takes_no_turn() {
    let post = Post::new().await;
    let mut conn = post.database.acquire().await.unwrap();
    let now = post.clock.now();
    assert!(queue::claim(&mut conn, now, LEASE, GAP).await.unwrap().is_none());
    post.owe::<SecretLetter>("ann@example.com").await;
    let now = post.clock.now();
    assert!(queue::claim(&mut conn, now, LEASE, GAP).await.unwrap().is_some());
}

#[tokio::test]
async fn while_the_service_does_not_answer_one_worker_tries_it_and_the_rest_wait() {
    let post = Post { lease: SHORT_LEASE, ..Post::new().await };
    post.sink.always(Stage::Greeting, Act::Hang);
    let _workers = post.workers(3);
    let mut ids = vec![post.owe::<SecretLetter>("first@example.com").await];
    post.until(ids[0], LetterState::Delayed).await;
    for _ in 0..4 {
        ids.push(post.owe::<SecretLetter>("next@example.com").await);
    }
    post.sink.until("one more connection", || post.sink.connections() == 2).await;
    let waiting: i64 = sqlx::query_scalar("select count(*) from letters where state = 'queued'")
        .fetch_one(&post.database)
        .await
        .unwrap();
    assert_eq!((waiting, post.sink.connections()), (3, 2));

    post.sink.behave();
    post.sink.drop_connections();
    post.until(ids[4], LetterState::HandedOver).await;
    post.let_pass(Time::hours(1)).await;
    for id in ids {
        post.until(id, LetterState::HandedOver).await;
    }
    assert_eq!(post.sink.count(), 5);
}

#[tokio::test]
async fn however_long_the_service_was_away_letters_leave_soon_after_and_operators_see_them_wait() {
    let post = Post::new().await;
    post.sink.always(Stage::Greeting, Act::Say("421 4.3.2 not now"));
    let _workers = post.workers(2);
    let id = post.owe::<SecretLetter>("ann@example.com").await;
    let soon = Time::try_from(post.config(2).mail.retry_first).unwrap() * 2;
    for attempt in 1..=3 {
        post.sink.until("another try", || post.sink.connections() >= attempt).await;
        let delayed = post.until(id, LetterState::Delayed).await;
        assert!(delayed.due_at <= post.clock.now() + soon, "{delayed:?}");
        post.let_pass(Time::hours(1)).await;
    }
    let mut conn = post.database.acquire().await.unwrap();
    let overdue = super::numbers(&mut conn, post.clock.now()).await.unwrap().overdue;
    assert!(overdue >= Time::hours(3), "{overdue}");

    post.sink.behave();
    post.let_pass(soon).await;
    post.until(id, LetterState::HandedOver).await;
    let overdue = super::numbers(&mut conn, post.clock.now()).await.unwrap().overdue;
    assert_eq!(overdue, Time::ZERO);
}

#[tokio::test]
async fn a_slow_pace_wakes_nobody_while_the_service_does_not_answer() {
    let post = Post { lease: Duration::from_secs(4), ..Post::new().await };
    post.sink.once(Stage::Greeting, Act::Close);
    post.sink.always(Stage::Greeting, Act::Hang);
    // Longer than the first pause, so that the one who tries comes before the letter's turn, and
    // shorter than an attempt, so that anybody else who were awake would have a turn meanwhile.
    let mut config = post.config(3);
    config.mail.per_minute = 40;
    let _workers = post.workers_as(&config, registry());
    let mut ids = Vec::new();
    for to in ["first@example.com", "second@example.com", "third@example.com"] {
        ids.push(post.owe::<SecretLetter>(to).await);
    }
    post.until(ids[1], LetterState::Delayed).await;
    assert_eq!(post.sink.connections(), 2);
}

#[tokio::test]
async fn a_place_in_the_line_counts_who_leaves_before_and_says_when() {
    let post = Post::new().await;
    post.owe::<FirstLetter>("first@example.com").await;
    post.owe::<LastLetter>("last@example.com").await;
    post.owe::<SecretLetter>("ann@example.com").await;
    let mut conn = post.database.acquire().await.unwrap();
    let now = post.clock.now();
    let place = super::places(&mut conn, &[now], 120, now).await.unwrap()[0];
    assert_eq!((place.ahead, place.and_more), (1, false), "the others' count would tell of them");
    assert_eq!(place.expected_at, Some(now + Time::seconds(1)), "at the settings' pace");

    let later = now + Time::minutes(1);
    let place = super::places(&mut conn, &[now], 120, later).await.unwrap()[0];
    assert_eq!(place.expected_at, None, "for a minute none has left");
    post.owe::<SecretLetter>("bob@example.com").await;
    for seconds in 0..2 {
        // The first one that leaves is of another priority, and tells nothing.
        let claim =
            queue::claim(&mut conn, later + Time::seconds(seconds), LEASE, GAP).await.unwrap().unwrap();
        let settlement = Settlement::HandedOver { answer: "250".to_owned() };
        assert!(queue::settle(&mut conn, &claim, &settlement, later).await.unwrap());
    }
    let places = super::places(&mut conn, &[now, later], 120, later).await.unwrap();
    let expected = places[1].expected_at.unwrap() - later;
    assert_eq!((places[0].ahead, places[1].ahead), (0, 1));
    assert_eq!(expected.whole_minutes(), 1, "one a minute left lately, of its kind");
}

#[tokio::test]
async fn more_than_a_thousand_ahead_are_not_counted() {
    let post = Post::new().await;
    let now = post.clock.now();
    sqlx::query(
        "insert into letters (id, kind, recipient, priority, created_at, due_at)
         select gen_random_uuid(), 'secret', 'ann@example.com', 1, $1, $1 from generate_series(1, $2) as n",
    )
    .bind(now - Time::seconds(1))
    .bind(1001)
    .execute(&post.database)
    .await
    .unwrap();
    let mut conn = post.database.acquire().await.unwrap();
    let place = super::places(&mut conn, &[now], 60, now).await.unwrap()[0];
    assert_eq!((place.ahead, place.and_more), (1000, true));
}

#[tokio::test]
async fn a_letter_that_is_held_back_leaves_when_its_time_has_come() {
    let post = Post::new().await;
    let _workers = post.workers(1);
    let mut tx = post.database.begin().await.unwrap();
    let (to, now) = (EmailAddress::parse("held@example.com").unwrap(), post.clock.now());
    let held = super::enqueue::<SecretLetter>(&mut tx, &to, Some(Uuid::new_v4()), now).await.unwrap();
    super::hold_back(&mut tx, held, now + Time::minutes(20)).await.unwrap();
    tx.commit().await.unwrap();
    let other = post.owe::<LastLetter>("other@example.com").await;

    post.until(other, LetterState::HandedOver).await;
    let status = post.letter(held).await.unwrap();
    assert!(status.is_held_back(post.clock.now()) && status.first_attempt_at.is_none());

    post.let_pass(Time::minutes(20)).await;
    post.until(held, LetterState::HandedOver).await;
}

#[tokio::test]
async fn a_delayed_letter_is_tried_again_without_being_called() {
    let post = Post::new().await;
    let mut config = post.config(1);
    config.mail.retry_first = Duration::from_millis(300);
    post.sink.once(Stage::Rcpt, Act::Say("450 later"));
    let _workers = post.workers_as(&config, registry());
    post.owe::<SecretLetter>("ann@example.com").await;
    post.sink.letter_to("ann@example.com").await;
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
async fn no_letter_is_lost_when_instances_are_killed_and_the_service_drops_what_it_can() {
    const LETTERS: usize = 60;
    const WORKERS: usize = 3;
    const KILLS: usize = 4;
    const DROPS: usize = 10;
    let post = Post { lease: Duration::from_secs(5), ..Post::new().await };
    let mut config = post.config(WORKERS);
    config.mail.retry_first = Duration::from_secs(1);
    for _ in 0..DROPS {
        post.sink.once(Stage::Rcpt, Act::Say("450 4.2.1 come back later"));
        post.sink.once(Stage::Body, Act::Close);
        post.sink.once(Stage::Dot, Act::KeepAndClose);
    }
    for letter in 0..LETTERS {
        post.owe::<SecretLetter>(&format!("a{letter}@example.com")).await;
    }
    let start = || post.workers_as(&config, registry());
    let mut instances = VecDeque::from([start(), start()]);
    for kill in 1..=KILLS {
        post.sink.until("some letters", || post.sink.count() >= kill * 10).await;
        drop(instances.pop_front());
        instances.push_back(start());
    }
    let unsettled = "select count(*) from letters where state <> 'handed_over'";
    for _ in 0..3000 {
        let left: i64 = sqlx::query_scalar(unsettled).fetch_one(&post.database).await.unwrap();
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let taken = post.sink.letters();
    let ids: HashSet<_> = taken.iter().map(|letter| letter.header("Message-ID")).collect();
    assert_eq!(ids.len(), LETTERS, "each arrives: {}", post.rows().await);
    assert!(taken.len() - LETTERS <= KILLS * WORKERS + DROPS, "{} of {LETTERS}", taken.len());
    let left: i64 = sqlx::query_scalar(unsettled).fetch_one(&post.database).await.unwrap();
    assert_eq!(left, 0, "no lease is stuck");
}

#[tokio::test]
async fn letters_leave_by_priority_and_then_by_age() {
    let post = Post::new().await;
    post.owe::<LastLetter>("last@example.com").await;
    post.owe::<SecretLetter>("middle1@example.com").await;
    post.owe::<SecretLetter>("middle2@example.com").await;
    let first = post.owe::<FirstLetter>("first@example.com").await;
    let _workers = post.workers(1);
    post.until(first, LetterState::HandedOver).await;
    post.sink.letter_to("last@example.com").await;
    let order: Vec<_> = post.sink.letters().into_iter().map(|letter| letter.to).collect();
    assert_eq!(
        order,
        ["first@example.com", "middle1@example.com", "middle2@example.com", "last@example.com"]
    );
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
async fn a_letter_that_panics_holds_up_no_other() {
    let post = Post::new().await;
    let _workers = post.workers(1);
    post.owe::<BrokenLetter>("broken@example.com").await;
    let id = post.owe::<SecretLetter>("ann@example.com").await;
    post.until(id, LetterState::HandedOver).await;
}

#[tokio::test]
async fn a_worker_that_stops_finishes_the_letter_in_its_hand() {
    let post = Post::new().await;
    post.sink.once(Stage::Dot, Act::Slow(Duration::from_millis(500)));
    let workers = post.workers(1);
    let id = post.owe::<SecretLetter>("ann@example.com").await;
    post.sink.command("DATA", 1).await;
    let next = post.owe::<SecretLetter>("next@example.com").await;
    workers.finish(Duration::from_secs(20)).await;

    assert_eq!(post.letter(id).await.unwrap().state, LetterState::HandedOver);
    assert_eq!(post.letter(next).await.unwrap().state, LetterState::Queued);
    assert_eq!(post.sink.commands().last().map(String::as_str), Some("QUIT"));
}

#[tokio::test]
async fn a_resting_connection_is_used_again_and_replaced_where_it_is_dead() {
    let post = Post::new().await;
    let _workers = post.workers(1);
    for _ in 0..3 {
        let id = post.owe::<SecretLetter>("ann@example.com").await;
        post.until(id, LetterState::HandedOver).await;
    }
    assert_eq!(post.sink.connections(), 1);
    post.sink.drop_connections();
    let id = post.owe::<SecretLetter>("ann@example.com").await;
    post.until(id, LetterState::HandedOver).await;
    assert_eq!(post.sink.connections(), 2);
    post.sink.once(Stage::Mail, Act::Say("421 4.7.0 enough for one connection"));
    let id = post.owe::<SecretLetter>("ann@example.com").await;
    post.until(id, LetterState::HandedOver).await;
    assert_eq!(post.sink.connections(), 3);
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
async fn workers_go_on_when_the_database_returns() {
    let post = Post::new().await;
    let _workers = post.workers(2);
    let id = post.owe::<SecretLetter>("before@example.com").await;
    post.until(id, LetterState::HandedOver).await;
    sqlx::query(
        "select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()",
    )
    .execute(&post.database)
    .await
    .unwrap();
    let id = post.owe::<SecretLetter>("after@example.com").await;
    post.until(id, LetterState::HandedOver).await;
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

#[tokio::test]
async fn a_letter_that_panics_is_given_up_after_a_day() {
    let post = Post::new().await;
    let _workers = post.workers(1);
    let id = post.owe::<BrokenLetter>("broken@example.com").await;
    let other = post.owe::<SecretLetter>("ann@example.com").await;
    post.until(other, LetterState::HandedOver).await;
    assert_eq!(post.letter(id).await.unwrap().state, LetterState::Sending);

    post.let_pass(Time::hours(24)).await;
    let given_up = post.until(id, LetterState::GivenUp).await;
    assert_eq!(given_up.answer.as_deref(), Some("no attempt came to an end"));
}
