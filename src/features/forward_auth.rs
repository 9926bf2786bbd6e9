//! Who is logged in, for the rest of the marketplace: a reverse proxy asks before it passes a request on.

use axum::{
    Router,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{
    accounts::sessions::SignedIn,
    domain::OwnPath,
    web::{
        error::{PageError, log_in_address},
        session::CHANGE_PASSWORD,
        state::App,
    },
};

const USER_ID: HeaderName = HeaderName::from_static("x-user-id");
const ACCOUNT_ID: HeaderName = HeaderName::from_static("x-account-id");
const ACCOUNT_TYPE: HeaderName = HeaderName::from_static("x-account-type");
const COUNTERPART_ID: HeaderName = HeaderName::from_static("x-counterpart-id");
const NO_STORE: (HeaderName, HeaderValue) = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));

/// `GET /auth/check`.
pub fn routes() -> Router<App> {
    Router::new().route("/auth/check", get(check))
}

/// 204 with who it is in its header; or 401 with where to go first, which leads on to the address that the
/// proxy names in `X-Forwarded-Uri`.
async fn check(signed_in: Result<SignedIn, PageError>, asked: HeaderMap) -> Result<Response, PageError> {
    let first = match signed_in {
        Ok(signed_in) => return Ok((StatusCode::NO_CONTENT, told(&signed_in)?).into_response()),
        Err(PageError::ChangePasswordFirst) => CHANGE_PASSWORD.to_owned(),
        Err(PageError::LogInFirst(_) | PageError::NothingSaved(_)) => {
            let wanted = asked.get("x-forwarded-uri").and_then(|path| OwnPath::parse(path.to_str().ok()?));
            log_in_address("log-in-first", wanted.as_ref())
        }
        Err(error) => return Err(error),
    };
    Ok((StatusCode::UNAUTHORIZED, [NO_STORE, (header::LOCATION, value(first)?)]).into_response())
}

/// The counterpart is empty where there is none: Caddy 2.6 would pass the name of its placeholder on for a
/// header that is not there.
fn told(signed_in: &SignedIn) -> Result<HeaderMap, PageError> {
    Ok(HeaderMap::from_iter([
        NO_STORE,
        (USER_ID, value(signed_in.user_id)?),
        (ACCOUNT_ID, value(signed_in.account_id)?),
        (ACCOUNT_TYPE, HeaderValue::from_static(signed_in.account_type.as_str())),
        (COUNTERPART_ID, value(signed_in.counterpart_id.map_or_else(String::new, |id| id.to_string()))?),
    ]))
}

fn value(id: impl ToString) -> Result<HeaderValue, PageError> {
    HeaderValue::try_from(id.to_string()).map_err(|error| PageError::Internal(error.into()))
}
