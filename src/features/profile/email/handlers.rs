use axum::{
    extract::{Query, State},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use time::OffsetDateTime;

use super::{
    form::{CancelForm, EmailChangeForm, EmailChangeRequest},
    letter::EmailChangeLetter,
    page::{self, EmailChangePage},
};
use crate::{
    accounts::{
        activity::{self, Event},
        budgets::{self, Subject},
        email_changes,
        sessions::SignedIn,
        users,
    },
    domain::{Client, EmailChangeId},
    mail,
    web::{
        device::Device,
        error::PageError,
        form::Form,
        page::{Frame, Page},
        signed_in_form::ShownTo,
        state::App,
    },
};

/// Where asking leads, whoever has the address.
const ASKED: &str = "/profile/email?because=letter";
/// Where cancelling leads.
const CANCELLED: &str = "/profile/email?because=cancelled";

/// What a link to the page says.
#[derive(Deserialize)]
pub struct EmailChangeQuery {
    #[serde(default)]
    because: String,
}

/// `GET /profile/email`.
pub async fn show(
    State(app): State<App>,
    frame: Frame,
    signed_in: SignedIn,
    client: Client,
    Query(query): Query<EmailChangeQuery>,
) -> Result<Response, PageError> {
    let mut form = EmailChangeForm::new(&signed_in);
    form.proof.letters_until = letters_until(&app, &client).await?;
    form.proof.keep_captcha(&app).await?;
    let page = page(&app, frame, signed_in, form).await?;
    Ok(EmailChangePage { because: page::because(&query.because), ..page }.ok())
}

/// `POST /profile/email`: promises a letter to the new address, whoever has that.
pub async fn submit(
    State(app): State<App>,
    frame: Frame,
    signed_in: SignedIn,
    client: Client,
    device: Device,
    Form(mut form): Form<EmailChangeForm>,
) -> Result<Response, PageError> {
    if let Some(answer) = form.shown_to.answered_before(&app, &signed_in).await? {
        return Ok(answer);
    }
    form.proof.letters_until = letters_until(&app, &client).await?;
    if form.proof.wants_another_captcha() {
        form.proof.keep_captcha(&app).await?;
        return Ok(page(&app, frame, signed_in, form).await?.ok());
    }
    let request = match form.understand(&app, &client, device, &signed_in).await? {
        Ok(request) => request,
        Err(form) => return Ok(page(&app, frame, signed_in, form).await?.unprocessable()),
    };
    ask(&app, &request, &signed_in, &client).await?;
    Ok(Redirect::to(ASKED).into_response())
}

/// Until when the letters of this client want a captcha, where they do.
async fn letters_until(app: &App, client: &Client) -> sqlx::Result<Option<OffsetDateTime>> {
    let mut connection = app.database.acquire().await?;
    app.budgets.letters_spent_until(&mut connection, client, app.clock.now()).await
}

/// The page as it is at present.
async fn page(
    app: &App,
    frame: Frame,
    signed_in: SignedIn,
    form: EmailChangeForm,
) -> sqlx::Result<EmailChangePage<'_>> {
    let now = app.clock.now();
    let pending = email_changes::pending(&mut *app.database.acquire().await?, signed_in.user_id, now).await?;
    // A form each, so that each is accepted for itself.
    let pending = pending.into_iter().map(|change| (change, ShownTo::new(&signed_in))).collect();
    let (present, config) = (signed_in.email, &app.config);
    Ok(EmailChangePage { frame, form, present, pending, because: None, config, now })
}

/// Writes the wish down, with its letter where the recipient's budget has one left.
async fn ask(
    app: &App,
    request: &EmailChangeRequest,
    signed_in: &SignedIn,
    client: &Client,
) -> Result<(), PageError> {
    let (now, email) = (app.clock.now(), &request.email);
    let mut tx = app.database.begin().await?;
    if !request.shown_to.accept(&mut tx, ASKED, now).await? {
        // The same form, sent twice at once: the other one asked.
        return Ok(());
    }
    let Some(user) = users::by_id_for_update(&mut tx, signed_in.user_id).await? else {
        return Err(PageError::LogInFirst(None));
    };
    // Another tab may have made it theirs meanwhile.
    if user.email.key() != email.key() {
        let id = email_changes::ask(&mut tx, user.id, email, now).await?;
        let event = Event::EmailChangeAsked { email: email.clone() };
        activity::record(&mut tx, user.id, &event, Some(client), now).await?;
        app.budgets.spend(&mut tx, &[budgets::letters_of(client)], now).await?;
        let recipient = Subject::address(email);
        if app.budgets.spend_if_free(&mut tx, budgets::EMAIL_CHANGE_LETTERS, recipient, now).await? {
            mail::enqueue::<EmailChangeLetter>(&mut tx, email, Some(id.0), now).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}

/// `GET /profile/email/cancel`: the buttons stand on the page of the changes.
pub async fn show_cancel() -> Redirect {
    Redirect::to("/profile/email")
}

/// `POST /profile/email/cancel`: gives a wish up. One that is over already stays so.
pub async fn cancel(
    State(app): State<App>,
    signed_in: SignedIn,
    client: Client,
    Form(form): Form<CancelForm>,
) -> Result<Response, PageError> {
    let now = app.clock.now();
    let mut tx = app.database.begin().await?;
    if let Some(answer) = form.shown_to.answered(&app, &mut tx, &signed_in).await? {
        return Ok(answer);
    }
    let id: EmailChangeId = form.change.parse().map_err(|_| PageError::NotFound)?;
    if form.shown_to.accept(&mut tx, CANCELLED, now).await? {
        users::by_id_for_update(&mut tx, signed_in.user_id).await?;
        if let Some(email) = email_changes::cancel(&mut tx, signed_in.user_id, id).await? {
            let event = Event::EmailChangeCancelled { email };
            activity::record(&mut tx, signed_in.user_id, &event, Some(&client), now).await?;
        }
        tx.commit().await?;
    }
    Ok(Redirect::to(CANCELLED).into_response())
}
