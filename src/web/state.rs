use std::{ops::Deref, sync::Arc};

use sqlx::PgPool;
use tokio::sync::Semaphore;

use crate::{
    accounts::budgets::Budgets,
    platform::{clock::Clock, config::Config, password_hasher::PasswordHasher, telemetry::Metrics},
};

/// What every handler may use; one count to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What [`App`] leads to.
pub struct Parts {
    /// The settings.
    pub config: Config,
    /// The one source of time.
    pub clock: Clock,
    /// Everything that lasts.
    pub database: PgPool,
    /// The threads that hash passwords.
    pub hasher: PasswordHasher,
    /// How often anybody may try.
    pub budgets: Budgets,
    /// How many captchas are drawn or spoken at once: each keeps a core busy.
    pub painters: Arc<Semaphore>,
    /// What is counted.
    pub metrics: Metrics,
}

impl App {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
