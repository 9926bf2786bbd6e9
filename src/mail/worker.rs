//! Who takes letters out of the queue and hands them over.
//!
//! A worker sleeps until a letter is enqueued on any instance (LISTEN), until the next one falls
//! due, or for [`TICK`], whichever comes first.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use anyhow::Context;
use sqlx::{PgConnection, PgPool, postgres::PgListener};
use tokio::{
    sync::{Mutex, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    bounce,
    letter::{Owed, Registry},
    message::{Outgoing, Stationery},
    queue::{self, Claim, Settlement},
    transport::{Outcome, Transport},
};
use crate::platform::{clock::Clock, config::Config};

/// The longest sleep: what a lost notification, or a clock that was set, costs at most.
const TICK: Duration = Duration::from_secs(20);
/// A row that is due but locked is asked for again after this.
const BREATH: Duration = Duration::from_millis(100);
/// How long a letter that wakes a worker waits: the answer to who caused it leaves first.
const COURTESY: Duration = Duration::from_millis(20);
/// How long to leave a database alone that does not answer.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);
/// A letter is tried for this long after its first attempt.
const TRIED_FOR: time::Duration = time::Duration::hours(24);
/// How long a mail service that does not answer is left alone at first, and at most.
const SERVICE_PAUSES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30);
/// Two attempts are never further apart.
const LONGEST_DELAY: Duration = Duration::from_secs(3600);

/// This instance's workers, from start to stop.
pub struct Workers {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Workers {
    /// Starts `MAIL_WORKERS` workers and one that listens for them. Each keeps one of the pool's
    /// connections, a worker only while letters are due.
    ///
    /// # Errors
    /// When the settings name no way for letters to leave, or its TLS cannot be set up.
    pub fn start(
        database: PgPool,
        clock: Clock,
        registry: Registry,
        config: &Config,
    ) -> anyhow::Result<Self> {
        let transport = Transport::from_config(config)?;
        let office = Arc::new(Office {
            database: database.clone(),
            clock,
            registry,
            stationery: Stationery::from_config(config),
            lease: config.mail.lease,
            retry_first: config.mail.retry_first,
            gap: Duration::from_secs(60) / config.mail.per_minute,
            answers: watch::Sender::new(true),
            trying: Mutex::new(()),
        });
        let (stop, stopped) = watch::channel(false);
        let (ring, bell) = watch::channel(());
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(database, ring, stopped.clone()));
        for _ in 0..config.mail.workers {
            let worker = Worker {
                office: Arc::clone(&office),
                transport: transport.clone(),
                bell: bell.clone(),
                stopped: stopped.clone(),
                database_is_gone: false,
            };
            tasks.spawn(worker.keep_working());
        }
        Ok(Self { stop, tasks })
    }

    /// Lets every worker finish the letter in its hand, for as long as `within`; what is not
    /// finished then is taken over when its lease ends.
    pub async fn finish(mut self, within: Duration) {
        self.stop.send_replace(true);
        let all_done = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(within, all_done).await.is_err() {
            tracing::warn!("stopped before every letter in hand was finished");
        }
    }
}

/// What the workers of an instance share.
struct Office {
    database: PgPool,
    clock: Clock,
    registry: Registry,
    stationery: Stationery,
    lease: Duration,
    retry_first: Duration,
    /// How far apart letters leave.
    gap: Duration,
    /// Whether the mail service answers; while it does not, one worker tries it and the rest wait.
    answers: watch::Sender<bool>,
    /// Held by the one who tries.
    trying: Mutex<()>,
}

/// One worker, with a connection of its own to the mail service.
#[derive(Clone)]
struct Worker {
    office: Arc<Office>,
    transport: Transport,
    bell: watch::Receiver<()>,
    stopped: watch::Receiver<bool>,
    /// So that this is logged once, not every second.
    database_is_gone: bool,
}

