use axum::{
    extract::{MatchedPath, Request, State},
    http::HeaderValue,
    middleware::Next,
    response::Response,
};
use tracing::Instrument;

use crate::{
    platform::telemetry::RequestLabels,
    web::{request_id::RequestId, state::App},
};

/// Gives a request its id, which stands on every log line about it and on its error page, and
/// counts its answer. Never logged: the query (it may hold a token), headers, bodies.
pub async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = RequestId::random();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    request.extensions_mut().insert(id.clone());
    let span = tracing::info_span!("request", id = id.as_str(), %method, route);
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    // Pages that are only looked at are the reverse proxy's to log.
    span.in_scope(|| match (method.is_safe(), status) {
        // Too much was asked at once, or the database is gone: whoever knows more has said it.
        (_, 503) => tracing::warn!(status, "answered"),
        (_, 500..) => tracing::error!(status, "answered"),
        (false, _) => tracing::info!(status, "answered"),
        (true, _) => tracing::debug!(status, "answered"),
    });
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert("x-request-id", value);
    }
    app.metrics.requests.get_or_create(&RequestLabels { route, status }).inc();
    response
}
