//! Makes and verifies passwords' hashes: argon2id (RFC 9106), one for each call, whatever the
//! outcome, so that the time of an answer tells nothing.
//!
//! A hash keeps a core busy for many milliseconds and fills megabytes, so it never runs on an
//! async thread. A fixed number of threads take jobs from a bounded [`Queue`], each with memory of
//! its own that it reuses, and gives back when nothing was asked of it for a while. Who asks when
//! the queue is full is told so at once; a job whose asker has gone away is skipped.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::Context;
use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{self, Output, ParamsString, Salt},
};
use ipnet::IpNet;
use nix::time::{ClockId, clock_gettime};
use thiserror::Error;
use tokio::sync::oneshot;

use super::{config::HashConfig, telemetry::Metrics};
use crate::domain::{Password, PasswordHash};

/// How many jobs may wait for each thread.
const WAITING_PER_WORKER: usize = 32;

/// How many of those that wait may be one client's.
const WAITING_PER_CLIENT: usize = 4;

/// How long a thread keeps its memory when nothing is asked of it.
const KEEP_MEMORY: Duration = Duration::from_secs(10);

/// What a hash may need at most; a stored one that claims more was not made by us.
const MOST_MEMORY_KIB: u32 = 1_048_576;

/// The door to the hash threads; clones lead to the same ones, which end with the last clone.
#[derive(Clone)]
pub struct PasswordHasher {
    door: Arc<Door>,
    current: Params,
}

/// Too many hashes wait already; the page says to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many passwords wait to be hashed")]
pub struct Busy;

/// Whether a password was the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is not, or there was nothing to compare it with.
    Wrong,
    /// It is.
    Right {
        /// The hash was made with other parameters than today's, and should be made anew.
        needs_renewal: bool,
    },
    /// It is the generated password at this place.
    Generated(usize),
}

impl PasswordHasher {
    /// Starts the threads. Without `throttle` one client may fill the whole queue.
    ///
    /// # Errors
    /// Where the parameters are none that argon2 knows, or the system gives no thread.
    pub fn start(config: &HashConfig, throttle: bool, metrics: &Metrics) -> anyhow::Result<Self> {
        let room = config.workers * WAITING_PER_WORKER;
        let per_client = if throttle { WAITING_PER_CLIENT } else { room };
        let queue = Arc::new(Queue::new(room, per_client, metrics.clone()));
        let hasher = Self {
            door: Arc::new(Door(queue.clone())),
            current: Params::new(config.memory_kib, config.passes, 1, Some(Params::DEFAULT_OUTPUT_LEN))?,
        };
        for number in 0..config.workers {
            let queue = queue.clone();
            thread::Builder::new().name(format!("hash-{number}")).spawn(move || work(&queue))?;
        }
        Ok(hasher)
    }

    /// A new hash of a password, with a salt of its own.
    ///
    /// # Errors
    /// [`Busy`] when too many wait, of this client or of all.
    pub async fn hash(&self, client: IpNet, password: &Password) -> Result<PasswordHash, Busy> {
        let recipe = self.current_recipe();
        let output = self.output(Some(client), password, recipe.clone()).await?;
        Ok(recipe.write_down(output))
    }

    /// A hash of a generated password with salt and parameters of `alike`, so that whoever compares
    /// with one compares with both by a single hash. The site asks this itself, a letter at a time, so
    /// it waits for its turn however many others do.
    ///
    /// # Errors
    /// Where `alike` cannot be read, or the hash fails.
    pub async fn hash_alike(
        &self,
        password: &Password,
        alike: &PasswordHash,
    ) -> anyhow::Result<PasswordHash> {
        let (recipe, _) = Recipe::read(alike).context("the user's hash cannot be read")?;
        let output = self.output(None, password, recipe.clone()).await?;
        Ok(recipe.write_down(output))
    }

    /// A hash that no password leads to, with a salt of its own.
    pub fn unknown_to_all(&self) -> PasswordHash {
        let noise: [u8; Params::DEFAULT_OUTPUT_LEN] = rand::random();
        self.current_recipe().write_down(Output::new(&noise).expect("an output of the usual length"))
    }