impl Worker {
    /// Works until stopped. A letter that panics costs its own attempt, not the worker.
    async fn keep_working(self) {
        let mut running = JoinSet::new();
        running.spawn(self.clone().work());
        while let Some(ended) = running.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a mail worker failed and starts again");
                running.spawn(self.clone().work());
            }
        }
    }

    async fn work(mut self) {
        let office = Arc::clone(&self.office);
        while !*self.stopped.borrow() {
            if !*office.answers.borrow() {
                self.wait_for_service().await;
                continue;
            }
            // Marked as heard before looking, so that what is enqueued while looking rings again.
            self.bell.mark_unchanged();
            match self.deliver_what_is_due().await {
                Ok(until_next) => self.sleep(until_next).await,
                Err(error) => self.leave_database_alone(&error).await,
            }
        }
        self.transport.hang_up().await;
    }

    /// Until the mail service answers again: tries it with one letter now and then, or waits for the
    /// worker who does.
    async fn wait_for_service(&mut self) {
        let office = Arc::clone(&self.office);
        let mut answers = office.answers.subscribe();
        let _trying = tokio::select! {
            trying = office.trying.lock() => trying,
            _ = answers.wait_for(|answers| *answers) => return,
            _ = self.stopped.changed() => return,
        };
        let mut pause = *SERVICE_PAUSES.start();
        while !*office.answers.borrow() && !*self.stopped.borrow() {
            tokio::select! {
                () = sleep(pause) => {}
                _ = self.stopped.changed() => return,
            }
            pause = (pause * 2).min(*SERVICE_PAUSES.end());
            if let Err(error) = self.deliver_one().await {
                self.leave_database_alone(&error).await;
            }
        }
    }

    /// Delivers one letter, as soon as one may leave.
    async fn deliver_one(&mut self) -> sqlx::Result<()> {
        let office = Arc::clone(&self.office);
        while !*self.stopped.borrow() {
            self.bell.mark_unchanged();
            let mut connection = office.database.acquire().await?;
            if let Some(claim) = office.claim(&mut connection).await? {
                self.deliver(&mut connection, &claim).await;
                break;
            }
            let until_next = office.until_next_due(&mut connection).await?;
            drop(connection);
            self.sleep(until_next).await;
        }
        Ok(())
    }

    /// Delivers until nothing is due, on one of the pool's connections; says for how long nothing
    /// will be.
    async fn deliver_what_is_due(&mut self) -> sqlx::Result<Duration> {
        let office = Arc::clone(&self.office);
        let mut connection = tokio::select! {
            connection = office.database.acquire() => connection?,
            _ = self.stopped.changed() => return Ok(Duration::ZERO),
        };
        while !*self.stopped.borrow() && *office.answers.borrow() {
            let claim = office.claim(&mut connection).await?;
            self.database_is_gone = false;
            match claim {
                Some(claim) => self.deliver(&mut connection, &claim).await,
                None => return office.until_next_due(&mut connection).await,
            }
        }
        Ok(Duration::ZERO)
    }

    /// One attempt: written, handed over, settled.
    async fn deliver(&mut self, connection: &mut PgConnection, claim: &Claim) {
        let office = Arc::clone(&self.office);
        let lease_ends = Instant::now() + office.lease;
        let settlement = if office.has_failed_for_a_day(claim) {
            Settlement::GivenUp { answer: "no attempt came to an end".to_owned() }
        } else {
            self.attempt(connection, claim).await
        };
        match timeout_at(lease_ends, office.settle(connection, claim, &settlement)).await {
            Ok(ours) => log(claim, &settlement, ours),
            Err(_) => {
                tracing::error!(letter = %claim.id, "a letter could not be settled, and is tried again");
            }
        }
    }

    async fn attempt(&mut self, connection: &mut PgConnection, claim: &Claim) -> Settlement {
        let office = Arc::clone(&self.office);
        // What is left of the lease is for settling.
        let deadline = Instant::now() + office.lease * 3 / 4;
        match timeout_at(deadline, office.write(connection, claim)).await {
            Ok(Ok(Some(outgoing))) => {
                let outcome = self.transport.deliver(&outgoing, deadline).await;
                office.hears(!matches!(outcome, Outcome::NoService(_)));
                office.judge(claim, outcome)
            }
            Ok(Ok(None)) => Settlement::NoLongerOwed,
            Ok(Err(error)) => {
                let (letter, kind, error) = (claim.id, &claim.kind, format!("{error:#}"));
                tracing::error!(%letter, kind, error, "a letter could not be written");
                office.put_off(claim, claim.attempt, "it could not be written yet".to_owned())
            }
            Err(_) => office.put_off(claim, claim.attempt, "it could not be written in time".to_owned()),
        }
    }

    async fn sleep(&mut self, until_next: Duration) {
        tokio::select! {
            // What the letter costs must not show in the time of that answer.
            _ = self.bell.changed() => sleep(COURTESY).await,
            _ = self.stopped.changed() => {}
            () = sleep(until_next) => self.transport.rest().await,
        }
    }

    async fn leave_database_alone(&mut self, error: &sqlx::Error) {
        if !self.database_is_gone {
            tracing::warn!(%error, "letters wait: the database does not answer");
            self.database_is_gone = true;
        }
        let _ = timeout(DATABASE_PAUSE, self.stopped.changed()).await;
    }
}

