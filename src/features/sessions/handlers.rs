use axum::{
    extract::{Query, State},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use tower_sessions::Session;

use super::{
    page::{SessionLine, SessionsPage, because},
    store::{self, SessionRow},
};
use crate::{
    accounts::{
        activity::{self, Event},
        sessions::{self, SignedIn},
        users,
    },
    domain::{Client, TokenHash},
    web::{
        error::PageError,
        form::Form,
        page::{Frame, Page},
        session::{self, LOGGED_OUT},
        signed_in_form::ShownTo,
        state::App,
    },
};

const PAGE: &str = "/profile/sessions";
const ENDED: &str = "/profile/sessions?because=ended";
const OTHERS_ENDED: &str = "/profile/sessions?because=others-ended";

/// What a link to the page says.
#[derive(Deserialize)]
pub struct SessionsQuery {
    #[serde(default)]
    because: String,
    /// Where the page begins: behind this one.
    before: Option<String>,
}

/// The button that ends one session, as it was sent.
#[derive(Deserialize)]
pub struct EndForm {
    #[serde(default)]
    session: String,
    #[serde(flatten)]
    shown_to: ShownTo,
}

/// `GET /profile/sessions`.
pub async fn show(
    State(app): State<App>,
    frame: Frame,
    signed_in: SignedIn,
    Query(query): Query<SessionsQuery>,
) -> Result<Response, PageError> {
    let now = app.clock.now();
    let place = query.before.as_deref().map(str::parse).transpose().map_err(|()| PageError::NotFound)?;
    let mut connection = app.database.acquire().await?;
    let here = store::this_one(&mut connection, &signed_in).await?;
    let (others, has_more) = store::others(&mut connection, &signed_in, place, now).await?;
    let page = SessionsPage {
        frame,
        here: here.map(|session| SessionLine::new(session, &signed_in)),
        older: others.last().filter(|_| has_more).map(SessionRow::place),
        others: others.into_iter().map(|session| SessionLine::new(session, &signed_in)).collect(),
        end_others: ShownTo::new(&signed_in),
        is_older: place.is_some(),
        because: because(&query.because),
        now,
    };
    Ok(page.ok())
}

/// `POST /profile/sessions/end`. To end this session is to log out.
pub async fn end(
    State(app): State<App>,
    session: Session,
    signed_in: Result<SignedIn, PageError>,
    client: Client,
    Form(form): Form<EndForm>,
) -> Result<Response, PageError> {
    let now = app.clock.now();
    let mut tx = app.database.begin().await?;
    let signed_in = match form.shown_to.sender(&app, &mut tx, signed_in).await? {
        Ok(signed_in) => signed_in,
        Err(answer) => return Ok(answer),
    };
    let id = TokenHash::parse(&form.session).ok_or(PageError::NotFound)?;
    let is_here = id == signed_in.session;
    let redirect = if is_here { LOGGED_OUT } else { ENDED };
    if form.shown_to.accept(&mut tx, redirect, now).await? && !is_here {
        users::hold(&mut tx, &[signed_in.user_id]).await?;
        let ended = store::end(&mut tx, signed_in.user_id, id).await?.ok_or(PageError::NotFound)?;
        let event = Event::SessionEnded { client: ended };
        activity::record(&mut tx, signed_in.user_id, &event, Some(&client), now).await?;
    }
    tx.commit().await?;
    if is_here {
        session::log_out(&session).await?;
    }
    Ok(Redirect::to(redirect).into_response())
}

/// `POST /profile/sessions/end-others`.
pub async fn end_others(
    State(app): State<App>,
    signed_in: SignedIn,
    client: Client,
    Form(shown_to): Form<ShownTo>,
) -> Result<Response, PageError> {
    let now = app.clock.now();
    let mut tx = app.database.begin().await?;
    if let Some(answer) = shown_to.answered(&app, &mut tx, &signed_in).await? {
        return Ok(answer);
    }
    // Held, so that none of them is being switched to a linked user meanwhile.
    users::hold(&mut tx, &[signed_in.user_id]).await?;
    if shown_to.accept(&mut tx, OTHERS_ENDED, now).await?
        && sessions::end_all(&mut tx, signed_in.user_id, Some(signed_in.session)).await? > 0
    {
        activity::record(&mut tx, signed_in.user_id, &Event::OtherSessionsEnded, Some(&client), now).await?;
    }
    tx.commit().await?;
    Ok(Redirect::to(OTHERS_ENDED).into_response())
}

/// `GET` on the address of a button.
pub async fn lead_to_page() -> Redirect {
    Redirect::to(PAGE)
}
