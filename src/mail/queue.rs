//! The queue's rows: written with their cause, claimed under a lease, settled by who holds it.
//!
//! Any number of instances work one queue. A claim raises the row's `attempts`, and only the claim
//! with that number may settle the row: a worker that lost its lease changes nothing any more.

use std::time::Duration;

use serde::Serialize;
use sqlx::{PgConnection, postgres::types::PgInterval};
use time::OffsetDateTime;
use uuid::Uuid;

use super::letter::Letter;
use crate::domain::{EmailAddress, LetterId};

/// The channel on which sleeping workers hear of new letters.
pub(super) const CHANNEL: &str = "letters";

/// How long a settled letter is kept: longer than a registration that asks after it.
pub const KEPT: time::Duration = time::Duration::days(30);

/// By how much a worker may come late to a turn without the pace slowing down; a faster pace is kept to
/// within as much.
const LATE: Duration = Duration::from_millis(20);
/// No turn is further away than the longest gap, a minute, unless somebody's clock was wrong: what is
/// further than this counts for nothing, or that clock would stop all letters until its time has come.
const FURTHEST: Duration = Duration::from_secs(120);

/// Where a letter is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "letter_state", rename_all = "snake_case")]
pub enum LetterState {
    /// It waits for a worker, or for the time before which it may not leave.
    Queued,
    /// A worker has it in hand.
    Sending,
    /// The mail service did not take it; it is tried again.
    Delayed,
    /// The mail service took it.
    HandedOver,
    /// The mail service, or the recipient's, will not take it.
    Refused,
    /// It was tried for 24 hours in vain.
    GivenUp,
}

impl LetterState {
    /// Its name, as it stands in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Delayed => "delayed",
            Self::HandedOver => "handed_over",
            Self::Refused => "refused",
            Self::GivenUp => "given_up",
        }
    }
}

/// What can be told of a letter.
#[derive(Clone, Debug)]
pub struct LetterStatus {
    /// Which one it is.
    pub id: LetterId,
    /// What it speaks of.
    pub about: Option<Uuid>,
    /// Whom it was promised to.
    pub recipient: String,
    /// Where it is.
    pub state: LetterState,
    /// When it was promised.
    pub created_at: OffsetDateTime,
    /// It does not leave earlier; while delayed, when it is tried again.
    pub due_at: OffsetDateTime,
    /// When it was first tried.
    pub first_attempt_at: Option<OffsetDateTime>,
    /// When it was handed over, refused or given up.
    pub settled_at: Option<OffsetDateTime>,
    /// The mail service's last words, one line without links.
    pub answer: Option<String>,
}

impl LetterStatus {
    /// Whether it was promised to this address.
    pub fn is_to(&self, email: &EmailAddress) -> bool {
        self.recipient == email.as_str()
    }

    /// Whether it waits for a time that has been set for it.
    pub fn is_held_back(&self, now: OffsetDateTime) -> bool {
        self.state == LetterState::Queued && self.due_at > now
    }
}

/// Promises a letter, in the transaction of what caused it. It leaves when that is committed, as
/// soon as a worker is free.
pub async fn enqueue<L: Letter>(
    connection: &mut PgConnection,
    to: &EmailAddress,
    about: Option<Uuid>,
    now: OffsetDateTime,
) -> sqlx::Result<LetterId> {
    enqueue_if::<L>(connection, true, to, about, now).await
}

/// Promises a letter where `is_owed`, and else runs the same statement for nothing: where nobody is to
/// learn from the time which it was. The id is that of no letter then.
pub async fn enqueue_if<L: Letter>(
    connection: &mut PgConnection,
    is_owed: bool,
    to: &EmailAddress,
    about: Option<Uuid>,
    now: OffsetDateTime,
) -> sqlx::Result<LetterId> {
    let id = LetterId::new();
    // Workers hear of it only once the transaction is committed.
    sqlx::query!(
        "with promised as (
             insert into letters (id, kind, recipient, about, priority, created_at, due_at)
             select $1, $2, $3, $4, $5, $6, $6 where $8
             returning id
         )
         select pg_notify($7, '') from promised",
        id.0,
        L::KIND,
        to.as_str(),
        about,
        L::PRIORITY as i16,
        now,
        CHANNEL,
        is_owed,
    )
    .execute(connection)
    .await?;
    Ok(id)
}

