use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use sqlx::Connection;

use crate::web::{client_address::Seen, state::App};

/// `GET /healthz`: the process answers. `GET /readyz`: so does its database. `GET /healthz/client`: for whom
/// the site takes whoever asks, as `vestibule check` asks by way of the proxy.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/healthz/client", get(|seen: Seen| async move { Json(seen) }))
        .route("/readyz", get(ready))
}

async fn ready(State(app): State<App>) -> (StatusCode, &'static str) {
    let answer = match app.database.acquire().await {
        Ok(mut connection) => connection.ping().await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")
        }
    }
}
