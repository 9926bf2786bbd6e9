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
        pairs::{self, Counterpart},
        sessions::{self, SignedIn},
        users,
    },
    domain::{AccountId, ActivityId, Client, UserId},
    regions::Languages,
    web::{
        device::Device,
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
    device: Device,
    Query(query): Query<DetailsQuery>,
) -> Result<Response, PageError> {
    let mut connection = app.database.acquire().await?;
    let stored = store::details(&mut connection, signed_in.account_id).await?;
    let has_counterpart = counterpart(&app, &mut connection, &signed_in, device).await?.is_some();
    let news = news(&mut connection, &signed_in, &query.saved, &frame.languages).await?;
    let form = DetailsForm::of(&stored, &signed_in, &frame.languages);
    Ok(DetailsPage::new(frame, &signed_in, form, has_counterpart, news).ok())
}

/// The other account of the pair, where who is here could switch to it by the button alone.
async fn counterpart(
    app: &App,
    connection: &mut PgConnection,
    signed_in: &SignedIn,
    device: Device,
) -> sqlx::Result<Option<Counterpart>> {
    if signed_in.counterpart_id.is_none() {
        return Ok(None);
    }
    let must_change = app.config.generated_password_must_change;
    let other = pairs::counterpart(connection, signed_in.account_id, device.0, must_change).await?;
    Ok(other.filter(|other| other.barred.is_none() && !other.wants_password))
}

async fn news(
    connection: &mut PgConnection,
    signed_in: &SignedIn,
    saved: &str,
    languages: &Languages,
) -> sqlx::Result<Option<News>> {
    if saved == NOTHING {
        return Ok(Some(News::NothingChanged));
    }
    let Ok(id) = saved.parse() else { return Ok(None) };
    let entry = activity::by_id(connection, signed_in.user_id, id).await?;
    Ok(entry.and_then(|entry| News::of(entry, signed_in, languages)))
}

/// `POST /profile/details`: saves what was changed in the form.
pub async fn submit(
    State(app): State<App>,
    frame: Frame,
    signed_in: SignedIn,
    client: Client,
    device: Device,
    Form(mut form): Form<DetailsForm>,
) -> Result<Response, PageError> {
    let now = app.clock.now();
    let mut tx = app.database.begin().await?;
    let other = hold(&app, &mut tx, &signed_in, device).await?;
    if let Some(answer) = form.shown_to.answered(&app, &mut tx, &signed_in).await? {
        return Ok(answer);
    }
    let stored = store::details(&mut tx, signed_in.account_id).await?;
    let Some(wanted) = form.understand(&stored, &frame.languages) else {
        return Ok(DetailsPage::new(frame, &signed_in, form, other.is_some(), None).unprocessable());
    };
    let Some(mut change) = change::between(signed_in.account_id, &stored, &wanted) else {
        return Ok(Redirect::to(&showing(NOTHING)).into_response());
    };
    if let Some(other) = other.filter(|_| form.changes_both()) {
        let theirs = store::details(&mut tx, other.account_id).await?;
        let wanted = change::applied(&change, &theirs);
        if let Some(their_change) = change::between(other.account_id, &theirs, &wanted) {
            let event = Event::DetailsChanged(their_change);
            store::set_details(&mut tx, other.account_id, &wanted).await?;
            change.counterpart =
                Some(activity::record(&mut tx, other.user_id, &event, Some(&client), now).await?);
        }
    }
    let event = Event::DetailsChanged(change);
    let redirect = save(&mut tx, &form.shown_to, &signed_in, &client, &wanted, &event, now).await?;
    tx.commit().await?;
    Ok(redirect.into_response())
}

