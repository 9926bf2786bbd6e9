//! A small sum to be seen or heard: what a form shows of it, the check of its answer, and the picture
//! and the sound.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    Router,
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{
    accounts::budgets::{Budget, Subject, Usage},
    captcha::{
        self,
        store::{self, Shown, Verdict},
    },
    domain::CaptchaId,
    web::{error::PageError, state::App},
};

/// What is said of one that was good for another form.
pub const USED_ALREADY: &str = "That task was used already. Enter the result of the new one.";

/// What is said where one is wanted and its answer is missing.
const MISSING: &str = "Enter the result of the task.";

/// Why a captcha is wanted after many wrong passwords.
const MANY_PASSWORDS: &str =
    "Many wrong passwords were tried here. Enter the result of the task, and your password again.";

/// How long somebody waits for their turn to have a picture drawn or a task spoken.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is said of a form that was right when it was read: its `captcha` was spent by another since, or
/// one is wanted by now and it had none.
pub fn spent_meanwhile(captcha: Option<CaptchaId>) -> &'static str {
    if captcha.is_some() { USED_ALREADY } else { MISSING }
}

/// The captcha that a form shows.
#[derive(Clone, Copy, Debug)]
pub struct CaptchaField {
    /// Which one it is.
    pub id: CaptchaId,
    /// Whether its answer was right before: it holds for the attempts that follow.
    pub is_solved: bool,
}

impl CaptchaField {
    /// A new one, or `None` where captchas are off.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn new(app: &App, connection: &mut PgConnection) -> sqlx::Result<Option<Self>> {
        if !app.config.captcha {
            return Ok(None);
        }
        let id = store::insert(connection, app.clock.now()).await?;
        Ok(Some(Self { id, is_solved: false }))
    }

    /// A new one, or `None` as long as there is some of the budget left.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn once_spent(
        app: &App,
        connection: &mut PgConnection,
        counted: (Budget, Subject),
    ) -> sqlx::Result<Option<Self>> {
        match app.budgets.usage(connection, [counted], app.clock.now()).await? {
            [Usage::Free { .. }] => Ok(None),
            [Usage::Spent { .. }] => Self::new(app, connection).await,
        }
    }
}

/// What a form was sent with about its captcha.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SentCaptcha {
    captcha_id: String,
    captcha_answer: String,
    new_captcha: Option<String>,
    /// Set once it has let a try through: it serves every password of the same form.
    #[serde(skip)]
    has_passed: OnceLock<()>,
}

impl SentCaptcha {
    /// Whether another task is wanted, and nothing else.
    pub fn wants_another(&self) -> bool {
        self.new_captcha.is_some()
    }

