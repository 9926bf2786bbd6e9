use axum::{
    extract::{Query, State},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{
    DETAILS, change,
    form::DetailsForm,
    page::{DetailsPage, News},
    store::{self, Details},
};
use crate::{
    accounts::{
        activity::{self, DetailsChange, Event},
        sessions::SignedIn,
    },
    domain::{ActivityId, Client},
    web::{
        error::PageError,
        form::Form,
        page::{Frame, Page},
        signed_in_form::ShownTo,
        state::App,
    },
};

/// What stands for an entry of the activity where nothing was changed.
const NOTHING: &str = "nothing";

/// Which change the page is to show.
#[derive(Deserialize)]
pub struct DetailsQuery {
    #[serde(default)]
    saved: String,
}

/// The form that takes a change back.
#[derive(Deserialize)]
pub struct TakeBackForm {
    #[serde(flatten)]
    shown_to: ShownTo,
    #[serde(default)]
    change: String,
}

/// `GET /profile/details`, with what was just saved.
pub async fn show(
    State(app): State<App>,
    frame: Frame,
    signed_in: SignedIn,
    Query(query): Query<DetailsQuery>,
) -> Result<Response, PageError> {
    let mut connection = app.database.acquire().await?;
    let stored = store::details(&mut connection, signed_in.account_id).await?;
    let news = news(&mut connection, &signed_in, &query.saved).await?;
    Ok(DetailsPage::new(frame, &signed_in, DetailsForm::of(&stored, &signed_in), news).ok())
}

async fn news(
    connection: &mut PgConnection,
    signed_in: &SignedIn,
    saved: &str,
) -> sqlx::Result<Option<News>> {
    if saved == NOTHING {
        return Ok(Some(News::NothingChanged));
    }
    let Ok(id) = saved.parse() else { return Ok(None) };
    let entry = activity::by_id(connection, signed_in.user_id, id).await?;
    Ok(entry.and_then(|entry| News::of(entry, signed_in)))
}

/// `POST /profile/details`: saves what was changed in the form.
pub async fn submit(
    State(app): State<App>,
    frame: Frame,
    signed_in: SignedIn,
    client: Client,
    Form(mut form): Form<DetailsForm>,
) -> Result<Response, PageError> {
    let now = app.clock.now();
    let mut tx = app.database.begin().await?;
    // Held first, so that the same form sent twice at once finds what the other one did.
    let stored = store::details_for_update(&mut tx, signed_in.account_id).await?;
    if let Some(answer) = form.shown_to.answered(&app, &mut tx, &signed_in).await? {
        return Ok(answer);
    }
    let Some(wanted) = form.understand(&stored) else {
        return Ok(DetailsPage::new(frame, &signed_in, form, None).unprocessable());
    };
    let Some(change) = change::between(signed_in.account_id, &stored, &wanted) else {
        return Ok(Redirect::to(&showing(NOTHING)).into_response());
    };
    let event = Event::DetailsChanged(change);
    let redirect = save(&mut tx, &form.shown_to, &signed_in, &client, &wanted, &event, now).await?;
    tx.commit().await?;
    Ok(redirect.into_response())
}

/// Gives an account other details, writes down that it was done, and leads to where that is shown.
async fn save(
    connection: &mut PgConnection,
    shown_to: &ShownTo,
    signed_in: &SignedIn,
    client: &Client,
    details: &Details,
    event: &Event,
    now: OffsetDateTime,
) -> sqlx::Result<Redirect> {
    store::set_details(connection, signed_in.account_id, details).await?;
    let id = activity::record(connection, signed_in.user_id, event, Some(client), now).await?;
    let redirect = showing(&id.to_string());
    shown_to.accept(connection, &redirect, now).await?;
    Ok(Redirect::to(&redirect))
}

/// `POST /profile/details/take-back`: puts back what a change replaced, where it still stands.
pub async fn take_back(
    State(app): State<App>,
    frame: Frame,
    signed_in: SignedIn,
    client: Client,
    Form(form): Form<TakeBackForm>,
) -> Result<Response, PageError> {
    let now = app.clock.now();
    let mut tx = app.database.begin().await?;
    let stored = store::details_for_update(&mut tx, signed_in.account_id).await?;
    if let Some(answer) = form.shown_to.answered(&app, &mut tx, &signed_in).await? {
        return Ok(answer);
    }
    let change = change_of(&mut tx, &signed_in, &form.change).await?.ok_or(PageError::NotFound)?;
    let taken_back = change::take_back(&change, &stored)
        .and_then(|restored| Some((change::between(signed_in.account_id, &stored, &restored)?, restored)));
    let Some((reverse, restored)) = taken_back else {
        return Ok(not_taken_back(frame, &signed_in, &change, &stored));
    };
    let event = Event::DetailsTakenBack(reverse);
    let redirect = save(&mut tx, &form.shown_to, &signed_in, &client, &restored, &event, now).await?;
    tx.commit().await?;
    Ok(redirect.into_response())
}

/// The change of this account that a form speaks of.
async fn change_of(
    connection: &mut PgConnection,
    signed_in: &SignedIn,
    id: &str,
) -> sqlx::Result<Option<DetailsChange>> {
    let Ok(id) = id.parse::<ActivityId>() else { return Ok(None) };
    let entry = activity::by_id(connection, signed_in.user_id, id).await?;
    Ok(match entry.and_then(|entry| entry.event) {
        Some(Event::DetailsChanged(change)) if change.account_id == signed_in.account_id => Some(change),
        _ => None,
    })
}

fn not_taken_back(frame: Frame, signed_in: &SignedIn, change: &DetailsChange, stored: &Details) -> Response {
    let news = News::NotTakenBack(change::lines_now(change, stored));
    DetailsPage::new(frame, signed_in, DetailsForm::of(stored, signed_in), Some(news)).unprocessable()
}

/// Where a change is shown.
fn showing(saved: &str) -> String {
    format!("{DETAILS}?saved={saved}")
}
