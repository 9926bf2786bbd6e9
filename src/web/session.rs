//! Sessions: tower-sessions keeps the cookie, `accounts::sessions` the rows.
//!
//! A session is made by logging in, or by switching to a linked user, and by nothing else; its row's
//! columns are written then and by statements that name them, so that nothing is ever saved as a
//! whole. What ends a session deletes its row, and a request that was under way cannot bring it back.

use async_trait::async_trait;
use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::{HeaderValue, Method, header, request::Parts},
    response::Response,
};
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use tower_sessions::{
    Expiry, Session, SessionManagerLayer, SessionStore,
    cookie::SameSite,
    session::{self, Id, Record},
    session_store::{self, Error},
};

use super::{
    device::Device,
    error::PageError,
    page::{Frame, Here},
    signed_in_form::ShownTo,
    state::App,
};
use crate::{
    accounts::{
        pairs::Counterpart,
        sessions::{self, NewSession, SignedIn},
    },
    domain::{AccountId, Client, EmailAddress, OwnPath, PasswordHash, TokenHash, UserId},
    platform::clock::Clock,
    regions::Languages,
};

/// Where another password is chosen: all that a generated one opens where it must be changed.
pub const CHANGE_PASSWORD: &str = "/profile/password";

/// Where who has logged out arrives.
pub const LOGGED_OUT: &str = "/login?because=logged-out";

/// The key under which a new session's columns travel to the store.
const NEW: &str = "new";
/// The key under which the id travels to the store of a session whose row is there already.
const MADE: &str = "made";
/// The key under which a session that was found says whose it is.
const SIGNED_IN: &str = "signed_in";

/// tower-sessions' store, over our own table.
#[derive(Clone, Debug)]
pub struct Store {
    database: PgPool,
    clock: Clock,
}

/// The layer that gives every request its session and sets the cookie.
pub fn layer(app: &App) -> SessionManagerLayer<Store> {
    let secure = app.config.public_url.is_https();
    SessionManagerLayer::new(Store { database: app.database.clone(), clock: app.clock.clone() })
        .with_name(cookie_name("session", secure))
        .with_secure(secure)
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_path("/")
        .with_expiry(Expiry::OnSessionEnd)
}

/// The name of one of our two cookies. Over TLS it binds the cookie to this host alone
/// (RFC 6265bis, section 4.1.3.2); over plain http on localhost browsers refuse that prefix.
pub fn cookie_name(name: &'static str, secure: bool) -> &'static str {
    match (name, secure) {
        ("session", true) => "__Host-session",
        ("device", true) => "__Host-device",
        (plain, _) => plain,
    }
}

/// Who logs in, and by what they proved it.
#[derive(Clone, Copy, Debug)]
pub struct Proved<'a> {
    /// The user.
    pub user_id: UserId,
    /// The account to log in to.
    pub account_id: AccountId,
    /// What the password was compared with. Where it no longer holds, there is no session.
    pub password_hash: &'a PasswordHash,
}

/// Logs in: ends the session that this browser had, and makes a new one with a new id.
///
/// # Errors
/// Where the database fails.
pub async fn log_in(
    app: &App,
    session: &Session,
    client: Client,
    device: Device,
    proved: Proved<'_>,
    remember: bool,
) -> Result<(), PageError> {
    log_out(session).await?;
    let expiry = match remember {
        true => Expiry::AtDateTime(app.clock.now() + sessions::REMEMBERED),
        false => Expiry::OnSessionEnd,
    };
    session.set_expiry(Some(expiry));
    let new = NewSession {
        user_id: proved.user_id,
        account_id: proved.account_id,
        proved: TokenHash::of(proved.password_hash.as_str().as_bytes()),
        device: device.0,
        remember,
        client,
    };
    session.insert(NEW, new).await?;
    // Saved here rather than by the layer, so that the person hears of a failure.
    session.save().await?;
    Ok(())
}

/// Switches this browser's session to the counterpart of its account, in a transaction that holds the users
/// of both. For another user it is a new session, in the place of the old one; `None` where that was ended.
///
/// # Errors
/// When the database fails.
pub async fn switch(
    connection: &mut PgConnection,
    signed_in: &SignedIn,
    to: &Counterpart,
    client: &Client,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Switched>> {
    if to.user_id == signed_in.user_id {
        sessions::switch_within(connection, signed_in, to.account_id, now).await?;
        return Ok(Some(Switched(None)));
    }
    let id = Id::default();
    let made = sessions::switch(connection, signed_in, to, id_hash(&id), client, now).await?;
    Ok(made.map(|(expires_at, remember)| {
        let expiry = if remember { Expiry::AtDateTime(expires_at) } else { Expiry::OnSessionEnd };
        Switched(Some((id, expiry)))
    }))
}

/// A session that was switched, whose browser does not know it yet.
pub struct Switched(Option<(Id, Expiry)>);

impl Switched {
    /// Gives the browser the cookie of its new session, where it is one. Once the transaction is committed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tell(self, session: &Session) -> Result<(), PageError> {
        if let Some((id, expiry)) = self.0 {
            // The row of the old one is gone, and this one's is there: nothing else is written.
            session.flush().await?;
            session.set_expiry(Some(expiry));
            session.insert(MADE, id.to_string()).await?;
            session.save().await?;
        }
        Ok(())
    }
}

/// Ends this browser's session, where it has one.
///
/// # Errors
/// Where the database fails.
pub async fn log_out(session: &Session) -> Result<(), PageError> {
    if session.id().is_some() {
        session.flush().await?;
    }
    Ok(())
}