    /// The same captcha as long as it lives and can be seen and heard again, else a new one; `None`
    /// where the form had none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn again(
        &self,
        app: &App,
        connection: &mut PgConnection,
    ) -> sqlx::Result<Option<CaptchaField>> {
        if self.captcha_id.is_empty() {
            return Ok(None);
        }
        if let Ok(id) = self.captcha_id.parse()
            && let Some(is_solved) = store::is_solved(connection, id, app.clock.now()).await?
        {
            return Ok(Some(CaptchaField { id, is_solved }));
        }
        CaptchaField::new(app, connection).await
    }

    /// The same captcha as long as it lives and can be seen and heard again, else a new one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn again_or_new(
        &self,
        app: &App,
        connection: &mut PgConnection,
    ) -> sqlx::Result<Option<CaptchaField>> {
        match self.again(app, connection).await? {
            None => CaptchaField::new(app, connection).await,
            again => Ok(again),
        }
    }

    /// Judges the answer; `Ok` is the captcha to spend when the form is accepted, or `None` where
    /// captchas are off. What is wrong is a sentence.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn judge(
        &self,
        app: &App,
        connection: &mut PgConnection,
    ) -> sqlx::Result<Result<Option<CaptchaId>, String>> {
        if !app.config.captcha {
            return Ok(Ok(None));
        }
        let verdict = match self.captcha_id.parse() {
            Ok(id) => match store::check(connection, id, &self.captcha_answer, app.clock.now()).await? {
                Verdict::Right => return Ok(Ok(Some(id))),
                verdict => verdict,
            },
            Err(_) => Verdict::Gone,
        };
        if self.captcha_answer.trim().is_empty() {
            return Ok(Err(MISSING.to_owned()));
        }
        app.metrics.captcha_failures.inc();
        let words = match verdict {
            Verdict::Gone => {
                "That is not the result, or the task has run out. Enter the result of the new one."
            }
            Verdict::Right | Verdict::Wrong => {
                "That is not the result of the task. Try again, or take another one."
            }
        };
        Ok(Err(words.to_owned()))
    }

    /// Judges the answer where a budget is spent until `spent_until`, and else lets anything through; the
    /// captcha is spent when the form is accepted. What is wrong is a sentence.
    ///
    /// # Errors
    /// [`PageError::TooMany`] where captchas are off then; and when the database fails.
    pub async fn judge_once_spent(
        &self,
        app: &App,
        connection: &mut PgConnection,
        spent_until: Option<OffsetDateTime>,
    ) -> Result<Result<Option<CaptchaId>, String>, PageError> {
        let Some(until) = spent_until else { return Ok(Ok(None)) };
        match self.judge(app, connection).await? {
            Ok(None) => Err(PageError::TooMany { until, now: app.clock.now() }),
            judged => Ok(judged),
        }
    }

    /// Lets one try at a password through for one right answer, once a budget is spent until
    /// `until`: the captcha is spent with it, so that nobody buys many guesses with one; it serves all
    /// passwords of the same form. What is wrong is a sentence.
    ///
    /// # Errors
    /// [`PageError::TooMany`] where captchas are off; and when the database fails.
    pub async fn pass(
        &self,
        app: &App,
        connection: &mut PgConnection,
        until: OffsetDateTime,
    ) -> Result<Result<(), String>, PageError> {
        self.pass_because(app, connection, until, MANY_PASSWORDS).await
    }

    /// The same for whatever a spent budget holds back; `why` is said to whom no captcha was shown yet.
    ///
    /// # Errors
    /// [`PageError::TooMany`] where captchas are off; and when the database fails.
    pub async fn pass_because(
        &self,
        app: &App,
        connection: &mut PgConnection,
        until: OffsetDateTime,
        why: &str,
    ) -> Result<Result<(), String>, PageError> {
        let now = app.clock.now();
        let was_asked = !self.captcha_id.is_empty();
        if self.has_passed.get().is_some() {
            return Ok(Ok(()));
        }
        Ok(match self.judge(app, connection).await? {
            Ok(None) => return Err(PageError::TooMany { until, now }),
            Ok(Some(id)) if store::spend(connection, id, now).await? => {
                self.has_passed.get_or_init(|| ());
                Ok(())
            }
            Ok(Some(_)) => Err(USED_ALREADY.to_owned()),
            Err(words) if was_asked => Err(words),
            Err(_) => Err(why.to_owned()),
        })
    }
}

/// `GET /captcha/{id}.png` and `.wav`.
pub fn routes() -> Router<App> {
    Router::new().route("/captcha/{file}", get(show).head(describe))
}

/// What is there, without a look or a hearing: neither is made, nor counted.
async fn describe(Path(file): Path<String>) -> Result<Response, PageError> {
    let (_, _, content_type) = parts(&file)?;
    Ok(([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")], ()).into_response())
}

/// Which captcha a file shows, how, and the type of its content.
fn parts(file: &str) -> Result<(&str, Shown, &'static str), PageError> {
    match file.split_once('.') {
        Some((id, "png")) => Ok((id, Shown::Picture, "image/png")),
        Some((id, "wav")) => Ok((id, Shown::Sound, "audio/wav")),
        _ => Err(PageError::NotFound),
    }
}

async fn show(State(app): State<App>, Path(file): Path<String>) -> Result<Response, PageError> {
    let (id, shown, content_type) = parts(&file)?;
    let make = match shown {
        Shown::Picture => captcha::picture,
        Shown::Sound => captcha::sound,
    };
    let id = id.parse().map_err(|_| PageError::NotFound)?;
    // Before the task, since that counts: nobody loses a look or a hearing to a rush.
    let painter = tokio::time::timeout(PATIENCE, Arc::clone(&app.painters).acquire_owned()).await;
    let painter = painter.map_err(|_| PageError::Busy)?;
    let mut connection = app.database.acquire().await?;
    let task = store::task(&mut connection, id, shown, app.clock.now()).await?;
    let task = task.ok_or(PageError::NotFound)?;
    drop(connection);
    // The work goes on when who asked has gone, and so does its permit.
    let made = tokio::task::spawn_blocking(move || {
        let _painter = painter;
        make(&task)
    });
    let made = made.await;
    let bytes = made.map_err(|error| PageError::Internal(error.into()))?;
    // A part of it would be one of another picture or sound.
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::ACCEPT_RANGES, "none"),
    ];
    Ok((headers, bytes).into_response())
}
