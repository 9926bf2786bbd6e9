use askama::Template;
use axum::{
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use super::{
    document,
    form::{ExportForm, Field},
    store,
};
use crate::{
    accounts::{
        activity::{self, Event},
        sessions::SignedIn,
    },
    domain::Client,
    web::{
        device::Device,
        error::PageError,
        form::Form,
        page::{Frame, Page},
        state::App,
    },
};

/// What browsers call the file.
const FILE: &str = "attachment; filename=\"vestibule-data.json\"";

/// `/profile/export`.
#[derive(Template)]
#[template(path = "profile/export.html")]
struct ExportPage {
    frame: Frame,
    form: ExportForm,
}

/// `GET /profile/export`.
pub async fn show(frame: Frame, signed_in: SignedIn) -> Response {
    ExportPage { frame, form: ExportForm::new(&signed_in) }.ok()
}

/// `POST /profile/export`: the document. Sent twice, it is made twice: there is nothing to do only once.
pub async fn submit(
    State(app): State<App>,
    frame: Frame,
    signed_in: SignedIn,
    client: Client,
    device: Device,
    Form(mut form): Form<ExportForm>,
) -> Result<Response, PageError> {
    if let Some(answer) = form.shown_to.answered_before(&app, &signed_in).await? {
        return Ok(answer);
    }
    if form.proof.wants_another_captcha() {
        form.proof.keep_captcha(&app).await?;
        return Ok(ExportPage { frame, form }.ok());
    }
    match form.proof.prove(&app, &client, device, &signed_in.email).await? {
        Ok(_) => export(&app, &signed_in, &client).await,
        Err(not_proved) => {
            not_proved.tell(&mut form.complaints, Field::CurrentPassword, Field::Captcha);
            Ok(ExportPage { frame, form }.unprocessable())
        }
    }
}

async fn export(app: &App, signed_in: &SignedIn, client: &Client) -> Result<Response, PageError> {
    let now = app.clock.now();
    let mut tx = app.database.begin().await?;
    activity::record(&mut tx, signed_in.user_id, &Event::DataExported, Some(client), now).await?;
    let data = store::data(&mut tx, signed_in, now).await?;
    tx.commit().await?;
    let body = Body::from_stream(document::stream(app.database.clone(), data, signed_in.user_id));
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, FILE),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, body).into_response())
}
