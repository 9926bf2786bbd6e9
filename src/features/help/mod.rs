//! The help: five questions with their answers on one page, a page of its own for each that goes
//! further and leads to the very form, and what we owe to the sources of the regions.
//!
//! Every number that the help tells comes from the settings and from the parts that keep to it, so
//! that it cannot lie.

mod topic;

use std::ops::RangeInclusive;

use askama::Template;
use axum::{
    Router,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use time::Duration;

use crate::{
    accounts::{
        budgets, deletion,
        generated_passwords::{self, AtMost},
        notices, registrations,
    },
    captcha::store as captcha,
    domain::DisplayName,
    mail::{self, Priority},
    platform::config::Config,
    web::{
        error::PageError,
        page::{Frame, Page},
        state::App,
    },
};
use topic::Topic;

#[derive(Template)]
#[template(path = "help/help.html")]
struct HelpPage {
    frame: Frame,
    limits: Limits,
    /// Within how long letters leave at present, as the help says it; `None` where none left lately.
    letters_leave: Option<String>,
}

#[derive(Template)]
#[template(path = "help/topic.html")]
struct TopicPage {
    frame: Frame,
    topic: Topic,
    limits: Limits,
    letters_leave: Option<String>,
}

#[derive(Template)]
#[template(path = "help/about_the_data.html")]
struct AboutTheDataPage {
    frame: Frame,
}

/// The numbers that the help tells.
struct Limits {
    email: RangeInclusive<usize>,
    password: RangeInclusive<usize>,
    /// How many characters a display name may have.
    display_name: usize,
    registration_days: i64,
    /// Whether we hear of letters that come back.
    hears_of_bounces: bool,
    /// How often the address of a registration can be corrected.
    corrections: i16,
    /// For how long a letter that tells of a change can be answered.
    undo_days: i64,
    /// For how long a deletion can be taken back.
    deletion_days: i64,
    recovery: RecoveryLimits,
    captcha: Option<CaptchaLimits>,
    guesses: Option<GuessLimits>,
}

/// What bounds a generated password.
struct RecoveryLimits {
    /// For how long it can be used.
    hours: i64,
    /// Whether it must be changed before anything else.
    must_change: bool,
    letters: Option<AtMost>,
}

/// How long a captcha is good, and for how many wrong answers.
struct CaptchaLimits {
    minutes: i64,
    wrong_answers: i16,
    showings: i16,
}

/// How many wrong passwords within so many minutes slow a log in down.
struct GuessLimits {
    minutes: i64,
    by_client: i64,
    for_address: i64,
    in_a_row: i64,
}

/// `GET /help`, `GET /help/{topic}`, `GET /about-the-data`.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/help", get(show))
        .route("/help/{topic}", get(show_topic))
        .route("/about-the-data", get(show_about_the_data))
}

async fn show(State(app): State<App>, frame: Frame) -> Response {
    let letters_leave = letters_leave(&app).await;
    HelpPage { frame, limits: Limits::of(&app.config), letters_leave }.ok()
}

async fn show_topic(
    State(app): State<App>,
    frame: Frame,
    Path(slug): Path<String>,
) -> Result<Response, PageError> {
    let topic = Topic::by_slug(&slug).ok_or(PageError::NotFound)?;
    let letters_leave = match topic {
        Topic::Letter => letters_leave(&app).await,
        _ => None,
    };
    Ok(TopicPage { frame, topic, limits: Limits::of(&app.config), letters_leave }.ok())
}

/// Within how long letters like those of registrations leave, by what the queue did in the last day. The help
/// is there without the database as well, and says less then.
async fn letters_leave(app: &App) -> Option<String> {
    let mut connection = app.database.acquire().await.ok()?;
    let wait = mail::usual_wait(&mut connection, Priority::Middle, app.clock.now()).await.ok()?;
    wait.map(within)
}

/// A length of time, rounded up to what people say.
fn within(wait: Duration) -> String {
    match (wait.whole_seconds() + 59) / 60 {
        ..=1 => "a minute".to_owned(),
        minutes @ ..=90 => format!("{minutes} minutes"),
        minutes => format!("{} hours", (minutes + 59) / 60),
    }
}

async fn show_about_the_data(frame: Frame) -> Response {
    AboutTheDataPage { frame }.ok()
}

