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
    /// How many of its priority leave before it, counted up to 1,000.
    pub ahead: i64,
    /// Whether there are more than that.
    pub and_more: bool,
    /// When it leaves, at the pace of the last minutes, or of the settings where nothing could be measured
    /// yet; not before that where there are more than 1,000 ahead. `None` where letters wait and none has
    /// left for a while.
    pub expected_at: Option<OffsetDateTime>,
}

/// The places of registrations' letters that have been due since these times, where `per_minute` letters may
/// leave.
///
/// Those that come first are not counted: recovery is among them, and whoever asks for somebody's would see by
/// the count whether they are known. They show in the pace.
pub async fn places(
    connection: &mut PgConnection,
    due_since: &[OffsetDateTime],
    per_minute: u32,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Place>> {
    if due_since.is_empty() {
        return Ok(Vec::new());
    }
    let priority = Priority::Middle as i16;
    // Each count ends by itself, however many wait; the order keeps it to the index, where it begins.
    let found = sqlx::query_scalar!(
        r#"select (select count(*) from (
               select from letters
               where state in ('queued', 'delayed') and priority = $2 and due_at < mine.due_at
               order by due_at limit $3
           ) as before) as "found!"
           from unnest($1::timestamptz[]) with ordinality as mine (due_at, number) order by number"#,
        due_since,
        priority,
        COUNTED + 1,
    )
    .fetch_all(&mut *connection)
    .await?;
    let gap = gap(connection, priority, per_minute, now).await?;
    let place = |found: i64| {
        let ahead = found.min(COUNTED);
        let expected_at = gap.map(|gap| now + gap * (ahead as f64 + 1.0));
        Place { ahead, and_more: found > COUNTED, expected_at }
    };
    Ok(found.into_iter().map(place).collect())
}

/// How far apart letters of a priority leave at present; `None` where they wait and none has left for a while.
async fn gap(
    connection: &mut PgConnection,
    priority: i16,
    per_minute: u32,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Duration>> {
    let oldest = sqlx::query_scalar!(
        "select min(due_at) from letters where state in ('queued', 'delayed') and priority = $1",
        priority,
    )
    .fetch_one(&mut *connection)
    .await?;
    let busy_since = oldest.unwrap_or(now).clamp(now - MEASURED_FOR, now);
    match now - busy_since < MEASURED_AT_LEAST {
        true => Ok(Some(Duration::MINUTE / f64::from(per_minute))),
        false => measured_gap(connection, priority, busy_since, now).await,
    }
}

/// How far apart letters of a priority left, on average, since a time since which some have waited.
async fn measured_gap(
    connection: &mut PgConnection,
    priority: i16,
    since: OffsetDateTime,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Duration>> {
    // The latest tell enough, and as many as leave in ten minutes may be very many.
    let left = sqlx::query!(
        r#"select count(*) as "count!", min(settled_at) as first from (
             select settled_at from letters where state = 'handed_over' and settled_at > $1 and priority = $3
             order by settled_at desc limit $2
         ) as latest"#,
        since,
        COUNTED,
        priority,
    )
    .fetch_one(connection)
    .await?;
    let since = left.first.filter(|_| left.count == COUNTED).unwrap_or(since);
    Ok((left.count > 0).then(|| (now - since) / left.count as f64))
}

/// How long the letters of this priority took that left in the last day at their first try: of those among
/// the latest thousand all but one in twenty left within that time. `None` where there are none.
pub async fn usual_wait(
    connection: &mut PgConnection,
    priority: Priority,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Duration>> {
    let seconds = sqlx::query_scalar!(
        "select percentile_disc(0.95) within group (order by extract(epoch from settled_at - due_at)::float8)
         from (
             select settled_at, due_at, attempts, priority from letters
             where state = 'handed_over' and settled_at > $1
             order by settled_at desc limit $3
         ) as latest
         -- What was held back or put off became due when that was over.
         where attempts = 1 and priority = $2",
        now - Duration::DAY,
        priority as i16,
        COUNTED,
    )
    .fetch_one(connection)
    .await?;
    Ok(seconds.map(Duration::seconds_f64))
}