/// Who asks, where a page needs somebody: anybody else logs in first and comes back.
impl FromRequestParts<App> for SignedIn {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, PageError> {
        let signed_in = <Self as OptionalFromRequestParts<App>>::from_request_parts(parts, app).await?;
        match signed_in {
            Some(signed_in) if app.config.generated_password_must_change => {
                let may_go_on = !signed_in.password_is_generated || parts.uri.path() == CHANGE_PASSWORD;
                may_go_on.then_some(signed_in).ok_or(PageError::ChangePasswordFirst)
            }
            Some(signed_in) => Ok(signed_in),
            None => {
                // The form of a POST stands at its own address.
                let wanted = parts.uri.path_and_query().filter(|_| parts.method == Method::GET);
                let wanted = wanted.map_or(parts.uri.path(), |path| path.as_str());
                let wanted = OwnPath::parse(wanted);
                Err(match parts.method {
                    Method::GET => PageError::LogInFirst(wanted),
                    _ => PageError::NothingSaved(wanted),
                })
            }
        }
    }
}

impl OptionalFromRequestParts<App> for SignedIn {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Option<Self>, PageError> {
        Ok(signed_in(parts.extensions.get()).await?)
    }
}

/// Who is logged in with this session. It is looked up once a request, and without a cookie not at
/// all.
async fn signed_in(session: Option<&Session>) -> Result<Option<SignedIn>, session::Error> {
    match session {
        Some(session) if session.id().is_some() => session.get(SIGNED_IN).await,
        _ => Ok(None),
    }
}

impl FromRequestParts<App> for Frame {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, PageError> {
        let Ok(languages) = Languages::from_request_parts(parts, app).await;
        Ok(Self { languages, ..Self::of(app, parts.extensions.get()).await? })
    }
}

impl Frame {
    /// The frame of a page that is shown with this session.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn of(app: &App, session: Option<&Session>) -> Result<Self, session::Error> {
        let here = signed_in(session).await?.map(|signed_in| Here {
            switch: signed_in.counterpart_id.map(|_| ShownTo::new(&signed_in)),
            name: signed_in.display_name.map_or_else(|| signed_in.email.to_string(), |name| name.to_string()),
            account_type: signed_in.account_type,
        });
        Ok(Self { here, ..Self::of_nobody(app) })
    }

    /// The frame of a page that knows nothing of who looks at it.
    pub fn of_nobody(app: &App) -> Self {
        Self {
            here: None,
            languages: Languages::default(),
            support_email: app.config.support_email.as_ref().map(EmailAddress::to_string),
            has_dev_mailbox: app.config.has_dev_mailbox(),
        }
    }
}

/// tower-sessions takes its cookie away without `Secure`, and browsers do not listen to that under
/// a `__Host-` name.
pub async fn mend_removal(mut response: Response) -> Response {
    let is_bare = |value: &HeaderValue| {
        value.as_bytes().starts_with(b"__Host-session=;") && !value.as_bytes().ends_with(b"; Secure")
    };
    if response.headers().get_all(header::SET_COOKIE).iter().any(is_bare) {
        let mended: Vec<HeaderValue> = response
            .headers()
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|value| match is_bare(value) {
                true => HeaderValue::from_static(
                    "__Host-session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure",
                ),
                false => value.clone(),
            })
            .collect();
        response.headers_mut().remove(header::SET_COOKIE);
        for value in mended {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

#[async_trait]
impl SessionStore for Store {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        if let Some(made) = record.data.remove(MADE) {
            let made = made.as_str().and_then(|id| id.parse().ok());
            record.id = made.ok_or_else(|| Error::Decode("no id of a session".to_owned()))?;
            return Ok(());
        }
        let Some(new) = record.data.remove(NEW) else {
            return Err(Error::Backend("a session is made by logging in".to_owned()));
        };
        let new: NewSession =
            serde_json::from_value(new).map_err(|error| Error::Decode(error.to_string()))?;
        let mut connection = self.database.acquire().await.map_err(backend)?;
        // Never the id that the browser came with, which somebody may have planted there. It has 128
        // random bits: one that exists already is an error, not a case.
        record.id = Id::default();
        sessions::insert(&mut connection, id_hash(&record.id), &new, self.clock.now()).await.map_err(backend)
    }

    async fn save(&self, _: &Record) -> session_store::Result<()> {
        Ok(())
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let now = self.clock.now();
        let mut connection = self.database.acquire().await.map_err(backend)?;
        let Some((signed_in, expires_at)) =
            sessions::load(&mut connection, id_hash(id), now).await.map_err(backend)?
        else {
            return Ok(None);
        };
        if signed_in.last_seen_at < now - sessions::SEEN_EVERY {
            sessions::touch(&mut connection, id_hash(id), now).await.map_err(backend)?;
        }
        let data = [(SIGNED_IN.to_owned(), encode(&signed_in)?)].into();
        Ok(Some(Record { id: *id, data, expiry_date: expires_at }))
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        let mut connection = self.database.acquire().await.map_err(backend)?;
        sessions::delete(&mut connection, id_hash(id)).await.map_err(backend)
    }
}

/// What the table knows of a session's id.
fn id_hash(id: &Id) -> TokenHash {
    TokenHash::of(&id.0.to_be_bytes())
}

fn encode(value: &impl Serialize) -> Result<serde_json::Value, Error> {
    serde_json::to_value(value).map_err(|error| Error::Encode(error.to_string()))
}

fn backend(error: sqlx::Error) -> Error {
    Error::Backend(error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_sessions_id_has_one_spelling(text in prop_oneof!["(?s).{0,40}", "[A-Za-z0-9_-]{22}"]) {
            if let Ok(id) = text.parse::<Id>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
