use axum::{Router, extract::State, http::StatusCode, routing::get};
use sqlx::Connection;

use crate::web::state::App;

/// `GET /healthz`: the process answers. `GET /readyz`: so does its database.
pub fn routes() -> Router<App> {
    Router::new().route("/healthz", get(|| async { "alive\n" })).route("/readyz", get(ready))
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
