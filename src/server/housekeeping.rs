use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::{
    accounts::{
        accepted_forms, budgets, deletion, devices, email_changes, generated_passwords, invitations, notices,
        registrations, sessions, support_requests,
    },
    captcha, mail,
    web::state::App,
};

/// How often what has run out is thrown away; nothing depends on it, since whoever reads a row looks
/// at its time.
const EVERY: Duration = Duration::from_secs(10 * 60);

/// Throws away what has run out, until the server stops. Any number of instances may do it at once,
/// and one that is killed in the middle loses nothing: each deletion is done whole or not at all.
pub async fn run(app: App, mut stopped: watch::Receiver<bool>) {
    loop {
        let gone = match app.database.acquire().await {
            Ok(mut connection) => purge(&mut connection, app.clock.now()).await,
            Err(error) => Err(error),
        };
        match gone {
            Ok(rows) => tracing::debug!(rows, "housekeeping is done"),
            Err(error) => tracing::warn!(%error, "housekeeping is put off"),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
    }
}

/// Returns how many rows went. A deletion that fails keeps none of the others from being done.
async fn purge(connection: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<u64> {
    let gone = [
        captcha::store::purge(connection, now).await,
        accepted_forms::purge(connection, now).await,
        sessions::purge(connection, now).await,
        budgets::purge(connection, now).await,
        registrations::purge(connection, now).await,
        devices::purge(connection, now).await,
        generated_passwords::purge(connection, now).await,
        email_changes::purge(connection, now).await,
        deletion::purge(connection, now).await,
        invitations::purge(connection, now).await,
        notices::purge(connection, now).await,
        support_requests::purge(connection, now).await,
        mail::purge(connection, now).await,
    ];
    gone.into_iter().sum()
}