/// Keeps a letter from leaving before `until`; called in the transaction that enqueued it.
pub async fn hold_back(
    connection: &mut PgConnection,
    id: LetterId,
    until: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!("update letters set due_at = $2 where id = $1 and state = 'queued'", id.0, until)
        .execute(connection)
        .await?;
    Ok(())
}

/// The letters that speak of any of `ids`, oldest first.
pub async fn about(connection: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<LetterStatus>> {
    sqlx::query_as!(
        LetterStatus,
        r#"select id as "id: LetterId", about, recipient, state as "state: LetterState", created_at, due_at,
                  first_attempt_at, settled_at, answer
           from letters where about = any($1) order by created_at, id"#,
        ids,
    )
    .fetch_all(connection)
    .await
}

/// Takes back the letters about something that are in nobody's hand; the others find for themselves that
/// they are no longer owed.
pub async fn drop_waiting(connection: &mut PgConnection, about: Uuid) -> sqlx::Result<()> {
    sqlx::query!("delete from letters where about = $1 and state in ('queued', 'delayed')", about)
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes letters that were settled 30 days ago; says how many.
pub async fn purge(connection: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<u64> {
    let done =
        sqlx::query!("delete from letters where settled_at < $1", now - KEPT).execute(connection).await?;
    Ok(done.rows_affected())
}

/// How the queue stands.
#[derive(Debug, Default)]
pub struct QueueNumbers {
    /// How many letters are in each state: of those that are settled, the last hour's.
    pub letters: Vec<(LetterState, i64)>,
    /// For how long the letter under way that could have left first has not: since its first attempt, or since it
    /// fell due.
    pub overdue: time::Duration,
}

/// How the queue stands, for operators. Only letters under way and those of the last hour are read.
pub async fn numbers(connection: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<QueueNumbers> {
    let rows = sqlx::query!(
        r#"
        select state as "state: LetterState", count(*) as "count!",
            min(coalesce(first_attempt_at, due_at)) as first_due
        from letters where state in ('queued', 'delayed', 'sending') group by state
        union all
        select state, count(*), null from letters where settled_at > $1 group by state
        "#,
        now - time::Duration::HOUR,
    )
    .fetch_all(connection)
    .await?;
    let first_due = rows.iter().filter_map(|row| row.first_due).min();
    let letters = rows.into_iter().filter_map(|row| Some((row.state?, row.count))).collect();
    let overdue = first_due.map_or(time::Duration::ZERO, |due| now - due).max(time::Duration::ZERO);
    Ok(QueueNumbers { letters, overdue })
}

/// A letter in a worker's hand, until its lease ends.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub id: LetterId,
    pub kind: String,
    pub recipient: EmailAddress,
    pub about: Option<Uuid>,
    pub first_attempt_at: OffsetDateTime,
    /// The last claim's worker has gone, or panicked, and left it unsettled.
    pub taken_over: bool,
    /// Counts from 1, and tells this claim from every other on the same row.
    pub attempt: i32,
}

/// Takes the letter whose turn it is: first one whose worker is gone, then what is due, by priority
/// and time. `None` where nothing is due, and where the last letter of all instances left less than
/// `gap` ago.
pub(super) async fn claim(
    connection: &mut PgConnection,
    now: OffsetDateTime,
    lease: Duration,
    gap: Duration,
) -> sqlx::Result<Option<Claim>> {
    // Where letters leave closer together than that, workers who ask at once need not miss their turns.
    let early = if gap < LATE { LATE } else { Duration::ZERO };
    // One sub-select for each priority, since only then does each read the index where the letters
    // that are due begin, however many of another priority wait for a later time. `coalesce` asks
    // the next one only when the last found nothing.
    //
    // Nobody waits until a claim is on disk, or all workers would queue for that at the row of the
    // pace: one that a crash of the database loses is made again.
    sqlx::query_as!(
        Claim,
        r#"with quick as materialized (
               select set_config('synchronous_commit', 'off', true) from mail_pace
               where next_at <= $6 or next_at > $5
           ),
           next as materialized (
               select coalesce(
                   (select id from letters where state = 'sending' and lease_until <= $1
                    order by lease_until limit 1 for update skip locked),
                   (select id from letters where state in ('queued', 'delayed') and priority = 0 and due_at <= $1
                    order by due_at limit 1 for update skip locked),
                   (select id from letters where state in ('queued', 'delayed') and priority = 1 and due_at <= $1
                    order by due_at limit 1 for update skip locked),
                   (select id from letters where state in ('queued', 'delayed') and priority = 2 and due_at <= $1
                    order by due_at limit 1 for update skip locked)
               ) as id from quick
           ),
           turn as (
               -- Who comes a moment late keeps the pace, and nobody saves turns up.
               update mail_pace set next_at = greatest(least(next_at, $6), $4) + $3::interval
               where (next_at <= $6 or next_at > $5)
                   and exists (select from next where id is not null)
               returning next_at
           )
           update letters
           set state = 'sending', attempts = letters.attempts + 1, lease_until = $2,
               first_attempt_at = coalesce(letters.first_attempt_at, $1)
           from letters as before
           where before.id = letters.id and letters.id = (select id from next) and exists (select from turn)
           returning letters.id as "id: LetterId", letters.kind, letters.recipient as "recipient: EmailAddress",
                     letters.about, letters.first_attempt_at as "first_attempt_at!",
                     letters.attempts as attempt, before.state = 'sending' as "taken_over!""#,
        now,
        now + lease,
        interval(gap),
        now - LATE.min(gap),
        now + FURTHEST,
        now + early,
    )
    .fetch_optional(connection)
    .await
}

/// PostgreSQL counts in microseconds too.
fn interval(duration: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX) }
}

