//! How often anybody may try: every budget of the product stands here, in one table, and is counted
//! in the database, so for all instances together. The same holds for known and unknown addresses.
//!
//! A try at a password counts from its beginning to its end as if it had failed, so that no number
//! of tries at once gets past a limit: those that are under way are known to this instance alone, and
//! become rows when they fail. A letter has no such time: whoever asks for one lines up, looks, and spends
//! in one transaction.
//!
//! An event is a row that counts until its window has passed. Its subject is hashed: one short key
//! for every kind, and the table names nobody.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ipnet::IpNet;
use prometheus_client::metrics::{counter::Counter, family::Family};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use crate::{
    domain::{Client, EmailAddress, RegistrationId, TokenHash, UserId},
    platform::telemetry::{BudgetLabels, Metrics},
};

/// What is counted, how much of it is allowed, and for how long it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Its name in the table and in the numbers.
    pub name: &'static str,
    /// How many events are allowed.
    pub limit: i64,
    /// For how long an event counts.
    pub window: Duration,
}

/// A client's failed passwords, on any form.
pub const CLIENT_FAILURES: Budget =
    Budget { name: "client_failures", limit: 50, window: Duration::minutes(15) };
/// An address's failed passwords from devices that this user has not logged in on.
pub const ADDRESS_FAILURES: Budget =
    Budget { name: "address_failures", limit: 10, window: Duration::minutes(15) };
/// An address's failures in a row from such devices; a log in that succeeds ends the row. A row
/// that nobody went on with for a year is over too.
pub const ADDRESS_FAILURES_IN_A_ROW: Budget =
    Budget { name: "address_failures_in_a_row", limit: 100, window: Duration::days(365) };
/// A known device's failed passwords; beyond them it counts as unknown.
pub const DEVICE_FAILURES: Budget =
    Budget { name: "device_failures", limit: 10, window: Duration::minutes(15) };
/// A registration's failed passwords, in browsers that did not make it.
pub const CONFIRMATION_FAILURES: Budget =
    Budget { name: "confirmation_failures", limit: 10, window: Duration::minutes(15) };
/// The letters that registrations send to one recipient; those beyond are held back.
pub const REGISTRATION_LETTERS: Budget =
    Budget { name: "registration_letters", limit: 5, window: Duration::hours(24) };
/// How long after one letter of a registration came to its end the next may be asked for: after the first,
/// the second, the third, and every later one.
pub const RESENDS_APART: [Duration; 4] =
    [Duration::minutes(1), Duration::minutes(5), Duration::minutes(15), Duration::minutes(60)];
/// How often the address of one registration can be corrected.
pub const MOST_CORRECTIONS: i16 = 3;
/// The letters that changes of address send to one recipient; those beyond are left out.
pub const EMAIL_CHANGE_LETTERS: Budget =
    Budget { name: "email_change_letters", limit: 5, window: Duration::hours(24) };
/// The letters with a generated password that go to one recipient; those beyond are left out.
pub const RECOVERY_LETTERS: Budget =
    Budget { name: "recovery_letters", limit: 5, window: Duration::hours(24) };
/// How far apart they are.
pub const RECOVERY_LETTERS_APART: Budget =
    Budget { name: "recovery_letters_apart", limit: 1, window: Duration::minutes(15) };
/// The letters to one recipient that there is no such user; those beyond are left out.
pub const NO_SUCH_USER_LETTERS: Budget =
    Budget { name: "no_such_user_letters", limit: 1, window: Duration::hours(24) };
/// What somebody changes by the forms of their profile. It is counted by what stands in their activity,
/// which is kept for as long as they are there, and must not grow without end.
pub const CHANGES: Budget = Budget { name: "changes", limit: 60, window: Duration::hours(1) };
/// The letters that a stranger at a client can cause, of every kind; beyond them a captcha is wanted.
pub const CLIENT_LETTERS: Budget = Budget { name: "client_letters", limit: 20, window: Duration::hours(1) };
/// What a client, or a signed-in user, writes to support; beyond it a captcha is wanted.
pub const SUPPORT_REQUESTS: Budget =
    Budget { name: "support_requests", limit: 5, window: Duration::hours(24) };
/// The same with captchas; beyond it nothing is taken.
pub const SUPPORT_REQUESTS_AT_MOST: Budget =
    Budget { name: "support_requests_at_most", limit: 20, window: Duration::hours(24) };
/// The acknowledgements from support that go to one recipient; those beyond are left out.
pub const SUPPORT_ACKNOWLEDGEMENTS: Budget =
    Budget { name: "support_acknowledgements", limit: 5, window: Duration::hours(24) };

/// What the letters that a stranger at this client can cause are counted against, whoever gets them.
pub fn letters_of(client: &Client) -> (Budget, Subject) {
    (CLIENT_LETTERS, Subject::client(client.network()))
}

/// Whom a budget is about, hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subject([u8; 32]);

impl Subject {
    /// A client's network.
    pub fn client(network: IpNet) -> Self {
        Self::of(&[network.to_string().as_bytes()])
    }

