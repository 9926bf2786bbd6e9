//! How fast letters leave: what can be told to who waits for one, measured by those that left.

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::letter::Priority;

/// Letters in front of another are counted up to so many.
const COUNTED: i64 = 1000;
/// How far back the pace of letters is measured.
const MEASURED_FOR: Duration = Duration::minutes(10);
/// What was measured for less tells nothing yet.
const MEASURED_AT_LEAST: Duration = Duration::seconds(10);

/// How far back in the line a letter is that may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// How many leave before it, counted up to 1,000.
    pub ahead: i64,
    /// Whether there are more than that.
    pub and_more: bool,
    /// When it leaves, at the pace of the last minutes, or of the settings where nothing could be measured
    /// yet; not before that where there are more than 1,000 ahead. `None` where letters wait and none has
    /// left for a while.
    pub expected_at: Option<OffsetDateTime>,
}

/// The place of a registration's letter that has been due since `due_at`, where `per_minute` letters may
/// leave.
pub async fn place(
    connection: &mut PgConnection,
    due_at: OffsetDateTime,
    per_minute: u32,
    now: OffsetDateTime,
) -> sqlx::Result<Place> {
    // Each count ends by itself, however many wait.
    let line = sqlx::query!(
        r#"select
             (select count(*) from (select from letters
                 where state in ('queued', 'delayed') and priority = 0 and due_at <= $1 limit $3) as first) as "first!",
             (select count(*) from (select from letters
                 where state in ('queued', 'delayed') and priority = 1 and due_at < $2 limit $3) as same) as "same!",
             least(
                 (select min(due_at) from letters where state in ('queued', 'delayed') and priority = 0),
                 (select min(due_at) from letters where state in ('queued', 'delayed') and priority = 1)
             ) as oldest"#,
        now,
        due_at,
        COUNTED + 1,
    )
    .fetch_one(&mut *connection)
    .await?;
    let found = line.first + line.same;
    let ahead = found.min(COUNTED);
    let busy_since = line.oldest.unwrap_or(now).clamp(now - MEASURED_FOR, now);
    let gap = if now - busy_since < MEASURED_AT_LEAST {
        Some(Duration::MINUTE / f64::from(per_minute))
    } else {
        measured_gap(connection, busy_since, now).await?
    };
    let expected_at = gap.map(|gap| now + gap * (ahead as f64 + 1.0));
    Ok(Place { ahead, and_more: found > COUNTED, expected_at })
}

/// How far apart letters left, on average, since a time since which some have waited.
async fn measured_gap(
    connection: &mut PgConnection,
    since: OffsetDateTime,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Duration>> {
    // The latest tell enough, and as many as leave in ten minutes may be very many.
    let left = sqlx::query!(
        r#"select count(*) as "count!", min(settled_at) as first from (
             select settled_at from letters where state = 'handed_over' and settled_at > $1
             order by settled_at desc limit $2
         ) as latest"#,
        since,
        COUNTED,
    )
    .fetch_one(connection)
    .await?;
    let since = left.first.filter(|_| left.count == COUNTED).unwrap_or(since);
    Ok((left.count > 0).then(|| (now - since) / left.count as f64))
}

/// How long the letters of this priority took that left in the last day at their first try: all but one
/// in twenty of the latest thousand left within that time. `None` where none did.
pub async fn usual_wait(
    connection: &mut PgConnection,
    priority: Priority,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Duration>> {
    let seconds = sqlx::query_scalar!(
        "select percentile_disc(0.95) within group (order by extract(epoch from settled_at - due_at)::float8)
         from (
             -- What was held back or put off became due when that was over.
             select settled_at, due_at from letters
             where state = 'handed_over' and settled_at > $1 and attempts = 1 and priority = $2
             order by settled_at desc limit $3
         ) as latest",
        now - Duration::DAY,
        priority as i16,
        COUNTED,
    )
    .fetch_one(connection)
    .await?;
    Ok(seconds.map(Duration::seconds_f64))
}
