//! What fails: the mail service, the database, a worker.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use time::Duration as Time;

use super::{
    BrokenLetter, LEASE, Post, SHORT_LEASE, SecretLetter, registry,
    smtp::{Act, Stage},
};
use crate::mail::{self, LetterState};

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
    let overdue = mail::numbers(&mut conn, post.clock.now()).await.unwrap().overdue;
    assert!(overdue >= Time::hours(3), "{overdue}");

    post.sink.behave();
    post.let_pass(soon).await;
    post.until(id, LetterState::HandedOver).await;
    let overdue = mail::numbers(&mut conn, post.clock.now()).await.unwrap().overdue;
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
