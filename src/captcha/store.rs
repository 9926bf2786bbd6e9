//! What was shown and how it was answered. Each change is one statement, so that answers which
//! arrive together are counted one after the other. Every function fails when the database does.

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::{Task, answer::Answer};
use crate::domain::CaptchaId;

/// How long a captcha can be drawn, answered and spent (product rule: 20 minutes).
pub const LIFETIME: Duration = Duration::minutes(20);

/// How many wrong answers a captcha dies of (product rule: at the third).
pub const WRONG_ANSWERS: i16 = 3;

/// How often a captcha can be seen, and how often it can be heard (product rule: 5 times).
pub const SHOWINGS: i16 = 5;

/// How a task is shown; each way is counted by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// As a picture.
    Picture,
    /// As a sound.
    Sound,
}

/// What an answer was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Right, now or before: the captcha is solved.
    Right,
    /// Not the answer; the same task may be answered again.
    Wrong,
    /// No answer counts any more, a new captcha is needed: its time is over, it was spent or never
    /// made, or this was one wrong answer too many. Also where it was wrong and the captcha cannot be
    /// seen or heard again.
    Gone,
}

/// Makes a new task and says by which id it is known.
pub async fn insert(connection: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<CaptchaId> {
    let (id, task) = (CaptchaId::new(), Task::random());
    sqlx::query!(
        "insert into captchas (id, task, seed, answer, created_at) values ($1, $2, $3, $4, $5)",
        id as CaptchaId,
        task.text(),
        task.seed,
        i16::from(task.answer()),
        now,
    )
    .execute(connection)
    .await?;
    Ok(id)
}

/// The task to show, as long as it can be answered and was shown this way less than [`SHOWINGS`]
/// times. This time is counted.
pub async fn task(
    connection: &mut PgConnection,
    id: CaptchaId,
    shown: Shown,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Task>> {
    let (drawings, hearings): (i16, i16) = match shown {
        Shown::Picture => (1, 0),
        Shown::Sound => (0, 1),
    };
    let row = sqlx::query!(
        "
        update captchas set drawings = drawings + $2, hearings = hearings + $3
        where id = $1 and created_at > $4 and wrong_answers < $5
            and drawings + $2 <= $6 and hearings + $3 <= $6
        returning task, seed
        ",
        id as CaptchaId,
        drawings,
        hearings,
        now - LIFETIME,
        WRONG_ANSWERS,
        SHOWINGS,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.and_then(|row| Task::parse(&row.task, row.seed)))
}

/// Judges an answer as it was typed. Once solved, a captcha stays so, whatever is typed after. An
/// empty answer is wrong but guesses nothing, so it is not counted.
///
/// The verdict is kept only when the caller commits: also where the form is refused.
pub async fn check(
    connection: &mut PgConnection,
    id: CaptchaId,
    answer: &str,
    now: OffsetDateTime,
) -> sqlx::Result<Verdict> {
    let answer = Answer::understand(answer);
    let number = match answer {
        Answer::Number(number) => Some(number),
        Answer::Nothing | Answer::NotANumber => None,
    };
    let row = sqlx::query!(
        r#"
        update captchas
        set solved_at = coalesce(solved_at, case when answer = $2 then $4::timestamptz end),
            wrong_answers = wrong_answers
                + case when $3::boolean and solved_at is null and answer is distinct from $2 then 1 else 0 end
        where id = $1 and created_at > $5 and wrong_answers < $6
        returning solved_at is not null as "solved!",
            wrong_answers < $6 and drawings < $7 and hearings < $7 as "can_be_shown!"
        "#,
        id as CaptchaId,
        number,
        answer != Answer::Nothing,
        now,
        now - LIFETIME,
        WRONG_ANSWERS,
        SHOWINGS,
    )
    .fetch_optional(connection)
    .await?;
    Ok(match row {
        Some(row) if row.solved => Verdict::Right,
        Some(row) if row.can_be_shown => Verdict::Wrong,
        _ => Verdict::Gone,
    })
}

/// Whether it was answered and can still be spent: then a page says so and shows no task. `None`
/// where no answer counts any more, or it is to be answered and cannot be seen or heard again.
pub async fn is_solved(
    connection: &mut PgConnection,
    id: CaptchaId,
    now: OffsetDateTime,
) -> sqlx::Result<Option<bool>> {
    sqlx::query_scalar!(
        r#"
        select solved_at is not null as "solved!" from captchas
        where id = $1 and created_at > $2 and wrong_answers < $3
            and (solved_at is not null or drawings < $4 and hearings < $4)
        "#,
        id as CaptchaId,
        now - LIFETIME,
        WRONG_ANSWERS,
        SHOWINGS,
    )
    .fetch_optional(connection)
    .await
}

/// Uses up a solved captcha, in the transaction that accepts the form. Only one caller ever hears
/// `true` for a captcha, and only while it lives.
pub async fn spend(connection: &mut PgConnection, id: CaptchaId, now: OffsetDateTime) -> sqlx::Result<bool> {
    let spent = sqlx::query!(
        "delete from captchas where id = $1 and solved_at is not null and created_at > $2",
        id as CaptchaId,
        now - LIFETIME,
    )
    .execute(connection)
    .await?;
    Ok(spent.rows_affected() == 1)
}

/// Forgets captchas whose time is over, and says how many.
pub async fn purge(connection: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<u64> {
    let gone = sqlx::query!("delete from captchas where created_at <= $1", now - LIFETIME)
        .execute(connection)
        .await?;
    Ok(gone.rows_affected())
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;
    use time::macros::datetime;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::test_database::TestDatabase;

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

    /// A captcha that was seen once, and its answer.
    async fn shown(conn: &mut PgConnection) -> (CaptchaId, String) {
        let id = insert(conn, NOW).await.unwrap();
        let task = drawn(conn, id, NOW).await.expect("a new captcha can be drawn");
        (id, task.answer().to_string())
    }

    async fn drawn(conn: &mut PgConnection, id: CaptchaId, now: OffsetDateTime) -> Option<Task> {
        task(conn, id, Shown::Picture, now).await.unwrap()
    }

    #[tokio::test]
    async fn a_right_answer_holds_for_the_attempts_that_follow() {
        let database = TestDatabase::new().await;
        let pool = database.pool();
        let conn = &mut pool.acquire().await.unwrap();
        let (id, answer) = shown(conn).await;
        assert!(is_solved(conn, id, NOW).await.unwrap() != Some(true));
        for typed in [answer.as_str(), "", "999", "999", "999"] {
            assert_eq!(check(conn, id, typed, NOW).await.unwrap(), Verdict::Right, "{typed:?}");
        }
        assert!(is_solved(conn, id, NOW).await.unwrap() == Some(true));
    }

    #[tokio::test]
    async fn the_third_wrong_answer_is_the_last() {
        let database = TestDatabase::new().await;
        let pool = database.pool();
        let conn = &mut pool.acquire().await.unwrap();
        let (id, answer) = shown(conn).await;
        assert_eq!(check(conn, id, "999", NOW).await.unwrap(), Verdict::Wrong);
        assert_eq!(check(conn, id, "twelve", NOW).await.unwrap(), Verdict::Wrong);
        assert!(drawn(conn, id, NOW).await.is_some());
        assert_eq!(check(conn, id, "-1", NOW).await.unwrap(), Verdict::Gone);
        assert_eq!(check(conn, id, &answer, NOW).await.unwrap(), Verdict::Gone);
        assert!(drawn(conn, id, NOW).await.is_none());
    }

    #[tokio::test]
    async fn the_third_answer_may_be_the_right_one() {
        let database = TestDatabase::new().await;
        let pool = database.pool();
        let conn = &mut pool.acquire().await.unwrap();
        let (id, answer) = shown(conn).await;
        for _ in 0..2 {
            assert_eq!(check(conn, id, "999", NOW).await.unwrap(), Verdict::Wrong);
        }
        for typed in [answer.as_str(), "999", "999"] {
            assert_eq!(check(conn, id, typed, NOW).await.unwrap(), Verdict::Right, "{typed:?}");
        }
    }

    #[tokio::test]
    async fn it_is_seen_and_heard_five_times_each() {
        let database = TestDatabase::new().await;
        let pool = database.pool();
        let conn = &mut pool.acquire().await.unwrap();
        let id = insert(conn, NOW).await.unwrap();
        for shown in [Shown::Picture, Shown::Sound] {
            for _ in 0..SHOWINGS {
                assert!(task(conn, id, shown, NOW).await.unwrap().is_some(), "{shown:?}");
            }
            assert!(task(conn, id, shown, NOW).await.unwrap().is_none(), "{shown:?}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_seen_or_heard_again_is_asked_again_only_when_solved() {
        let database = TestDatabase::new().await;
        let pool = database.pool();
        let conn = &mut pool.acquire().await.unwrap();
        for shown in [Shown::Picture, Shown::Sound] {
            let (id, mut answer) = (insert(conn, NOW).await.unwrap(), String::new());
            for _ in 0..SHOWINGS {
                assert_eq!(is_solved(conn, id, NOW).await.unwrap(), Some(false), "{shown:?}");
                answer = task(conn, id, shown, NOW).await.unwrap().unwrap().answer().to_string();
            }
            assert_eq!(is_solved(conn, id, NOW).await.unwrap(), None, "{shown:?}");
            assert_eq!(check(conn, id, "999", NOW).await.unwrap(), Verdict::Gone, "{shown:?}");
            assert_eq!(check(conn, id, &answer, NOW).await.unwrap(), Verdict::Right, "{shown:?}");
            assert_eq!(is_solved(conn, id, NOW).await.unwrap(), Some(true), "{shown:?}");
        }
    }

    #[tokio::test]
    async fn an_empty_answer_is_wrong_and_not_counted() {
        let database = TestDatabase::new().await;
        let pool = database.pool();
        let conn = &mut pool.acquire().await.unwrap();
        let (id, answer) = shown(conn).await;
        for _ in 0..5 {
            assert_eq!(check(conn, id, "  ", NOW).await.unwrap(), Verdict::Wrong);
        }
        assert_eq!(check(conn, id, &answer, NOW).await.unwrap(), Verdict::Right);
    }

    #[tokio::test]
    async fn a_captcha_lives_for_20_minutes() {
        let database = TestDatabase::new().await;
        let pool = database.pool();
        let conn = &mut pool.acquire().await.unwrap();
        let (id, answer) = shown(conn).await;
        let (last, over) = (NOW + LIFETIME - Duration::SECOND, NOW + LIFETIME);
        assert!(drawn(conn, id, over).await.is_none());
        assert_eq!(check(conn, id, &answer, over).await.unwrap(), Verdict::Gone);
        assert_eq!(check(conn, id, &answer, last).await.unwrap(), Verdict::Right);
        assert!(
            is_solved(conn, id, last).await.unwrap() == Some(true)
                && is_solved(conn, id, over).await.unwrap() != Some(true)
        );
        assert!(!spend(conn, id, over).await.unwrap());
        assert!(spend(conn, id, last).await.unwrap());
    }

    #[tokio::test]
    async fn what_was_never_made_is_gone() {
        let database = TestDatabase::new().await;
        let pool = database.pool();
        let conn = &mut pool.acquire().await.unwrap();
        let id = CaptchaId::new();
        assert!(drawn(conn, id, NOW).await.is_none());
        assert_eq!(check(conn, id, "5", NOW).await.unwrap(), Verdict::Gone);
        assert!(is_solved(conn, id, NOW).await.unwrap() != Some(true));
        assert!(!spend(conn, id, NOW).await.unwrap());
    }

    #[tokio::test]
    async fn a_captcha_is_spent_once_and_only_when_solved() {
        let database = TestDatabase::new().await;
        let pool = database.pool();
        let conn = &mut pool.acquire().await.unwrap();
        let (id, answer) = shown(conn).await;
        assert!(!spend(conn, id, NOW).await.unwrap());
        check(conn, id, &answer, NOW).await.unwrap();
        assert!(spend(conn, id, NOW).await.unwrap());
        assert!(!spend(conn, id, NOW).await.unwrap());
        assert!(is_solved(conn, id, NOW).await.unwrap() != Some(true));
        assert_eq!(check(conn, id, &answer, NOW).await.unwrap(), Verdict::Gone);
    }

    #[tokio::test]
    async fn a_form_that_is_not_accepted_after_all_spends_nothing() {
        let database = TestDatabase::new().await;
        let pool = database.pool();
        let (id, answer) = shown(&mut pool.acquire().await.unwrap()).await;
        check_alone(pool.clone(), id, answer).await;
        let mut tx = pool.begin().await.unwrap();
        assert!(spend(&mut tx, id, NOW).await.unwrap());
        tx.rollback().await.unwrap();
        assert!(spend(&mut pool.acquire().await.unwrap(), id, NOW).await.unwrap());
    }

    #[tokio::test]
    async fn guesses_that_arrive_together_are_counted_one_by_one() {
        let database = TestDatabase::new().await;
        let pool = database.pool();
        let (id, answer) = shown(&mut pool.acquire().await.unwrap()).await;
        // All guesses wait for the first connection's lock, and none has seen another's count.
        let mut first = pool.begin().await.unwrap();
        assert_eq!(check(&mut first, id, "999", NOW).await.unwrap(), Verdict::Wrong);
        let guesses: Vec<_> =
            (0..3).map(|_| tokio::spawn(check_alone(pool.clone(), id, "999".to_owned()))).collect();
        all_wait(&pool, &guesses).await;
        first.commit().await.unwrap();
        let mut wrong = 0;
        for guess in guesses {
            wrong += usize::from(guess.await.unwrap() == Verdict::Wrong);
        }
        assert_eq!(wrong, 1, "the second of all is wrong, the third is the last");
        assert_eq!(check_alone(pool, id, answer).await, Verdict::Gone);
    }

    #[tokio::test]
    async fn looks_that_arrive_together_are_counted_one_by_one() {
        let database = TestDatabase::new().await;
        let pool = database.pool();
        let id = insert(&mut pool.acquire().await.unwrap(), NOW).await.unwrap();
        let mut first = pool.begin().await.unwrap();
        for _ in 1..SHOWINGS {
            assert!(drawn(&mut first, id, NOW).await.is_some());
        }
        let looks: Vec<_> = (0..3)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(
                    async move { drawn(&mut pool.acquire().await.unwrap(), id, NOW).await.is_some() },
                )
            })
            .collect();
        all_wait(&pool, &looks).await;
        first.commit().await.unwrap();
        let mut seen = 0;
        for look in looks {
            seen += usize::from(look.await.unwrap());
        }
        assert_eq!(seen, 1);
    }

    #[tokio::test]
    async fn forms_that_arrive_together_spend_it_once() {
        let database = TestDatabase::new().await;
        let pool = database.pool();
        let (id, answer) = shown(&mut pool.acquire().await.unwrap()).await;
        check_alone(pool.clone(), id, answer).await;
        let mut first = pool.begin().await.unwrap();
        assert!(spend(&mut first, id, NOW).await.unwrap());
        let second = tokio::spawn({
            let pool = pool.clone();
            async move { spend(&mut pool.acquire().await.unwrap(), id, NOW).await.unwrap() }
        });
        all_wait(&pool, std::slice::from_ref(&second)).await;
        first.commit().await.unwrap();
        assert!(!second.await.unwrap());
    }

    #[tokio::test]
    async fn purge_forgets_what_is_over_and_nothing_else() {
        let database = TestDatabase::new().await;
        let pool = database.pool();
        let conn = &mut pool.acquire().await.unwrap();
        let (old, _) = shown(conn).await;
        let young = insert(conn, NOW + Duration::MINUTE).await.unwrap();
        let over = NOW + LIFETIME;
        assert_eq!(purge(conn, over).await.unwrap(), 1);
        assert_eq!(purge(conn, over).await.unwrap(), 0);
        assert!(drawn(conn, old, NOW).await.is_none());
        assert!(drawn(conn, young, over).await.is_some());
    }

    async fn check_alone(pool: PgPool, id: CaptchaId, answer: String) -> Verdict {
        check(&mut pool.acquire().await.unwrap(), id, &answer, NOW).await.unwrap()
    }

    /// Returns once every statement of these that is not done waits for another's lock.
    async fn all_wait<T>(pool: &PgPool, running: &[JoinHandle<T>]) {
        loop {
            let waiting = sqlx::query_scalar!(
                r#"
                select count(*) as "count!" from pg_stat_activity
                where datname = current_database() and wait_event_type = 'Lock'
                "#
            )
            .fetch_one(pool)
            .await
            .unwrap();
            if usize::try_from(waiting).unwrap() >= running.iter().filter(|task| !task.is_finished()).count()
            {
                return;
            }
        }
    }
}