/// When a worker is to look again, if nothing new comes: the next letter falls due or the next lease
/// ends, and it is that letter's turn.
pub(super) async fn next_due(
    connection: &mut PgConnection,
    now: OffsetDateTime,
) -> sqlx::Result<Option<OffsetDateTime>> {
    sqlx::query_scalar!(
        "select greatest(case when next_at <= $1 then next_at end, due_at) from mail_pace
         cross join lateral (select least(
             (select min(lease_until) from letters where state = 'sending'),
             (select min(due_at) from letters where state in ('queued', 'delayed') and priority = 0),
             (select min(due_at) from letters where state in ('queued', 'delayed') and priority = 1),
             (select min(due_at) from letters where state in ('queued', 'delayed') and priority = 2)
         ) as due_at) as next where due_at is not null",
        now + FURTHEST,
    )
    .fetch_optional(connection)
    .await
    .map(Option::flatten)
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Settlement {
    HandedOver { answer: String },
    Delayed { until: OffsetDateTime, answer: String },
    Refused { answer: String },
    GivenUp { answer: String },
    NoLongerOwed,
}

/// Settles a claim. `false` where another worker has taken the letter over, or this claim was
/// settled before: nothing changes then.
pub(super) async fn settle(
    connection: &mut PgConnection,
    claim: &Claim,
    settlement: &Settlement,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let (state, due_at, settled_at, answer) = match settlement {
        Settlement::NoLongerOwed => return delete(connection, claim).await,
        Settlement::HandedOver { answer } => (LetterState::HandedOver, None, Some(now), answer),
        Settlement::Delayed { until, answer } => (LetterState::Delayed, Some(*until), None, answer),
        Settlement::Refused { answer } => (LetterState::Refused, None, Some(now), answer),
        Settlement::GivenUp { answer } => (LetterState::GivenUp, None, Some(now), answer),
    };
    let done = sqlx::query!(
        "update letters
         set state = $3, due_at = coalesce($4, due_at), settled_at = $5, answer = $6, lease_until = null
         where id = $1 and attempts = $2 and state = 'sending'",
        claim.id.0,
        claim.attempt,
        state as LetterState,
        due_at,
        settled_at,
        for_a_page(answer, &claim.recipient),
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

async fn delete(connection: &mut PgConnection, claim: &Claim) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "delete from letters where id = $1 and attempts = $2 and state = 'sending'",
        claim.id.0,
        claim.attempt,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A stranger's words as a page may show them: one line of 300 characters at most, without control
/// characters, without marks that turn the direction of writing or are not seen, without links and
/// without anybody's address but the recipient's, which is spelled as it was promised: whoever typed
/// it must not learn from the answer how a known user's address is spelled.
pub(super) fn for_a_page(answer: &str, recipient: &EmailAddress) -> String {
    const CHARACTERS: usize = 300;
    let visible = answer.chars().filter(|c| !is_mark(*c)).map(|c| if c.is_control() { ' ' } else { c });
    let spelled = spelled_as(local_part(recipient.as_str()), &visible.collect::<String>());
    let words = spelled.split_whitespace().filter(|word| !is_link(word));
    let words: Vec<_> = words.filter_map(|word| without_others(word, recipient)).collect();
    words.join(" ").chars().take(CHARACTERS).collect()
}

/// Unicode's marks for the direction of writing (UAX #9, section 2) and what has no width.
fn is_mark(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    )
}

fn is_link(word: &str) -> bool {
    word.contains("//") || word.to_ascii_lowercase().contains("www.")
}

/// The part before the at sign.
fn local_part(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(local, _)| local)
}

/// `text` with each occurrence of `name` as a whole word, in whatever case, spelled like `name`.
fn spelled_as(name: &str, text: &str) -> String {
    // Folding ASCII alone leaves every byte where it is.
    let (folded, wanted) = (text.to_ascii_lowercase(), name.to_ascii_lowercase());
    let mut spelled = text.to_owned();
    for (at, _) in folded.match_indices(&wanted) {
        let end = at + wanted.len();
        let goes_on = text[..at].chars().next_back().is_some_and(char::is_alphanumeric)
            || text[end..].chars().next().is_some_and(char::is_alphanumeric);
        if !goes_on {
            spelled.replace_range(at..end, name);
        }
    }
    spelled
}

/// A word that names nobody, or the recipient and nobody else.
fn without_others(word: &str, recipient: &EmailAddress) -> Option<String> {
    let bare = word.trim_matches(|c: char| "<>()[]\"',;:.!?".contains(c));
    if !bare.contains('@') || bare == "@" {
        return Some(word.to_owned());
    }
    let is_theirs = EmailAddress::parse(bare).is_ok_and(|address| address.key() == recipient.key());
    is_theirs.then(|| word.replace(bare, recipient.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the page of somebody who typed `cAsE@b.example` shows.
    fn shown(answer: &str) -> String {
        for_a_page(answer, &EmailAddress::parse("cAsE@bücher.example").unwrap())
    }

    #[test]
    fn a_servers_words_are_cut_and_hold_no_control_characters_and_no_links() {
        assert_eq!(
            shown(
                "550 5.1.1 no\r\n such\u{0}\u{1b}[31muser see https://evil.example/x (http://b) \
                 //evil.example/a WWW.evil.example ww\u{200b}w.evil.example /\u{2066}/evil.example"
            ),
            "550 5.1.1 no such [31muser see"
        );
        assert_eq!(shown(&"ä".repeat(1000)).chars().count(), 300);
    }

    #[test]
    fn a_servers_words_do_not_turn_the_direction_of_writing() {
        let marks =
            "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
        assert_eq!(shown(&format!("550 {marks}n{marks}o")), "550 no");
    }

    #[test]
    fn the_recipient_is_spelled_as_it_was_promised_whatever_the_server_repeats() {
        for said in [
            "452 4.2.2 <Case@xn--bcher-kva.example>: mailbox of \"Case\" full",
            "452 4.2.2 <case@Bücher.example>: mailbox of \"CASE\" full",
            "452 4.2.2 <cAsE@BÜCHER.example>: mailbox of \"case\" full",
        ] {
            assert_eq!(shown(said), "452 4.2.2 <cAsE@bücher.example>: mailbox of \"cAsE\" full");
        }
        assert_eq!(
            shown("550 user=CASE, in any case no suitcases"),
            "550 user=cAsE, in any cAsE no suitcases"
        );
    }

    #[test]
    fn nobody_elses_address_is_shown() {
        let said = "550 rcpt=Case@b.example <eve@b.example> Case@bücher.example@b sent to eve@ or @b fails";
        assert_eq!(shown(said), "550 sent to or fails");
    }
}
