//! What happened to somebody's account: when, and from where, with the latest first.

mod words;

use askama::Template;
use axum::{
    Router,
    extract::{Query, State},
    response::Response,
    routing::get,
};
use serde::Deserialize;
use time::OffsetDateTime;

use crate::{
    accounts::{
        activity::{self, Entry},
        sessions::SignedIn,
    },
    domain::ActivityId,
    web::{
        error::PageError,
        filters,
        page::{Frame, Page},
        state::App,
    },
};

/// How many entries a page shows.
const A_PAGE: usize = 20;

/// The pages.
pub fn routes() -> Router<App> {
    Router::new().route("/profile/activity", get(show))
}

/// `/profile/activity`.
#[derive(Template)]
#[template(path = "profile/activity.html")]
struct ActivityPage {
    frame: Frame,
    entries: Vec<Entry>,
    /// Whether these are not the latest ones.
    is_older: bool,
    /// The entry behind which those that are still older begin.
    older: Option<ActivityId>,
    now: OffsetDateTime,
}

#[derive(Deserialize)]
struct ActivityQuery {
    /// Where the page begins: behind this entry.
    before: Option<String>,
}

/// `GET /profile/activity`.
async fn show(
    State(app): State<App>,
    frame: Frame,
    signed_in: SignedIn,
    Query(query): Query<ActivityQuery>,
) -> Result<Response, PageError> {
    let before = query.before.as_deref().map(str::parse).transpose().map_err(|_| PageError::NotFound)?;
    let mut connection = app.database.acquire().await?;
    // One more, which tells that there is one.
    let limit = A_PAGE as i64 + 1;
    let mut entries = activity::latest(&mut connection, signed_in.user_id, before, limit).await?;
    let has_more = entries.len() > A_PAGE;
    entries.truncate(A_PAGE);
    let page = ActivityPage {
        frame,
        is_older: before.is_some(),
        older: entries.last().filter(|_| has_more).map(|entry| entry.id),
        entries,
        now: app.clock.now(),
    };
    Ok(page.ok())
}