impl Office {
    async fn claim(&self, connection: &mut PgConnection) -> sqlx::Result<Option<Claim>> {
        queue::claim(connection, self.clock.now(), self.lease, self.gap).await
    }

    /// Notes whether the mail service answers.
    fn hears(&self, answers: bool) {
        let changed = self.answers.send_if_modified(|known| std::mem::replace(known, answers) != answers);
        if changed && answers {
            tracing::info!("the mail service is tried by every worker again");
        } else if changed {
            tracing::warn!("letters wait: the mail service does not answer");
        }
    }

    /// At most [`TICK`]; [`BREATH`] where something is due and somebody else has it.
    async fn until_next_due(&self, connection: &mut PgConnection) -> sqlx::Result<Duration> {
        let due = queue::next_due(connection, self.clock.now()).await?;
        let wait = due.map(|due| Duration::try_from(due - self.clock.now()).unwrap_or(BREATH));
        Ok(wait.unwrap_or(TICK).min(TICK))
    }

    /// Prepares and composes; `None` where the letter is no longer owed.
    async fn write(&self, connection: &mut PgConnection, claim: &Claim) -> anyhow::Result<Option<Outgoing>> {
        // An older instance meets a newer one's letters while both run; the newer writes them.
        let writer = self.registry.writer(&claim.kind).context("no letter of this kind is known here")?;
        let now = self.clock.now();
        let owed = Owed { letter: claim.id, to: claim.recipient.clone(), about: claim.about, now };
        let Some((to, words)) = writer.write(&owed, connection).await? else { return Ok(None) };
        let return_path = match &self.stationery.return_path {
            Some(base) => Some(bounce::return_path(connection, claim.id, base).await?),
            None => None,
        };
        self.stationery.write(claim.id, to, words, return_path.as_deref(), now).map(Some)
    }

    fn judge(&self, claim: &Claim, outcome: Outcome) -> Settlement {
        match outcome {
            Outcome::HandedOver(answer) => Settlement::HandedOver { answer },
            Outcome::Never(answer) => Settlement::Refused { answer },
            // It was not about this letter, which waits no longer than the first time: who tries the service
            // keeps the pauses, and all letters leave soon after it answers again.
            Outcome::NoService(answer) => self.put_off(claim, 1, answer),
            Outcome::TryLater(answer) | Outcome::Unknown(answer) => {
                self.put_off(claim, claim.attempt, answer)
            }
        }
    }