    /// An email address, whether or not anybody has it.
    pub fn address(email: &EmailAddress) -> Self {
        Self::of(&[email.key().as_bytes()])
    }

    /// A device of whoever has this address.
    pub fn device(email: &EmailAddress, device: TokenHash) -> Self {
        Self::of(&[device.as_bytes(), email.key().as_bytes()])
    }

    /// Somebody who is logged in.
    pub fn user(id: UserId) -> Self {
        Self::of(&[id.0.as_bytes()])
    }

    /// A registration.
    pub fn registration(id: RegistrationId) -> Self {
        Self::of(&[id.0.as_bytes()])
    }

    fn of(parts: &[&[u8]]) -> Self {
        let digest = parts.iter().fold(Sha256::new(), |digest, part| digest.chain_update(part));
        Self(digest.finalize().into())
    }
}

/// How much of a budget is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// There is some left.
    Free {
        /// Whether any of it is used at all.
        untouched: bool,
    },
    /// It is used up.
    Spent {
        /// When there is some left again.
        until: OffsetDateTime,
    },
}

impl Usage {
    /// Whether it is used up.
    pub fn is_spent(self) -> bool {
        matches!(self, Self::Spent { .. })
    }

    /// When there is some left again, where it is used up.
    pub fn spent_until(self) -> Option<OffsetDateTime> {
        match self {
            Self::Free { .. } => None,
            Self::Spent { until } => Some(until),
        }
    }
}

/// The keeper of the budgets: counts, and says how much is left. Switched off, everything is free.
#[derive(Clone, Debug)]
pub struct Budgets {
    enabled: bool,
    hits: Family<BudgetLabels, Counter>,
    under_way: Arc<Mutex<HashMap<(&'static str, Subject), i64>>>,
}

/// A try that is under way. It counts until this is dropped.
#[derive(Debug)]
pub struct Try {
    budgets: Budgets,
    counted: Vec<(Budget, Subject)>,
}

impl Budgets {
    /// One that counts in `metrics` how often it said no.
    pub fn new(enabled: bool, metrics: &Metrics) -> Self {
        Self { enabled, hits: metrics.budget_hits.clone(), under_way: Arc::default() }
    }

    /// How much is used of each of these budgets, in their order, by one statement.
    pub async fn usage<const N: usize>(
        &self,
        connection: &mut PgConnection,
        budgets: [(Budget, Subject); N],
        now: OffsetDateTime,
    ) -> sqlx::Result<[Usage; N]> {
        self.count(connection, budgets, [0; N], now).await
    }

    /// The same, once others who spend what is these subjects' are done ([`Budgets::line_up`]): what the
    /// transaction spends by it is spent by nobody else.
    pub async fn usage_in_line<const N: usize>(
        &self,
        connection: &mut PgConnection,
        budgets: [(Budget, Subject); N],
        now: OffsetDateTime,
    ) -> sqlx::Result<[Usage; N]> {
        self.line_up(connection, &budgets).await?;
        self.usage(connection, budgets, now).await
    }