/// Holds the account, and its counterpart where that can be changed too, first of all: so the same form sent
/// twice at once finds what the other one did.
async fn hold(
    app: &App,
    connection: &mut PgConnection,
    signed_in: &SignedIn,
    device: Device,
) -> sqlx::Result<Option<Counterpart>> {
    let seen = counterpart(app, connection, signed_in, device).await?;
    let users: Vec<_> =
        [signed_in.user_id].into_iter().chain(seen.as_ref().map(|seen| seen.user_id)).collect();
    users::hold(connection, &users).await?;
    // Looked up again, now that nobody unlinks them, or ends this session.
    let other = match sessions::is_live(connection, signed_in.session).await? {
        true => counterpart(app, connection, signed_in, device).await?,
        false => None,
    };
    let is_same = |other: &Counterpart| seen.as_ref().is_some_and(|seen| seen.account_id == other.account_id);
    let other = other.filter(is_same);
    let accounts: Vec<_> =
        [signed_in.account_id].into_iter().chain(other.as_ref().map(|other| other.account_id)).collect();
    store::hold(connection, &accounts).await?;
    Ok(other)
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
    device: Device,
    Form(form): Form<TakeBackForm>,
) -> Result<Response, PageError> {
    let now = app.clock.now();
    let mut tx = app.database.begin().await?;
    let other = hold(&app, &mut tx, &signed_in, device).await?;
    if let Some(answer) = form.shown_to.answered(&app, &mut tx, &signed_in).await? {
        return Ok(answer);
    }
    let stored = store::details(&mut tx, signed_in.account_id).await?;
    let change = change_of(&mut tx, signed_in.user_id, signed_in.account_id, &form.change).await?;
    let change = change.ok_or(PageError::NotFound)?;
    let Some((mut reverse, restored)) = reversed(&change, &stored) else {
        return Ok(not_taken_back(frame, &signed_in, &change, &stored, other.is_some()));
    };
    if let (Some(other), Some(entry)) = (other, change.counterpart) {
        let theirs = store::details(&mut tx, other.account_id).await?;
        let their_change = change_of(&mut tx, other.user_id, other.account_id, &entry.to_string()).await?;
        // Where that was changed again since, it stays.
        if let Some((their_reverse, restored)) = their_change.and_then(|change| reversed(&change, &theirs)) {
            let event = Event::DetailsTakenBack(their_reverse);
            store::set_details(&mut tx, other.account_id, &restored).await?;
            reverse.counterpart =
                Some(activity::record(&mut tx, other.user_id, &event, Some(&client), now).await?);
        }
    }
    let event = Event::DetailsTakenBack(reverse);
    let redirect = save(&mut tx, &form.shown_to, &signed_in, &client, &restored, &event, now).await?;
    tx.commit().await?;
    Ok(redirect.into_response())
}

/// The details with a change taken back, and what that changes; `None` where it stands no longer.
fn reversed(change: &DetailsChange, stored: &Details) -> Option<(DetailsChange, Details)> {
    let restored = change::take_back(change, stored)?;
    Some((change::between(change.account_id, stored, &restored)?, restored))
}

/// The change of an account that an entry of its user's activity tells of.
async fn change_of(
    connection: &mut PgConnection,
    user: UserId,
    account: AccountId,
    id: &str,
) -> sqlx::Result<Option<DetailsChange>> {
    let Ok(id) = id.parse::<ActivityId>() else { return Ok(None) };
    let entry = activity::by_id(connection, user, id).await?;
    Ok(match entry.and_then(|entry| entry.event) {
        Some(Event::DetailsChanged(change)) if change.account_id == account => Some(change),
        _ => None,
    })
}

fn not_taken_back(
    frame: Frame,
    signed_in: &SignedIn,
    change: &DetailsChange,
    stored: &Details,
    has_counterpart: bool,
) -> Response {
    let news = News::NotTakenBack(change::lines_now(change, stored, &frame.languages));
    let form = DetailsForm::of(stored, signed_in, &frame.languages);
    DetailsPage::new(frame, signed_in, form, has_counterpart, Some(news)).unprocessable()
}

/// Where a change is shown.
fn showing(saved: &str) -> String {
    format!("{DETAILS}?saved={saved}")
}