    /// A letter that panics, or takes its worker down, comes back whenever its lease ends and never
    /// gets as far as [`Self::put_off`].
    fn has_failed_for_a_day(&self, claim: &Claim) -> bool {
        claim.taken_over && self.clock.now() >= claim.first_attempt_at + TRIED_FOR
    }

    /// Tries again later, as after this attempt, at the latest 24 hours after the first; then gives up.
    fn put_off(&self, claim: &Claim, attempt: i32, answer: String) -> Settlement {
        let now = self.clock.now();
        let last_try = claim.first_attempt_at + TRIED_FOR;
        if now >= last_try {
            return Settlement::GivenUp { answer };
        }
        let until = now + delay(self.retry_first, attempt, rand::random_range(0.8..1.2));
        Settlement::Delayed { until: until.min(last_try), answer }
    }

    /// Settles, on another connection where this one has died, since a letter that was handed over
    /// and is not settled is sent again. `false` where another worker has taken it over.
    async fn settle(&self, connection: &mut PgConnection, claim: &Claim, settlement: &Settlement) -> bool {
        let mut settled = queue::settle(connection, claim, settlement, self.clock.now()).await;
        loop {
            match settled {
                Ok(ours) => return ours,
                Err(error) => tracing::warn!(letter = %claim.id, %error, "a letter could not be settled yet"),
            }
            sleep(DATABASE_PAUSE).await;
            settled = match self.database.acquire().await {
                Ok(mut connection) => {
                    queue::settle(&mut connection, claim, settlement, self.clock.now()).await
                }
                Err(error) => Err(error),
            };
        }
    }
}

/// How long attempt number `attempt` (from 1) is followed by nothing: twice as long each time, an
/// hour at most, times `jitter`, so that letters which failed together do not return together.
fn delay(first: Duration, attempt: i32, jitter: f64) -> Duration {
    let doublings = u32::try_from(attempt - 1).unwrap_or_default().min(12);
    (first * 2u32.pow(doublings)).min(LONGEST_DELAY).mul_f64(jitter)
}

/// Says what became of a letter, but neither to whom it went nor what the mail service answered,
/// which often repeats the address.
fn log(claim: &Claim, settlement: &Settlement, ours: bool) {
    let outcome = match settlement {
        Settlement::HandedOver { .. } => "handed over",
        Settlement::Delayed { .. } => "delayed",
        Settlement::Refused { .. } => "refused",
        Settlement::GivenUp { .. } => "given up",
        Settlement::NoLongerOwed => "no longer owed",
    };
    let (letter, kind, attempt) = (claim.id, &claim.kind, claim.attempt);
    let domain = claim.recipient.domain();
    if ours {
        tracing::info!(%letter, kind, domain, attempt, outcome, "letter");
    } else {
        tracing::warn!(%letter, kind, domain, attempt, outcome, "letter was taken over meanwhile");
    }
}

/// Rings the bell for every letter that is enqueued, on whatever instance.
async fn listen(database: PgPool, bell: watch::Sender<()>, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        tokio::select! {
            _ = stopped.changed() => {}
            error = ring(&database, &bell) => {
                tracing::debug!(?error, "no news of letters");
                let _ = timeout(DATABASE_PAUSE, stopped.changed()).await;
            }
        }
    }
}

/// Returns when the database does not answer.
async fn ring(database: &PgPool, bell: &watch::Sender<()>) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(database).await?;
    listener.listen(queue::CHANNEL).await?;
    loop {
        // After a lost connection too: something may have been said meanwhile.
        bell.send_replace(());
        listener.try_recv().await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_delay_doubles_the_last_and_none_is_longer_than_an_hour() {
        let first = Duration::from_secs(60);
        let seconds = |attempt| delay(first, attempt, 1.0).as_secs();
        assert_eq!([1, 2, 3, 7, 50, i32::MAX].map(seconds), [60, 120, 240, 3600, 3600, 3600]);
        assert_eq!(delay(first, 1, 1.5).as_secs(), 90);
    }
}
