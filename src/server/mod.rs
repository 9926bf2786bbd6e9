//! What `serve` runs. Here each feature's routes and letters are put together, with the layers that
//! every request passes, and what goes on beside the requests.

mod health;
mod housekeeping;
mod listener;
mod metrics;
mod observe;
mod router;
mod security_headers;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use sqlx::PgPool;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinHandle,
};

use crate::{
    accounts::{self, budgets::Budgets},
    domain::PhoneNumber,
    features::{profile, recovery, registration, support},
    mail::{self, Registry},
    platform::{clock::Clock, config::Config, password_hasher::PasswordHasher, telemetry::Metrics},
    web::state::{App, Parts},
};

/// How long requests and letters in hand have, once the server is told to stop.
const GRACE: Duration = Duration::from_secs(30);

/// How long clients may keep the server waiting.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A connection, with the head of a request, or idle between two. Reverse proxies drop an idle
    /// connection after 60 seconds; they must be first, or a request of theirs could meet one that we are
    /// closing.
    pub head: Duration,
    /// A request, with its body; its answer must be there as well by then.
    pub request: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { head: Duration::from_secs(75), request: Duration::from_secs(30) }
    }
}

/// A server that runs until it is stopped.
pub struct Server {
    /// Where it serves pages.
    pub address: SocketAddr,
    /// Where it serves numbers.
    pub metrics_address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    workers: mail::Workers,
}

impl Server {
    /// Starts serving on a listener that is bound already, over a database that is migrated.
    ///
    /// # Errors
    /// Where the operators' listener cannot be bound, or a part of the site cannot be set up.
    pub async fn start(
        config: Config,
        clock: Clock,
        database: PgPool,
        listener: TcpListener,
        patience: Patience,
    ) -> anyhow::Result<Self> {
        let metrics_listener = match config.metrics_listen {
            Some(wanted) => {
                let bound = TcpListener::bind(wanted).await;
                Some(bound.with_context(|| format!("cannot listen on {wanted}"))?)
            }
            None => None,
        };
        let metrics = Metrics::new();
        let app = App::new(Parts {
            hasher: PasswordHasher::start(&config.hash, config.throttle, &metrics)?,
            budgets: Budgets::new(config.throttle, &metrics),
            painters: Arc::new(Semaphore::new(config.hash.workers)),
            config,
            clock,
            database,
            metrics,
        });
        let (stop, stopped) = watch::channel(false);
        let letters = accounts::letters(Registry::new(), &app.config, &app.hasher);
        let letters = registration::letters(letters, &app.config);
        let letters = recovery::letters(letters, &app.config, &app.hasher);
        let letters = profile::letters(letters, &app.config);
        let letters = support::letters(letters, &app.config);
        let workers = mail::Workers::start(app.database.clone(), app.clock.clone(), letters, &app.config)?;
        let address = listener.local_addr()?;
        let mut tasks = vec![
            tokio::spawn(listener::serve(
                listener,
                router::router(&app, patience),
                patience.head,
                stopped.clone(),
            )),
            tokio::spawn(housekeeping::run(app.clone(), stopped.clone())),
        ];
        let mut metrics_address = None;
        if let Some(listener) = metrics_listener {
            metrics_address = Some(listener.local_addr()?);
            tasks.push(tokio::spawn(listener::serve(
                listener,
                metrics::router(&app),
                patience.head,
                stopped,
            )));
        }
        // Beside the start, which does not wait for it, and on no async thread.
        tokio::task::spawn_blocking(PhoneNumber::read_countries);
        Ok(Self { address, metrics_address, stop, tasks, workers })
    }

    /// Stops accepting, lets requests and letters in hand come to their end, and returns; what is
    /// not done within 30 seconds is left.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let requests = async {
            for task in self.tasks {
                if let Err(error) = task.await {
                    tracing::error!(%error, "a part of the server had failed");
                }
            }
        };
        let (requests, ()) = tokio::join!(tokio::time::timeout(GRACE, requests), self.workers.finish(GRACE));
        if requests.is_err() {
            tracing::warn!("requests were still running after {} seconds and are left", GRACE.as_secs());
        }
    }
}
