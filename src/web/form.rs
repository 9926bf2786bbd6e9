use std::fmt;

use axum::{
    RequestExt,
    body::{Body, Bytes},
    extract::{FromRequest, RawForm, Request},
    http::{Method, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};
use percent_encoding::percent_decode;
use serde::de::DeserializeOwned;

/// A form's field: how it is called in the form, and the id of its input on the page.
pub trait Field: Copy + PartialEq + fmt::Debug {
    /// Its name, for example `email`.
    fn name(self) -> &'static str;
}

/// Everything that is wrong with a form, in the order of its fields, each complaint about one
/// field: the summary above the form lists them, and each field shows its own.
#[derive(Clone, Debug)]
pub struct Complaints<F>(Vec<(F, String)>);

impl<F> Default for Complaints<F> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<F: Field> Complaints<F> {
    /// Adds what is wrong with a field, as a sentence to the person.
    pub fn add(&mut self, field: F, words: impl Into<String>) {
        self.0.push((field, words.into()));
    }

    /// What is wrong with this field, or `None`.
    pub fn about(&self, field: F) -> Option<&str> {
        self.0.iter().find(|(about, _)| *about == field).map(|(_, words)| words.as_str())
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each complaint with the name of its field, for the summary's links.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(field, words)| (field.name(), words.as_str()))
    }
}

/// A form as it was sent. It must be one that a page of ours could have sent: with its content
/// type, in UTF-8, without NUL, each field once. Anything else is a 4xx of its own.
pub struct Form<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let RawForm(body) =
            RawForm::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        // Spaces are written as plus signs, which are UTF-8 either way.
        let is_text = std::str::from_utf8(&percent_decode(&body).collect::<Vec<u8>>())
            .is_ok_and(|text| !text.contains('\0'));
        if !is_text {
            return Err(StatusCode::BAD_REQUEST.into_response());
        }
        let form =
            serde_urlencoded::from_bytes(&body).map_err(|_| StatusCode::BAD_REQUEST.into_response())?;
        Ok(Self(form))
    }
}

/// Reads a form whole before its page is asked for: what the page needs takes more memory than many a form, and
/// who brings one octet by octet shall hold no more than that.
///
/// # Errors
/// The answer to a body that is too large or breaks off.
pub async fn read_whole(request: Request, next: Next) -> Result<Response, Response> {
    if request.method() != Method::POST {
        return Ok(next.run(request).await);
    }
    let (parts, body) = request.with_limited_body().into_parts();
    let whole = Bytes::from_request(Request::new(body), &()).await;
    let body = Body::from(whole.map_err(IntoResponse::into_response)?);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use axum::body::Body;
    use futures_util::FutureExt;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_body_of_any_bytes_is_a_form_without_nul_or_a_4xx(
            body in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..300),
                "([a-z_]{0,8}=[%0-9a-fA-F+é]{0,20}&?){0,6}".prop_map(String::into_bytes),
            ],
        ) {
            let request = Request::post("/")
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Body::from(body))
                .expect("a request");
            let form = Form::<HashMap<String, String>>::from_request(request, &()).now_or_never();
            match form.expect("nothing is waited for") {
                Ok(Form(fields)) => {
                    let has_nul = |(name, value): (&String, &String)| name.contains('\0') || value.contains('\0');
                    prop_assert!(!fields.iter().any(has_nul), "{fields:?}");
                }
                Err(refused) => prop_assert!(refused.status().is_client_error(), "{}", refused.status()),
            }
        }
    }
}