    /// Whether `password` is the one that `stored` was made of, or one of `generated`, which were made
    /// alike. Without any stored, or with one that cannot be read, it is wrong at the same cost.
    ///
    /// # Errors
    /// [`Busy`] when too many wait, of this client or of all.
    pub async fn verify(
        &self,
        client: IpNet,
        password: &Password,
        stored: Option<&PasswordHash>,
        generated: &[PasswordHash],
    ) -> Result<Verdict, Busy> {
        let Some((recipe, expected)) = stored.and_then(Recipe::read) else {
            self.output(Some(client), password, self.current_recipe()).await?;
            return Ok(Verdict::Wrong);
        };
        let needs_renewal = recipe.differs_from(&self.current);
        let salt = recipe.salt;
        let output = self.output(Some(client), password, recipe).await?;
        // `Output` compares in constant time.
        if output == expected {
            return Ok(Verdict::Right { needs_renewal });
        }
        let is_this = |generated: &PasswordHash| {
            Recipe::read(generated)
                .is_some_and(|(recipe, expected)| recipe.salt == salt && output == expected)
        };
        Ok(generated.iter().position(is_this).map_or(Verdict::Wrong, Verdict::Generated))
    }

    /// `client` is nobody for what the site asks itself.
    async fn output(
        &self,
        client: Option<IpNet>,
        password: &Password,
        recipe: Recipe,
    ) -> Result<Output, Busy> {
        let (answer, output) = oneshot::channel();
        self.door.0.push(Job { client, password: password.clone(), recipe, answer })?;
        // A job without an answer failed, which the thread has logged.
        output.await.map_err(|_| Busy)
    }

    fn current_recipe(&self) -> Recipe {
        Recipe {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            params: self.current.clone(),
            salt: Salt::generate(),
        }
    }
}

/// All that decides what a password becomes.
#[derive(Clone)]
struct Recipe {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Salt,
}

impl Recipe {
    /// The recipe in a stored hash, and what it gave for the right password.
    fn read(stored: &PasswordHash) -> Option<(Self, Output)> {
        let read = Self::try_read(stored);
        if read.is_none() {
            tracing::error!("a stored password hash cannot be read; its owner cannot log in with it");
        }
        read
    }

    fn try_read(stored: &PasswordHash) -> Option<(Self, Output)> {
        let phc = phc::PasswordHash::new(stored.as_str()).ok()?;
        let recipe = Self {
            algorithm: Algorithm::new(phc.algorithm).ok()?,
            version: phc.version.map_or(Ok(Version::default()), Version::try_from).ok()?,
            params: Params::try_from(&phc).ok().filter(|params| params.m_cost() <= MOST_MEMORY_KIB)?,
            salt: phc.salt?,
        };
        Some((recipe, phc.hash?))
    }

    fn differs_from(&self, current: &Params) -> bool {
        (self.algorithm, self.version, &self.params) != (Algorithm::Argon2id, Version::V0x13, current)
    }

    fn write_down(self, output: Output) -> PasswordHash {
        let phc = phc::PasswordHash {
            algorithm: self.algorithm.ident(),
            version: Some(self.version.into()),
            params: ParamsString::try_from(&self.params).expect("numbers fit into a PHC string"),
            salt: Some(self.salt),
            hash: Some(output),
        };
        PasswordHash::new(phc.to_string())
    }

    /// The costly step. `memory` grows when this recipe needs more than those before.
    fn cook(&self, password: &Password, memory: &mut Vec<Block>) -> anyhow::Result<Output> {
        let blocks = self.params.block_count();
        if memory.len() < blocks {
            memory.try_reserve_exact(blocks - memory.len())?;
            memory.resize(blocks, Block::new());
        }
        let mut output = [0; Output::MAX_LENGTH];
        let output = &mut output[..self.params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN)];
        Argon2::new(self.algorithm, self.version, self.params.clone()).hash_password_into_with_memory(
            password.reveal().as_bytes(),
            &self.salt,
            output,
            memory,
        )?;
        Ok(Output::new(output)?)
    }
}