    /// Waits for others who spend what is these subjects': two at once would find the same place free.
    /// Clients stand before recipients and users, so that no two wait for each other.
    pub async fn line_up(
        &self,
        connection: &mut PgConnection,
        budgets: &[(Budget, Subject)],
    ) -> sqlx::Result<()> {
        if !self.enabled {
            return Ok(());
        }
        sqlx::query!(
            "select pg_advisory_xact_lock(hashtextextended(encode(subject, 'hex'), 0))
             from unnest($1::bytea[]) as subject",
            &subjects(budgets),
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Until when the letters of this client want a captcha, where they do.
    pub async fn letters_spent_until(
        &self,
        connection: &mut PgConnection,
        client: &Client,
        now: OffsetDateTime,
    ) -> sqlx::Result<Option<OffsetDateTime>> {
        let [letters] = self.usage(connection, [letters_of(client)], now).await?;
        Ok(letters.spent_until())
    }

    /// Begins a try that may fail against any of these budgets, and says how much of each the others
    /// have used, those that are under way among them.
    pub async fn begin<const N: usize>(
        &self,
        connection: &mut PgConnection,
        budgets: [(Budget, Subject); N],
        now: OffsetDateTime,
    ) -> sqlx::Result<(Try, [Usage; N])> {
        if !self.enabled {
            let under_way = Try { budgets: self.clone(), counted: Vec::new() };
            return Ok((under_way, [Usage::Free { untouched: true }; N]));
        }
        let under_way = Try { budgets: self.clone(), counted: budgets.to_vec() };
        let mut others = [0; N];
        // Before the rows are read: a try that ends in between is counted twice rather than never.
        {
            let mut tries = self.tries();
            for (others, (budget, subject)) in others.iter_mut().zip(budgets) {
                let count = tries.entry((budget.name, subject)).or_default();
                *others = *count;
                *count += 1;
            }
        }
        Ok((under_way, self.count(connection, budgets, others, now).await?))
    }

    fn tries(&self) -> MutexGuard<'_, HashMap<(&'static str, Subject), i64>> {
        // A count is whole at any moment.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much is used of each of these budgets, beside so many tries that are under way.
    async fn count<const N: usize>(
        &self,
        connection: &mut PgConnection,
        budgets: [(Budget, Subject); N],
        under_way: [i64; N],
        now: OffsetDateTime,
    ) -> sqlx::Result<[Usage; N]> {
        let mut usages = [Usage::Free { untouched: true }; N];
        if !self.enabled {
            return Ok(usages);
        }
        let rows = sqlx::query!(
            r#"select count(event.until) as "used!", min(event.until) as "until"
               from unnest($1::text[], $2::bytea[], $3::bigint[])
                   with ordinality as asked (budget, subject, most, place)
               -- No more rows than the limit are read, however many there are.
               left join lateral (
                   select until from budget_events
                   where budget_events.budget = asked.budget
                       and budget_events.subject = asked.subject
                       and budget_events.until > $4
                   order by until desc limit asked.most
               ) as event on true
               group by asked.place order by asked.place"#,
            &names(&budgets),
            &subjects(&budgets),
            &budgets.map(|(budget, _)| budget.limit) as &[i64],
            now,
        )
        .fetch_all(connection)
        .await?;
        for (place, row) in rows.into_iter().enumerate().take(N) {
            let (budget, under_way) = (budgets[place].0, under_way[place]);
            usages[place] = match row.until {
                _ if row.used + under_way < budget.limit => Usage::Free { untouched: row.used == 0 },
                Some(until) if row.used >= budget.limit => Usage::Spent { until },
                // As long as it takes when those that are under way fail.
                _ => Usage::Spent { until: now + budget.window },
            };
            if usages[place].is_spent() {
                self.hits.get_or_create(&BudgetLabels { budget: budget.name }).inc();
            }
        }
        Ok(usages)
    }

    /// Counts one event against each of these budgets, from `at` on.
    pub async fn spend(
        &self,
        connection: &mut PgConnection,
        budgets: &[(Budget, Subject)],
        at: OffsetDateTime,
    ) -> sqlx::Result<()> {
        if !self.enabled {
            return Ok(());
        }
        sqlx::query!(
            "insert into budget_events (budget, subject, until)
             select budget, subject, until
             from unnest($1::text[], $2::bytea[], $3::timestamptz[]) as spent (budget, subject, until)",
            &names(budgets),
            &subjects(budgets),
            &ends(budgets, at),
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Counts one event at the time at which the budget allows it, and returns that time: now, or
    /// when there is some left again. Events of one subject line up one after the other; where as
    /// many as the limit wait already, this one is not counted and `None` is returned.
    pub async fn spend_when_free(
        &self,
        connection: &mut PgConnection,
        budget: Budget,
        subject: Subject,
        now: OffsetDateTime,
    ) -> sqlx::Result<Option<OffsetDateTime>> {
        let [usage] = self.usage_in_line(&mut *connection, [(budget, subject)], now).await?;
        let at = usage.spent_until().unwrap_or(now);
        if at > now + budget.window {
            return Ok(None);
        }
        self.spend(connection, &[(budget, subject)], at).await?;
        Ok(Some(at))
    }

    /// Counts one event where there is some left of the budget; returns whether there was. To be called in
    /// a transaction.
    pub async fn spend_if_free(
        &self,
        connection: &mut PgConnection,
        budget: Budget,
        subject: Subject,
        now: OffsetDateTime,
    ) -> sqlx::Result<bool> {
        let [usage] = self.usage_in_line(&mut *connection, [(budget, subject)], now).await?;
        if !usage.is_spent() {
            self.spend(connection, &[(budget, subject)], now).await?;
        }
        Ok(!usage.is_spent())
    }

    /// Gives a budget back whole.
    pub async fn restore(
        &self,
        connection: &mut PgConnection,
        budget: Budget,
        subject: Subject,
    ) -> sqlx::Result<()> {
        sqlx::query!(
            "delete from budget_events where budget = $1 and subject = $2",
            budget.name,
            subject.0.as_slice()
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        let mut tries = self.budgets.tries();
        for (budget, subject) in &self.counted {
            if let Entry::Occupied(mut count) = tries.entry((budget.name, *subject)) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
    }
}

fn names(budgets: &[(Budget, Subject)]) -> Vec<String> {
    budgets.iter().map(|(budget, _)| budget.name.to_owned()).collect()
}

fn ends(budgets: &[(Budget, Subject)], at: OffsetDateTime) -> Vec<OffsetDateTime> {
    budgets.iter().map(|(budget, _)| at + budget.window).collect()
}

fn subjects(budgets: &[(Budget, Subject)]) -> Vec<Vec<u8>> {
    budgets.iter().map(|(_, subject)| subject.0.to_vec()).collect()
}

/// Forgets events that count no more; returns how many.
pub async fn purge(connection: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<u64> {
    let gone = sqlx::query!("delete from budget_events where until <= $1", now).execute(connection).await?;
    Ok(gone.rows_affected())
}
