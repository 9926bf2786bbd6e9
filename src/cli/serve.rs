use anyhow::{Context, bail};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};

use crate::{
    platform::{
        clock::Clock,
        config::Config,
        database::{self, DatabaseServer},
    },
    server::{Patience, Server},
};

/// Serves the site until SIGTERM or Ctrl-C.
pub fn run(config: Config) -> anyhow::Result<()> {
    can_start(&config)?;
    // The embedded server starts before the runtime and is stopped, by being dropped, after it.
    let database_server = DatabaseServer::start(&config)?;
    Runtime::new()?.block_on(serve(config, &database_server))
}

/// What must not be started, whatever else is right.
///
/// # Errors
/// Why not.
pub fn can_start(config: &Config) -> anyhow::Result<()> {
    if config.mail.smtp.is_none() && !config.has_dev_mailbox() {
        bail!(
            "VESTIBULE_SMTP_URL is not set. Without it letters go to a mailbox page, which exists only on one's own \
             machine: with VESTIBULE_LISTEN on a loopback address and the host of VESTIBULE_PUBLIC_URL localhost."
        );
    }
    Ok(())
}

async fn serve(config: Config, database_server: &DatabaseServer) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    for warning in warnings(&config) {
        tracing::warn!("{warning}");
    }
    if config.has_dev_mailbox() {
        tracing::info!("letters are not sent: read them at {}", config.public_url.with("/dev/mailbox"));
    }
    let database = database::connect(database_server.connect_options(), config.mail.connections()).await?;
    let clock = Clock::system();
    database::compare_clocks(&database, clock.now()).await?;
    database::migrate(&database).await?;
    let listener = TcpListener::bind(config.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", config.listen))?;
    let public_url = config.public_url.origin();
    let server = Server::start(config, clock, database, listener, Patience::default()).await?;
    tracing::info!(listen = %server.address, "Vestibule is open at {public_url}");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    server.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// Settings that are right on somebody's own machine or under test, and nowhere else.
pub fn warnings(config: &Config) -> Vec<&'static str> {
    let warnings = [
        (!config.captcha, "VESTIBULE_CAPTCHA is off: anybody's program can register"),
        (!config.throttle, "VESTIBULE_THROTTLE is off: nobody who guesses passwords is slowed down"),
        (
            !config.public_url.is_https() && !config.is_own_machine(),
            "VESTIBULE_PUBLIC_URL is not https: cookies and passwords travel readable",
        ),
    ];
    warnings.into_iter().filter_map(|(holds, warning)| holds.then_some(warning)).collect()
}
