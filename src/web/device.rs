use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};
use tower_cookies::{Cookie, Cookies, cookie::SameSite};

use super::{session::cookie_name, state::App};
use crate::{
    accounts::devices,
    domain::{Token, TokenHash},
};

/// The browser that asks, known by its cookie: which registrations are its own, and which users
/// have logged in here. A browser without the cookie gets one with the answer.
#[derive(Clone, Copy, Debug)]
pub struct Device(pub TokenHash);

impl FromRequestParts<App> for Device {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let Some(cookies) = parts.extensions.get::<Cookies>() else {
            return Ok(Self(Token::random().hash()));
        };
        let secure = app.config.public_url.is_https();
        let name = cookie_name("device", secure);
        if let Some(token) = cookies.get(name).and_then(|cookie| Token::parse(cookie.value())) {
            return Ok(Self(token.hash()));
        }
        let token = Token::random();
        let cookie = Cookie::build((name, token.reveal()))
            .path("/")
            .secure(secure)
            .http_only(true)
            .same_site(SameSite::Lax)
            .max_age(devices::LIFETIME);
        cookies.add(cookie.build());
        Ok(Self(token.hash()))
    }
}
