use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{
    form::{self, Field, NotMeForm},
    page::{NoNoticePage, NotMePage},
};
use crate::{
    accounts::{
        activity::{self, Event},
        credentials, deletion, email_changes, generated_passwords,
        notices::{self, Notice},
        pairs,
        users::{self, User},
    },
    domain::{Client, Token},
    web::{
        error::PageError,
        fields::captcha::CaptchaField,
        form::Form,
        letter_link::Link,
        page::{Frame, Page},
        signed_in_form::ShownTo,
        state::App,
    },
};

/// Where the button leads.
const DONE: &str = "/login?because=not-me";

/// `GET /not-me?token=`: shows what happened and what can be done, and changes nothing.
pub async fn show(
    State(app): State<App>,
    frame: Frame,
    Query(link): Query<Link>,
) -> Result<Response, PageError> {
    let mut connection = app.database.acquire().await?;
    let Some((notice, user)) = look_up(&mut connection, &link.token, app.clock.now()).await? else {
        return Ok(closed(frame, Refusal::Nothing));
    };
    let mut form = NotMeForm::new(link.token);
    let is_undo = is_undo(&notice, &user);
    if is_undo {
        form.captcha = CaptchaField::once_spent(&app, &mut connection, form::by_address(&notice)).await?;
    }
    Ok(page(&app, frame, form, notice, is_undo).ok())
}

/// `POST /not-me`: shuts everybody out, gives the address back where it was changed, and sends a new
/// password to it.
pub async fn submit(
    State(app): State<App>,
    frame: Frame,
    client: Client,
    Form(mut form): Form<NotMeForm>,
) -> Result<Response, PageError> {
    let mut connection = app.database.acquire().await?;
    let now = app.clock.now();
    let found = look_up(&mut connection, &form.token, now).await?;
    // Afterwards: the same form, sent twice at once, may have used the link up before it was looked up.
    if let Some(answer) = form.shown_to.answered(&app, &mut connection, None).await? {
        return Ok(answer);
    }
    let Some((notice, user)) = found else {
        return Ok(closed(frame, Refusal::Nothing));
    };
    let is_undo = is_undo(&notice, &user);
    if form.sent_captcha.wants_another() {
        form.captcha = CaptchaField::new(&app, &mut connection).await?;
        return Ok(page(&app, frame, form, notice, is_undo).ok());
    }
    drop(connection);
    if is_undo && !form.prove(&app, &client, &notice).await? {
        return Ok(page(&app, frame, form, notice, is_undo).unprocessable());
    }
    match disown(&app, &form.shown_to, &notice, is_undo, &client).await? {
        Ok(()) => Ok(Redirect::to(DONE).into_response()),
        Err(Refusal::WithoutPassword) => {
            form.complaints.add(Field::Password, "The address was changed just now. Enter the password.");
            Ok(page(&app, frame, form, notice, true).unprocessable())
        }
        Err(refusal) => Ok(closed(frame, refusal)),
    }
}

/// Why nothing is done.
enum Refusal {
    /// The link was used or ran out, an earlier notice was answered, or it never was.
    Nothing,
    /// Another user has the address by now.
    Taken,
    /// The address was changed while the button was pressed, so that a password is needed.
    WithoutPassword,
}

/// The answer to a link that can do nothing.
fn closed(frame: Frame, refusal: Refusal) -> Response {
    let is_taken = matches!(refusal, Refusal::Taken);
    let status = if is_taken { StatusCode::GONE } else { StatusCode::NOT_FOUND };
    NoNoticePage { frame, is_taken, days: notices::LIFETIME.whole_days() }.with_status(status)
}

/// The notice that a link speaks of, with its user, where it can be answered.
async fn look_up(
    connection: &mut PgConnection,
    token: &str,
    now: OffsetDateTime,
) -> sqlx::Result<Option<(Notice, User)>> {
    let Some(token) = Token::parse(token) else { return Ok(None) };
    let Some(notice) = notices::by_token(connection, token.hash(), now).await? else { return Ok(None) };
    let user = users::by_id(connection, notice.user_id).await?;
    Ok(user.map(|user| (notice, user)))
}

/// Whether the user has another address by now than the notice was sent to.
fn is_undo(notice: &Notice, user: &User) -> bool {
    notice.email.key() != user.email.key()
}

fn page(app: &App, frame: Frame, form: NotMeForm, notice: Notice, is_undo: bool) -> NotMePage {
    NotMePage { frame, form, notice, is_undo, now: app.clock.now() }
}

/// Shuts everybody out of the account, for who gets the letters of the notice's address, and gives that back
/// to who has `proved` the password that held before.
async fn disown(
    app: &App,
    shown_to: &ShownTo,
    notice: &Notice,
    proved: bool,
    client: &Client,
) -> sqlx::Result<Result<(), Refusal>> {
    let now = app.clock.now();
    let mut tx = app.database.begin().await?;
    if !shown_to.accept(&mut tx, DONE, now).await? {
        // The same form, sent twice at once: the other one did it.
        return Ok(Ok(()));
    }
    let Some(user) = users::by_id_for_update(&mut tx, notice.user_id).await? else {
        return Ok(Err(Refusal::Nothing));
    };
    // Looked up again: whoever held the user may have answered it, or an earlier one.
    if notices::by_id(&mut tx, notice.id, now).await?.is_none() {
        return Ok(Err(Refusal::Nothing));
    }
    if is_undo(notice, &user)
        && let Err(refusal) = give_address_back(&mut tx, notice, &user, proved, client, now).await?
    {
        return Ok(Err(refusal));
    }
    activity::record(&mut tx, user.id, &Event::DisownedByNotice, Some(client), now).await?;
    credentials::void_password(&mut tx, user.id, &app.hasher.unknown_to_all(), now).await?;
    email_changes::void(&mut tx, user.id).await?;
    pairs::unlink_since(&mut tx, user.id, notice.happened_at, client, now).await?;
    deletion::take_back(&mut tx, user.id, client, now).await?;
    deletion::take_back_accounts(&mut tx, user.id, client, now).await?;
    notices::void_since(&mut tx, notice).await?;
    generated_passwords::send(&mut tx, user.id, &notice.email, now).await?;
    tx.commit().await?;
    Ok(Ok(()))
}

async fn give_address_back(
    connection: &mut PgConnection,
    notice: &Notice,
    user: &User,
    proved: bool,
    client: &Client,
    now: OffsetDateTime,
) -> sqlx::Result<Result<(), Refusal>> {
    if !proved {
        return Ok(Err(Refusal::WithoutPassword));
    }
    if !users::set_email(connection, user.id, &notice.email, now).await? {
        return Ok(Err(Refusal::Taken));
    }
    notices::tell_left(connection, user, now).await?;
    let event = Event::EmailChangeUndone { old: user.email.clone(), new: notice.email.clone() };
    activity::record(connection, user.id, &event, Some(client), now).await?;
    Ok(Ok(()))
}
