use futures_util::{Stream, stream::try_unfold};
use serde::Serialize;
use sqlx::PgPool;
use time::OffsetDateTime;

use super::store::{
    self, AccountData, ActivityPlace, EmailChangeData, KnownDeviceData, LetterData, NoticeData,
    RegistrationData, SessionData, SupportRequestData, UserData,
};
use crate::domain::UserId;

/// Which shape the document has, as `docs/export.md` describes it. A change that a reader must know of
/// makes it another one.
pub const VERSION: u32 = 1;

/// The document, but for the activity, which comes last and may be long.
#[derive(Serialize)]
pub struct Data {
    pub version: u32,
    #[serde(with = "time::serde::rfc3339")]
    pub exported_at: OffsetDateTime,
    pub user: UserData,
    pub accounts: Vec<AccountData>,
    pub sessions: Vec<SessionData>,
    pub known_devices: Vec<KnownDeviceData>,
    pub registrations: Vec<RegistrationData>,
    pub email_changes: Vec<EmailChangeData>,
    pub notices: Vec<NoticeData>,
    pub support_requests: Vec<SupportRequestData>,
    pub letters: Vec<LetterData>,
}

/// What comes next.
enum Step {
    Data(Box<Data>),
    Activity(Option<ActivityPlace>),
    Done,
}

/// The whole document, piece by piece: no more than a page of activity is in memory, and no connection is
/// held while the person's network takes its time. Where the database fails, it breaks off, and the browser
/// says that the download failed.
pub fn stream(
    database: PgPool,
    data: Data,
    user: UserId,
) -> impl Stream<Item = anyhow::Result<String>> + Send + 'static {
    try_unfold(Step::Data(Box::new(data)), move |step| {
        let database = database.clone();
        async move {
            match step {
                Step::Data(data) => {
                    let text = serde_json::to_string(&data)?;
                    // An object that goes on.
                    let text = format!("{},\n\"activity\":[", text.strip_suffix('}').unwrap_or(&text));
                    Ok(Some((text, Step::Activity(None))))
                }
                Step::Activity(after) => Ok(Some(activity(&database, user, after).await?)),
                Step::Done => Ok(None),
            }
        }
    })
}

/// One page of the activity.
async fn activity(
    database: &PgPool,
    user: UserId,
    after: Option<ActivityPlace>,
) -> anyhow::Result<(String, Step)> {
    let entries = store::activity(&mut *database.acquire().await?, user, after).await?;
    let Some(last) = entries.last() else { return Ok(("\n]}\n".to_owned(), Step::Done)) };
    let place = last.place();
    let texts = entries.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    let comma = if after.is_some() { "," } else { "" };
    Ok((format!("{comma}\n{}", texts.join(",\n")), Step::Activity(Some(place))))
}