impl Limits {
    fn of(config: &Config) -> Self {
        Self {
            email: config.email_length.clone(),
            password: config.password_length.clone(),
            display_name: DisplayName::MOST_CHARACTERS,
            registration_days: registrations::LIFETIME.whole_days(),
            hears_of_bounces: config.mail.return_path.is_some(),
            corrections: budgets::MOST_CORRECTIONS,
            undo_days: notices::LIFETIME.whole_days(),
            deletion_days: deletion::GRACE.whole_days(),
            recovery: RecoveryLimits {
                hours: generated_passwords::LIFETIME.whole_hours(),
                must_change: config.generated_password_must_change,
                letters: AtMost::of(config),
            },
            captcha: config.captcha.then_some(CaptchaLimits {
                minutes: captcha::LIFETIME.whole_minutes(),
                wrong_answers: captcha::WRONG_ANSWERS,
                showings: captcha::SHOWINGS,
            }),
            guesses: config.throttle.then_some(GuessLimits {
                minutes: budgets::CLIENT_FAILURES.window.whole_minutes(),
                by_client: budgets::CLIENT_FAILURES.limit,
                for_address: budgets::ADDRESS_FAILURES.limit,
                in_a_row: budgets::ADDRESS_FAILURES_IN_A_ROW.limit,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let config = Config::from_variables(
            [("EMAIL_MIN", "5"), ("EMAIL_MAX", "60"), ("PASSWORD_MIN", "8"), ("PASSWORD_MAX", "72")]
                .map(|(key, value)| (format!("VESTIBULE_{key}"), value.to_owned())),
        );
        Limits::of(&config.unwrap())
    }

    #[test]
    fn the_help_gives_the_five_entries_in_their_order_with_the_settings_numbers() {
        let html =
            HelpPage { frame: Frame::default(), limits: limits(), letters_leave: None }.render().unwrap();
        let places = Topic::ALL.map(|topic| html.find(&format!("id=\"{}\"", topic.slug())).unwrap());
        assert!(places.is_sorted());
        assert!(html.contains("no shorter than 5 and no longer than 60 characters"));
        assert!(html.contains("no shorter than 8 and no longer than 72 characters"));
        for topic in Topic::ALL {
            assert!(html.contains(&format!("href=\"/help/{}\"", topic.slug())));
        }
    }

    #[test]
    fn every_topic_has_a_page_that_leads_to_its_form() {
        let forms = ["/profile/details", "/recover", "/register/letter", "/login", "/register"];
        for (topic, form) in Topic::ALL.into_iter().zip(forms) {
            let html = TopicPage { frame: Frame::default(), topic, limits: limits(), letters_leave: None }
                .render()
                .unwrap();
            let main = html.split("<main").nth(1).unwrap();
            assert!(main.contains(&format!("<a class=\"main button\" href=\"{form}\"")), "{topic:?}");
        }
    }

    #[test]
    fn the_help_on_recovery_says_what_the_settings_make_of_it() {
        let shown = |settings: &[(&str, &str)]| {
            let owned = settings.iter().map(|(key, value)| (format!("VESTIBULE_{key}"), (*value).to_owned()));
            let limits = Limits::of(&Config::from_variables(owned).unwrap());
            let (frame, topic) = (Frame::default(), Topic::RecoverPassword);
            TopicPage { frame, topic, limits, letters_leave: None }.render().unwrap()
        };
        let usual = shown(&[]);
        for words in
            ["within 24 hours", "at most every 15 minutes, and 5 a day", "change it in the profile settings"]
        {
            assert!(usual.contains(words), "{words}");
        }
        let other = shown(&[("GENERATED_PASSWORD_MUST_CHANGE", "true"), ("THROTTLE", "off")]);
        assert!(other.contains("Before anything else you are asked to change it"));
        assert!(!other.contains("at most every"));
    }

    #[test]
    fn letters_that_come_back_are_spoken_of_where_we_hear_of_them() {
        for (return_path, is_said) in [("bounce@example.com", true), ("", false)] {
            let setting = ("VESTIBULE_MAIL_RETURN_PATH".to_owned(), return_path.to_owned());
            let limits = Limits::of(&Config::from_variables([setting]).unwrap());
            let (frame, topic) = (Frame::default(), Topic::Letter);
            let html = TopicPage { frame, topic, limits, letters_leave: None }.render().unwrap();
            assert_eq!(html.contains("comes back"), is_said);
        }
    }

    #[test]
    fn a_wait_is_said_in_whole_minutes_or_hours_and_never_too_short() {
        let said = |seconds| within(Duration::seconds(seconds));
        assert_eq!(
            [0, 60, 61, 5400, 5401].map(said),
            ["a minute", "a minute", "2 minutes", "90 minutes", "2 hours"]
        );
    }

    #[test]
    fn a_help_without_captchas_names_none() {
        let limits = Limits { captcha: None, ..limits() };
        let html = HelpPage { frame: Frame::default(), limits, letters_leave: None }.render().unwrap();
        assert!(!html.contains("captcha"));
    }
}
