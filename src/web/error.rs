use askama::Template;
use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use time::OffsetDateTime;
use tower_sessions::{Session, session, session_store};

use super::{
    filters,
    page::{Frame, Page},
    request_id::RequestId,
    session::CHANGE_PASSWORD,
    state::App,
};
use crate::{
    accounts::budgets::Usage,
    domain::OwnPath,
    platform::{database, password_hasher::Busy},
};

/// Why there is no page: few kinds, with fixed words. A wrong input is none of them; it is the form
/// again.
#[derive(Debug)]
pub enum PageError {
    /// There is no such page, or what it spoke of is gone.
    NotFound,
    /// The request did not come from one of our own pages.
    Forbidden,
    /// The page needs somebody: they log in and come back to this path.
    LogInFirst(Option<OwnPath>),
    /// A form came from nobody: they hear that nothing was saved, log in, and come back to this path.
    NothingSaved(Option<OwnPath>),
    /// The password is a generated one, and has to be changed before anything else.
    ChangePasswordFirst,
    /// This browser is somebody else by now than whom the form was shown to.
    SomebodyElse,
    /// A budget said no.
    TooMany {
        /// When it says yes again.
        until: OffsetDateTime,
        /// The present.
        now: OffsetDateTime,
    },
    /// More is asked at this moment than can be done; in a few seconds it can.
    Busy,
    /// The database does not answer.
    DatabaseGone(anyhow::Error),
    /// The fault is ours; the cause is logged and never shown.
    Internal(anyhow::Error),
}

impl From<sqlx::Error> for PageError {
    fn from(error: sqlx::Error) -> Self {
        match database::is_gone(&error) {
            true => Self::DatabaseGone(error.into()),
            false => Self::Internal(error.into()),
        }
    }
}

impl From<Busy> for PageError {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

impl From<session::Error> for PageError {
    fn from(error: session::Error) -> Self {
        match error {
            // Our store's statements are checked when the program is built: what fails is the way.
            session::Error::Store(session_store::Error::Backend(_)) => Self::DatabaseGone(error.into()),
            _ => Self::Internal(error.into()),
        }
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND.into_response(),
            Self::Forbidden => StatusCode::FORBIDDEN.into_response(),
            Self::LogInFirst(next) => log_in_first("log-in-first", next.as_ref()),
            Self::NothingSaved(next) => log_in_first("nothing-saved", next.as_ref()),
            Self::ChangePasswordFirst => Redirect::to(CHANGE_PASSWORD).into_response(),
            Self::SomebodyElse => StatusCode::CONFLICT.into_response(),
            Self::TooMany { until, now } => {
                let wait = (until - now).whole_seconds().max(0) + 1;
                (StatusCode::TOO_MANY_REQUESTS, retry_after(wait), Extension(Until(until))).into_response()
            }
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, retry_after(5)).into_response(),
            Self::DatabaseGone(cause) => {
                tracing::error!(cause = format!("{cause:#}"), "the database does not answer");
                (StatusCode::SERVICE_UNAVAILABLE, retry_after(10)).into_response()
            }
            Self::Internal(cause) => {
                tracing::error!(cause = format!("{cause:#}"), "a request failed");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// Refuses what a spent budget does not allow.
///
/// # Errors
/// [`PageError::TooMany`] where it is spent.
pub fn refuse_spent(usage: Usage, now: OffsetDateTime) -> Result<(), PageError> {
    usage.spent_until().map_or(Ok(()), |until| Err(PageError::TooMany { until, now }))
}

/// When a budget says yes again, on its way to the error page.
#[derive(Clone, Copy)]
struct Until(OffsetDateTime);

fn retry_after(seconds: i64) -> [(HeaderName, String); 1] {
    [(header::RETRY_AFTER, seconds.to_string())]
}

/// Leads to where somebody logs in first, and comes back from.
fn log_in_first(because: &str, next: Option<&OwnPath>) -> Response {
    Redirect::to(&log_in_address(because, next)).into_response()
}

/// Where somebody logs in, for a reason that the page knows, and comes back from to `next`.
pub fn log_in_address(because: &str, next: Option<&OwnPath>) -> String {
    let mut query = form_urlencoded::Serializer::new(format!("/login?because={because}"));
    if let Some(next) = next {
        query.append_pair("next", next.as_str());
    }
    query.finish()
}

/// The error page.
#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    title: &'a str,
    words: &'a str,
    /// When one can try again, with the present.
    until: Option<(OffsetDateTime, OffsetDateTime)>,
    /// The page of a form that somebody else was shown.
    again: Option<String>,
    request_id: &'a str,
}

/// Gives every refusal that has no page of its own the error page: ours from [`PageError`], and
/// those of the framework (no such address, wrong method, body too large or unreadable).
pub async fn dress(State(app): State<App>, request: Request, next: Next) -> Response {
    let request_id = request.extensions().get::<RequestId>().cloned().unwrap_or_default();
    let session = request.extensions().get::<Session>().cloned();
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let status = response.status();
    let has_page = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if has_page || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let until = response.extensions().get::<Until>().map(|Until(until)| (*until, app.clock.now()));
    let (title, words) = words(status);
    let frame = match status {
        // The database would only be waited for once more.
        StatusCode::SERVICE_UNAVAILABLE => Frame::of_nobody(&app),
        _ => Frame::of(&app, session.as_ref()).await.unwrap_or_else(|_| Frame::of_nobody(&app)),
    };
    let page = ErrorPage {
        frame,
        title,
        words,
        until,
        again: (status == StatusCode::CONFLICT).then_some(path),
        request_id: request_id.as_str(),
    };
    let mut dressed = page.with_status(status);
    for kept in [header::RETRY_AFTER, header::ALLOW] {
        for value in response.headers().get_all(&kept) {
            dressed.headers_mut().append(&kept, value.clone());
        }
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        dressed.headers_mut().entry(header::RETRY_AFTER).or_insert(HeaderValue::from_static("10"));
    }
    dressed
}

/// What happened and what to do next, by status.
fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::NOT_FOUND => (
            "There is no such page",
            "The address may be mistyped, or what stood here has run out. A link from a letter must be opened whole.",
        ),
        StatusCode::FORBIDDEN => (
            "This form was not sent from this site",
            "Nothing was changed. Open the form here, on this site, and send it again.",
        ),
        StatusCode::CONFLICT => (
            "You are somebody else here by now",
            "Nothing was changed: this form was shown to somebody else than whom this browser is logged in as by now. The \
             top of this page says who that is.",
        ),
        StatusCode::METHOD_NOT_ALLOWED => {
            ("This page cannot be used like that", "Open it from the site's own pages.")
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            ("That was too much", "The form holds more than this site takes. Shorten it and send it again.")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            ("This form cannot be read", "Open the form here, on this site, and send it again.")
        }
        StatusCode::TOO_MANY_REQUESTS => {
            ("Too many attempts", "There were too many attempts from your network.")
        }
        StatusCode::SERVICE_UNAVAILABLE => (
            "The site is not able to answer just now",
            "Nothing is lost that was confirmed to you. Wait a few seconds, then go back and try again.",
        ),
        status if status.is_client_error() => (
            "This cannot be read",
            "Something in the address or the form is damaged. Open the page or the link again.",
        ),
        _ => (
            "Something went wrong on our side",
            "It was not your fault, and it is written down. Go back and try again.",
        ),
    }
}
