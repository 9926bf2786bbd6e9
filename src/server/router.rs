use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    middleware::{from_fn, from_fn_with_state, map_response},
};
use tower_http::timeout::TimeoutLayer;

use super::{Patience, health, observe, security_headers};
use crate::{
    features::{
        dev_mailbox, forward_auth, help, home, login, notices, pairing, profile, recovery, registration,
        sessions, support,
    },
    web::{
        error::{self, PageError},
        fields, form, same_origin, session,
        state::App,
        static_files,
    },
};

/// No form of ours is larger, in bytes, but for the one to support: two of the longest passwords, an address
/// and what else stands beside them, where each character is sent as twelve.
const LARGEST_BODY: usize = 16 * 1024;

/// All pages, and what every request passes on its way to one, from the last layer to the first.
pub fn router(app: &App, patience: Patience) -> Router {
    Router::new()
        .fallback(|| async { PageError::NotFound })
        .merge(home::routes())
        .merge(help::routes())
        .merge(registration::routes())
        .merge(login::routes())
        .merge(recovery::routes())
        .merge(notices::routes())
        .merge(profile::routes())
        .merge(sessions::routes())
        .merge(pairing::routes())
        .merge(dev_mailbox::routes(&app.config))
        .merge(fields::region::routes())
        .merge(fields::captcha::routes())
        .merge(static_files::routes())
        .layer(from_fn(form::read_whole))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        // Its form may be larger.
        .merge(support::routes())
        // Named, so that its page survives the merge below.
        .fallback(|| async { PageError::NotFound })
        .layer(from_fn_with_state(app.clone(), same_origin::check))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, patience.request))
        .layer(from_fn_with_state(app.clone(), error::dress))
        // For programs: they want a word, not a page.
        .merge(health::routes())
        .merge(forward_auth::routes())
        .layer(session::layer(app))
        .layer(map_response(session::mend_removal))
        .layer(from_fn_with_state(app.clone(), security_headers::add))
        .layer(from_fn_with_state(app.clone(), observe::observe))
        .with_state(app.clone())
}
