//! What an operator sees: logs by `tracing`, numbers for Prometheus.
//!
//! Never logged: passwords, tokens, captcha answers, cookies, request bodies, query strings.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Metric, Registry},
};
use tracing_subscriber::EnvFilter;

use super::config::LogConfig;

/// Starts logging to standard error.
///
/// # Errors
/// Where the filter cannot be read.
pub fn start_logging(config: &LogConfig) -> anyhow::Result<()> {
    // tower-sessions opens several spans for every request, and none of them tells us anything.
    let filter = format!("tower_sessions=warn,tower_sessions_core=warn,{}", config.filter);
    let filter = EnvFilter::try_new(filter)?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if config.json {
        logs.json().flatten_event(true).init();
    } else {
        logs.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init();
    }
    Ok(())
}

/// The numbers, shared by all who count; [`Metrics::encode`] writes them down.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    /// Requests that were answered.
    pub requests: Family<RequestLabels, Counter>,
    /// Hashes that were finished, whatever came of them.
    pub hashes: Counter,
    /// Hashes that wait for a thread.
    pub hash_queue: Gauge<i64, AtomicI64>,
    /// CPU time that hashing took, in seconds, as the hash threads count it for themselves.
    pub hash_cpu_seconds: Counter<f64, AtomicU64>,
    /// Captchas that were answered wrong.
    pub captcha_failures: Counter,
    /// Times that a budget said no.
    pub budget_hits: Family<BudgetLabels, Counter>,
    /// Letters by state, of those that are settled the last hour's: of all instances.
    pub letters: Family<StateLabels, Gauge>,
    /// How long the letter waits that should have left first, in seconds.
    pub letters_overdue_seconds: Gauge<f64, AtomicU64>,
    /// Whether the database answers: 1, or 0.
    pub database_up: Gauge,
    /// How long it took to get a connection of the pool just now, in seconds.
    pub pool_wait_seconds: Gauge<f64, AtomicU64>,
    /// Connections of this instance's pool: idle, and busy.
    pub pool_connections: Family<StateLabels, Gauge>,
}

/// What state something is in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StateLabels {
    /// Its name.
    pub state: &'static str,
}

/// What a request is counted by: never by anything that a stranger may choose.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// The route's pattern.
    pub route: String,
    /// The status code.
    pub status: u16,
}

/// Which budget it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BudgetLabels {
    /// Its name in `accounts::budgets`.
    pub budget: &'static str,
}

impl Metrics {
    /// All numbers, at nought.
    #[allow(clippy::new_without_default, reason = "they are made once, on purpose")]
    pub fn new() -> Self {
        let mut all = Registry::with_prefix("vestibule");
        Self {
            requests: registered(&mut all, "requests", "Requests that were answered"),
            hashes: registered(&mut all, "hashes", "Hashes that were finished"),
            hash_queue: registered(&mut all, "hash_queue", "Hashes that wait for a thread"),
            hash_cpu_seconds: registered(&mut all, "hash_cpu_seconds", "CPU time of the hash threads"),
            captcha_failures: registered(&mut all, "captcha_failures", "Wrong captcha answers"),
            budget_hits: registered(&mut all, "budget_hits", "Times that a budget said no"),
            letters: registered(&mut all, "letters", "Letters by state, the settled ones of the last hour"),
            letters_overdue_seconds: registered(
                &mut all,
                "letters_overdue_seconds",
                "How long ago the letter under way that could have left first was tried or fell due",
            ),
            database_up: registered(&mut all, "database_up", "Whether the database answers"),
            pool_wait_seconds: registered(
                &mut all,
                "pool_wait_seconds",
                "How long it took to get a connection just now",
            ),
            pool_connections: registered(&mut all, "pool_connections", "Connections to the database"),
            registry: Arc::new(all),
        }
    }

    /// The numbers as Prometheus reads them (OpenMetrics 1.0 text).
    ///
    /// # Errors
    /// Never in practice: writing to a string does not fail.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn registered<M: Metric + Clone + Default>(all: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    all.register(name, help, metric.clone());
    metric
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_tells_of_numbers_that_there_are() {
        let metrics = Metrics::new();
        // A family without a member is not written down.
        let (route, state, budget) = (String::new(), "", "");
        drop(metrics.requests.get_or_create(&RequestLabels { route, status: 200 }));
        drop(metrics.budget_hits.get_or_create(&BudgetLabels { budget }));
        drop(metrics.letters.get_or_create(&StateLabels { state }));
        let text = metrics.encode().unwrap();
        let has = |name: &str| {
            let mut lines = text.lines();
            lines.any(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])))
        };
        let words = include_str!("../../README.md").split(|c: char| !c.is_ascii_lowercase() && c != '_');
        let told: Vec<_> = words.filter(|word| word.starts_with("vestibule_")).collect();
        assert!(told.contains(&"vestibule_database_up"), "{told:?}");
        for name in told {
            assert!(has(name), "{name} is not in {text}");
        }
    }
}
