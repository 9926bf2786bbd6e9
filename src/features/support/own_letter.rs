//! What became of the letter of this browser's own registration, in one line. Of anybody else's nothing
//! travels along: whoever knows its id learns nothing, and can make up nothing.

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{
    accounts::registrations::{self, Registration},
    mail::{self, LetterState, LetterStatus},
    platform::clock::dated,
    web::device::Device,
};

/// The line for the registration that `id` names, or `None` where this browser did not make it or it has
/// run out.
///
/// # Errors
/// When the database fails.
pub async fn state(
    connection: &mut PgConnection,
    id: &str,
    device: Device,
    now: OffsetDateTime,
) -> sqlx::Result<Option<String>> {
    let Ok(id) = id.parse() else { return Ok(None) };
    let Some(registration) = registrations::own(connection, id, device.0, now).await? else {
        return Ok(None);
    };
    let letters = mail::about(connection, &[registration.id.0]).await?;
    let letter = letters.iter().rfind(|letter| letter.is_to(&registration.email));
    Ok(Some(line(&registration, letter, now)))
}

fn line(registration: &Registration, letter: Option<&LetterStatus>, now: OffsetDateTime) -> String {
    let Registration { email, account_type, created_at, .. } = registration;
    let fate = match (&registration.confirmed, letter) {
        (Some((at, ..)), _) => format!("answered {}", dated(*at)),
        (None, None) => "none was promised, since enough of them wait for this address".to_owned(),
        (None, Some(letter)) => fate(letter, now),
    };
    format!("Registration of {email} as {account_type}, made {}. Its letter: {fate}.", dated(*created_at))
}

fn fate(letter: &LetterStatus, now: OffsetDateTime) -> String {
    let settled = dated(letter.settled_at.unwrap_or(letter.due_at));
    let words = match letter.state {
        LetterState::Queued if letter.is_held_back(now) => {
            format!("held back until {}", dated(letter.due_at))
        }
        LetterState::Queued => "waits for its turn".to_owned(),
        LetterState::Sending => "is being handed to the mail service".to_owned(),
        LetterState::Delayed => format!("delayed, next try {}", dated(letter.due_at)),
        LetterState::HandedOver => format!("handed to the mail service {settled}"),
        LetterState::Refused => format!("refused {settled}"),
        LetterState::GivenUp => format!("given up {settled}"),
    };
    match letter.answer.as_deref().map(|answer| answer.trim_end_matches('.')) {
        // What is said of a letter that was taken may tell its size, and so who it was for.
        Some(answer) if letter.state != LetterState::HandedOver && !answer.is_empty() => {
            format!("{words}: {answer}")
        }
        _ => words,
    }
}
