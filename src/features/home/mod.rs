//! The first page: who this is for, and the ways in.

use askama::Template;
use axum::{
    Router,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};

use crate::web::{
    page::{Frame, Page},
    state::App,
};

#[derive(Template)]
#[template(path = "home/home.html")]
struct HomePage {
    frame: Frame,
}

/// The pages.
pub fn routes() -> Router<App> {
    Router::new().route("/", get(show))
}

/// `GET /`; who is logged in is led on.
async fn show(frame: Frame) -> Response {
    match frame.here {
        Some(_) => Redirect::to("/profile").into_response(),
        None => HomePage { frame }.ok(),
    }
}
