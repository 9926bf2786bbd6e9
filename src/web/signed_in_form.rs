//! What every form of somebody who is logged in carries beside its own fields: whom it was shown to,
//! so that an old tab changes nothing of somebody else's, and an id, so that a form that is sent twice is
//! answered as the first time.

use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{error::PageError, state::App};
use crate::{
    accounts::{accepted_forms, activity, budgets, sessions::SignedIn},
    domain::FormId,
};

/// The two unseen fields. They go into every such form by the macro `shown_to`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ShownTo {
    /// Which form it is.
    pub form_id: String,
    /// The account that it was shown for.
    pub account_id: String,
}

impl ShownTo {
    /// For a form that is shown anew.
    pub fn new(signed_in: &SignedIn) -> Self {
        Self { form_id: FormId::new().to_string(), account_id: signed_in.account_id.to_string() }
    }

    /// For a form that a letter leads to: whoever sees it need not be logged in.
    pub fn anybody() -> Self {
        Self { form_id: FormId::new().to_string(), account_id: String::new() }
    }

    /// Looked at before anything else: the answer to this form where it was accepted before, lately.
    ///
    /// # Errors
    /// [`PageError::SomebodyElse`] where this browser is another account by now; [`PageError::TooMany`]
    /// where its user has changed too much lately; and when the database fails.
    pub async fn answered(
        &self,
        app: &App,
        connection: &mut PgConnection,
        signed_in: impl Into<Option<&SignedIn>>,
    ) -> Result<Option<Response>, PageError> {
        let now = app.clock.now();
        if let Some(answer) = self.earlier_answer(connection, now).await? {
            return Ok(Some(answer));
        }
        let Some(signed_in) = signed_in.into() else { return Ok(None) };
        if !self.account_id.is_empty() && self.account_id != signed_in.account_id.to_string() {
            return Err(PageError::SomebodyElse);
        }
        if !app.config.throttle {
            return Ok(None);
        }
        match activity::spent_until(connection, signed_in.user_id, budgets::CHANGES, now).await? {
            Some(until) => Err(PageError::TooMany { until, now }),
            None => Ok(None),
        }
    }

    /// An answer to this form that is not the one of its being accepted, unless the same form was accepted
    /// while this one was read, and its captcha spent with it: then that answer.
    ///
    /// # Errors
    /// Those of the answer; and when the database fails.
    pub async fn or_earlier(
        &self,
        app: &App,
        answer: Result<Response, PageError>,
    ) -> Result<Response, PageError> {
        if matches!(&answer, Ok(answer) if answer.status().is_redirection()) {
            return answer;
        }
        let mut connection = app.database.acquire().await?;
        self.earlier_answer(&mut connection, app.clock.now()).await?.map_or(answer, Ok)
    }

    /// The same where no connection is at hand, and none is held afterwards.
    ///
    /// # Errors
    /// As [`ShownTo::answered`].
    pub async fn answered_before(
        &self,
        app: &App,
        signed_in: &SignedIn,
    ) -> Result<Option<Response>, PageError> {
        self.answered(app, &mut *app.database.acquire().await?, signed_in).await
    }

    /// The same for a form that may end the session it comes from: sent twice, it comes from nobody the
    /// second time. Returns who sends it, or the answer that it had.
    ///
    /// # Errors
    /// Why nobody sends it; and as [`ShownTo::answered`].
    pub async fn sender(
        &self,
        app: &App,
        connection: &mut PgConnection,
        signed_in: Result<SignedIn, PageError>,
    ) -> Result<Result<SignedIn, Response>, PageError> {
        let answer = match &signed_in {
            Ok(signed_in) => self.answered(app, connection, signed_in).await?,
            Err(_) => self.earlier_answer(connection, app.clock.now()).await?,
        };
        match answer {
            Some(answer) => Ok(Err(answer)),
            None => signed_in.map(Ok),
        }
    }

    async fn earlier_answer(
        &self,
        connection: &mut PgConnection,
        now: OffsetDateTime,
    ) -> sqlx::Result<Option<Response>> {
        let redirect = accepted_forms::redirect_of(connection, self.id(), now).await?;
        Ok(redirect.map(|redirect| Redirect::to(&redirect).into_response()))
    }

    /// Remembers that this form was accepted, in the transaction of what it changes. Returns false where
    /// the same form was accepted at the same time: nothing must be changed a second time then, and the
    /// answer is the same.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn accept(
        &self,
        connection: &mut PgConnection,
        redirect: &str,
        now: OffsetDateTime,
    ) -> sqlx::Result<bool> {
        accepted_forms::accept(connection, self.id(), redirect, now).await
    }

    /// One that was shown without an id is like no other.
    fn id(&self) -> FormId {
        self.form_id.parse().unwrap_or_else(|_| FormId::new())
    }
}