struct Job {
    client: Option<IpNet>,
    password: Password,
    recipe: Recipe,
    answer: oneshot::Sender<Output>,
}

/// What a hash thread does all its life. A job that fails leaves no answer, and the thread lives on.
fn work(queue: &Queue) {
    let mut memory = Vec::new();
    loop {
        let job = match queue.next() {
            Next::Job(job) => job,
            Next::Nothing => {
                memory = Vec::new();
                continue;
            }
            Next::End => return,
        };
        let before = thread_cpu_time();
        let output = catch_unwind(AssertUnwindSafe(|| job.recipe.cook(&job.password, &mut memory)));
        queue.metrics.hash_cpu_seconds.inc_by((thread_cpu_time() - before).as_secs_f64());
        queue.metrics.hashes.inc();
        match output {
            Ok(Ok(output)) => drop(job.answer.send(output)),
            Ok(Err(error)) => tracing::error!(%error, "a password could not be hashed"),
            Err(_) => tracing::error!("hashing a password panicked"),
        }
    }
}

fn thread_cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// Ends the threads when nobody can ask them any more.
struct Door(Arc<Queue>);

impl Drop for Door {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The jobs that wait, first come, first served.
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    room: usize,
    per_client: usize,
    metrics: Metrics,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    ended: bool,
}

enum Next {
    Job(Box<Job>),
    /// For [`KEEP_MEMORY`] there was none.
    Nothing,
    End,
}

impl Queue {
    fn new(room: usize, per_client: usize, metrics: Metrics) -> Self {
        Self { waiting: Mutex::default(), changed: Condvar::new(), room, per_client, metrics }
    }

    fn push(&self, job: Job) -> Result<(), Busy> {
        let mut waiting = self.lock();
        let jobs = &mut waiting.jobs;
        // Who has gone away takes nobody's place.
        jobs.retain(|waiting| !waiting.answer.is_closed());
        if job.client.is_some() {
            let of_client = jobs.iter().filter(|waiting| waiting.client == job.client).count();
            if jobs.len() >= self.room || of_client >= self.per_client {
                return Err(Busy);
            }
        }
        jobs.push_back(job);
        self.count(jobs);
        self.changed.notify_one();
        Ok(())
    }

    fn next(&self) -> Next {
        let idle = |waiting: &mut Waiting| waiting.jobs.is_empty() && !waiting.ended;
        loop {
            let waited = self.changed.wait_timeout_while(self.lock(), KEEP_MEMORY, idle);
            let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if waiting.ended {
                return Next::End;
            }
            let job = waiting.jobs.pop_front();
            self.count(&waiting.jobs);
            match job {
                Some(job) if job.answer.is_closed() => {}
                Some(job) => return Next::Job(Box::new(job)),
                None => return Next::Nothing,
            }
        }
    }

    fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn count(&self, jobs: &VecDeque<Job>) {
        self.metrics.hash_queue.set(i64::try_from(jobs.len()).unwrap_or(i64::MAX));
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use argon2::PasswordVerifier;

    use super::*;

    const CHEAP: HashConfig = HashConfig { workers: 2, memory_kib: 64, passes: 2 };

    fn started(config: HashConfig) -> (PasswordHasher, Metrics) {
        let metrics = Metrics::new();
        (PasswordHasher::start(&config, true, &metrics).unwrap(), metrics)
    }

    fn client(number: u8) -> IpNet {
        IpNet::from(std::net::IpAddr::from([192, 0, 2, number]))
    }

    fn job(number: u8) -> (Job, oneshot::Receiver<Output>) {
        let (answer, output) = oneshot::channel();
        let recipe = Recipe {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            params: Params::new(64, 2, 1, None).unwrap(),
            salt: Salt::generate(),
        };
        (Job { client: Some(client(number)), password: Password::new("pass"), recipe, answer }, output)
    }

    const RIGHT: Result<Verdict, Busy> = Ok(Verdict::Right { needs_renewal: false });
    const OLD: Result<Verdict, Busy> = Ok(Verdict::Right { needs_renewal: true });
    const WRONG: Result<Verdict, Busy> = Ok(Verdict::Wrong);

    #[tokio::test]
    async fn only_the_password_that_was_hashed_is_right() {
        let (hasher, _) = started(CHEAP);
        let stored = hasher.hash(client(1), &Password::new("Pass")).await.unwrap();
        assert_eq!(hasher.verify(client(1), &Password::new("Pass"), Some(&stored), &[]).await, RIGHT);
        assert_eq!(hasher.verify(client(1), &Password::new("pass"), Some(&stored), &[]).await, WRONG);
        assert_eq!(hasher.verify(client(1), &Password::new(""), Some(&stored), &[]).await, WRONG);
        assert!(!format!("{stored:?}").contains("argon2"));
    }

    #[tokio::test]
    async fn hashes_are_phc_strings_that_others_can_read_and_their_salts_differ() {
        let (hasher, _) = started(CHEAP);
        let password = Password::new("pass wörd");
        let one = hasher.hash(client(1), &password).await.unwrap();
        let two = hasher.hash(client(1), &password).await.unwrap();
        assert!(one.as_str().starts_with("$argon2id$v=19$m=64,t=2,p=1$"), "{}", one.as_str());
        assert_ne!(one, two);
        let others = Argon2::default();
        assert!(others.verify_password("pass wörd".as_bytes(), one.as_str()).is_ok());
        assert!(others.verify_password(b"pass word", one.as_str()).is_err());
    }

    #[tokio::test]
    async fn older_parameters_are_still_right_and_want_renewal_also_when_they_need_more_memory() {
        let (hasher, _) = started(CHEAP);
        let password = Password::new("pass");
        for older in [HashConfig { memory_kib: 4096, ..CHEAP }, HashConfig { passes: 3, ..CHEAP }] {
            let stored = started(older).0.hash(client(1), &password).await.unwrap();
            assert_eq!(hasher.verify(client(1), &password, Some(&stored), &[]).await, OLD);
            assert_eq!(hasher.verify(client(1), &Password::new("x"), Some(&stored), &[]).await, WRONG);
        }
        // From the reference implementation (phc-winner-argon2, src/test.c).
        let argon2i = "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA";
        let stored = PasswordHash::new(argon2i.to_owned());
        assert_eq!(hasher.verify(client(1), &Password::new("password"), Some(&stored), &[]).await, OLD);
    }

    #[tokio::test]
    async fn one_hash_answers_for_the_password_and_for_generated_ones() {
        let (hasher, metrics) = started(CHEAP);
        let own = hasher.hash(client(1), &Password::new("own")).await.unwrap();
        let (first, second) = (Password::generate(), Password::generate());
        let mut generated = Vec::new();
        for password in [&first, &second] {
            generated.push(hasher.hash_alike(password, &own).await.unwrap());
        }
        // One that was made before the salt changed opens nothing.
        generated.push(hasher.hash(client(1), &Password::new("other salt")).await.unwrap());
        let verify =
            async |password: &Password| hasher.verify(client(1), password, Some(&own), &generated).await;
        for (typed, verdict) in [
            (&Password::new("own"), RIGHT),
            (&first, Ok(Verdict::Generated(0))),
            (&second, Ok(Verdict::Generated(1))),
            (&Password::new("other salt"), WRONG),
            (&Password::generate(), WRONG),
        ] {
            let before = metrics.hashes.get();
            assert_eq!(verify(typed).await, verdict);
            assert_eq!(metrics.hashes.get() - before, 1, "{verdict:?}");
        }
        assert_eq!(hasher.verify(client(1), &first, Some(&own), &[]).await, WRONG);
    }

    #[tokio::test]
    async fn a_hash_that_is_unknown_to_all_still_lends_its_salt() {
        let (hasher, _) = started(CHEAP);
        let own = hasher.unknown_to_all();
        assert_ne!(own, hasher.unknown_to_all());
        assert_eq!(hasher.verify(client(1), &Password::new(""), Some(&own), &[]).await, WRONG);
        let password = Password::generate();
        let generated = [hasher.hash_alike(&password, &own).await.unwrap()];
        let verdict = hasher.verify(client(1), &password, Some(&own), &generated).await;
        assert_eq!(verdict, Ok(Verdict::Generated(0)));
    }

    #[test]
    fn the_site_itself_is_never_told_to_come_again() {
        let queue = Queue::new(1, 1, Metrics::new());
        let ((one, _one), (other, _other)) = (job(1), job(2));
        queue.push(one).unwrap();
        assert_eq!(queue.push(Job { client: None, ..other }), Ok(()));
    }

    #[tokio::test]
    async fn nothing_stored_or_nonsense_is_wrong_at_the_cost_of_a_hash() {
        let (hasher, metrics) = started(CHEAP);
        let monstrous =
            "$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA";
        let nonsense = ["", "pass", "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ", monstrous].map(str::to_owned);
        for stored in nonsense.map(|text| Some(PasswordHash::new(text))).iter().chain([&None]) {
            let before = metrics.hashes.get();
            assert_eq!(hasher.verify(client(1), &Password::new("pass"), stored.as_ref(), &[]).await, WRONG);
            assert_eq!(metrics.hashes.get() - before, 1, "{stored:?}");
        }
    }

    #[test]
    fn beyond_what_may_wait_it_is_busy_for_one_client_and_for_all() {
        let metrics = Metrics::new();
        let queue = Queue::new(6, 4, metrics.clone());
        let mut outputs = Vec::new();
        let mut ask = |number| {
            let (job, output) = job(number);
            outputs.push(output);
            queue.push(job)
        };
        assert!((0..4).all(|_| ask(1).is_ok()));
        assert_eq!(ask(1), Err(Busy));
        assert_eq!((ask(2), ask(3), ask(4)), (Ok(()), Ok(()), Err(Busy)));
        assert_eq!(metrics.hash_queue.get(), 6);
        assert!(matches!(queue.next(), Next::Job(_)));
        assert_eq!((ask(1), ask(5)), (Ok(()), Err(Busy)));
    }

    #[test]
    fn who_has_gone_away_is_skipped_and_takes_nobodys_place() {
        let metrics = Metrics::new();
        let queue = Queue::new(2, 2, metrics.clone());
        let (gone, output) = job(1);
        let (patient, _output) = job(2);
        queue.push(gone).unwrap();
        queue.push(patient).unwrap();
        drop(output);
        assert!(matches!(queue.next(), Next::Job(job) if job.client == Some(client(2))));
        assert_eq!(metrics.hash_queue.get(), 0);

        let (gone, output) = job(1);
        let (patient, _output) = job(1);
        let (third, _output) = job(1);
        queue.push(gone).unwrap();
        queue.push(patient).unwrap();
        drop(output);
        assert_eq!(queue.push(third), Ok(()));
    }

    #[tokio::test]
    async fn more_asks_than_threads_are_all_answered() {
        let (hasher, metrics) = started(CHEAP);
        let mut asks = tokio::task::JoinSet::new();
        for number in 0..40 {
            let hasher = hasher.clone();
            asks.spawn(async move { hasher.hash(client(number), &Password::new("pass")).await });
        }
        assert!(asks.join_all().await.iter().all(Result::is_ok));
        assert_eq!(metrics.hash_queue.get(), 0);
    }

    #[tokio::test]
    async fn the_threads_end_with_the_last_clone() {
        let (hasher, _) = started(CHEAP);
        let queue = Arc::downgrade(&hasher.door.0);
        let last = hasher.clone();
        drop(hasher);
        assert!(last.hash(client(1), &Password::new("pass")).await.is_ok());
        drop(last);
        while queue.upgrade().is_some() {
            tokio::task::yield_now().await;
        }
    }
}
