//! Which letter leaves next, and when.

use std::time::Duration;

use time::Duration as Time;
use uuid::Uuid;

use super::{
    FirstLetter, GAP, LEASE, LastLetter, Post, SecretLetter, registry,
    smtp::{Act, Stage},
};
use crate::{
    domain::EmailAddress,
    mail::{
        self, LetterState,
        queue::{self, Settlement},
    },
};

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
async fn a_place_in_the_line_counts_who_leaves_before_and_says_when() {
    let post = Post::new().await;
    post.owe::<FirstLetter>("first@example.com").await;
    post.owe::<LastLetter>("last@example.com").await;
    post.owe::<SecretLetter>("ann@example.com").await;
    let mut conn = post.database.acquire().await.unwrap();
    let now = post.clock.now();
    let place = mail::places(&mut conn, &[now], 120, now).await.unwrap()[0];
    assert_eq!((place.ahead, place.and_more), (1, false), "the others' count would tell of them");
    assert_eq!(place.expected_at, Some(now + Time::seconds(1)), "at the settings' pace");

    let later = now + Time::minutes(1);
    let place = mail::places(&mut conn, &[now], 120, later).await.unwrap()[0];
    assert_eq!(place.expected_at, None, "for a minute none has left");
    post.owe::<SecretLetter>("bob@example.com").await;
    for seconds in 0..2 {
        // The first one that leaves is of another priority, and tells nothing.
        let claim =
            queue::claim(&mut conn, later + Time::seconds(seconds), LEASE, GAP).await.unwrap().unwrap();
        let settlement = Settlement::HandedOver { answer: "250".to_owned() };
        assert!(queue::settle(&mut conn, &claim, &settlement, later).await.unwrap());
    }
    let places = mail::places(&mut conn, &[now, later], 120, later).await.unwrap();
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
    let place = mail::places(&mut conn, &[now], 60, now).await.unwrap()[0];
    assert_eq!((place.ahead, place.and_more), (1000, true));
}

#[tokio::test]
async fn a_letter_that_is_held_back_leaves_when_its_time_has_come() {
    let post = Post::new().await;
    let _workers = post.workers(1);
    let mut tx = post.database.begin().await.unwrap();
    let (to, now) = (EmailAddress::parse("held@example.com").unwrap(), post.clock.now());
    let held = mail::enqueue::<SecretLetter>(&mut tx, &to, Some(Uuid::new_v4()), now).await.unwrap();
    mail::hold_back(&mut tx, held, now + Time::minutes(20)).await.unwrap();
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
