use std::time::Instant;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};

use crate::{mail, platform::telemetry::StateLabels, web::state::App};

/// The operators' own listener: `GET /metrics`.
pub fn router(app: &App) -> Router {
    Router::new().route("/metrics", get(show)).with_state(app.clone())
}

async fn show(State(app): State<App>) -> impl IntoResponse {
    let looked =
        look_at_database(&app).await.inspect_err(|error| tracing::warn!(%error, "no numbers of letters"));
    app.metrics.database_up.set(i64::from(looked.is_ok()));
    match app.metrics.encode() {
        Ok(text) => {
            ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
                .into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Counts what is not counted as it happens: what all instances share, and the pool.
async fn look_at_database(app: &App) -> sqlx::Result<()> {
    let (metrics, pool) = (&app.metrics, &app.database);
    let idle = i64::try_from(pool.num_idle()).unwrap_or(i64::MAX);
    metrics.pool_connections.get_or_create(&StateLabels { state: "idle" }).set(idle);
    let busy = i64::from(pool.size()) - idle;
    metrics.pool_connections.get_or_create(&StateLabels { state: "busy" }).set(busy);
    // What nobody can count now is not told as it was.
    metrics.letters.clear();
    let start = Instant::now();
    let connection = pool.acquire().await;
    metrics.pool_wait_seconds.set(start.elapsed().as_secs_f64());
    let numbers = mail::numbers(&mut *connection?, app.clock.now()).await?;
    for (state, count) in numbers.letters {
        metrics.letters.get_or_create(&StateLabels { state: state.as_str() }).set(count);
    }
    metrics.letters_overdue_seconds.set(numbers.overdue.as_seconds_f64());
    Ok(())
}
