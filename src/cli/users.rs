use std::{fmt, str::FromStr};

use anyhow::{Context, bail};
use clap::Subcommand;
use serde::Serialize;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{
    Limit, in_transaction,
    output::{NotFound, Output, maybe, maybe_time, table, time, values},
};
use crate::{
    accounts::{
        activity::{self, Entry, Event},
        deletion, invitations, sessions,
        users::{self, AccountRow, Holder, User, UserRow},
    },
    domain::{Client, EmailAddress, LetterId, UserId},
    mail::by_operators::{self, LetterRow},
    platform::config::Config,
    web::fields,
};

/// How many of a user's sessions, letters and entries of the activity are shown.
const SHOWN: i64 = 20;

/// What an operator does with users. Whatever is done to one stands in that user's activity; nothing here
/// confirms an address for anybody.
#[derive(Subcommand)]
pub enum UsersCommand {
    /// Find users by a part of the address, or by an id of theirs or of an account
    #[command(
        after_help = "Exit code 3 where there are none.\n\nExamples:\n  vestibule users find example.com\n  vestibule --json users find 0199c1de-8a4b-7c1e-9c1d-1c1e8a4b7c1e"
    )]
    Find {
        /// A part of the address in whatever case, or an id
        text: String,
        #[command(flatten)]
        limit: Limit,
    },
    /// Show a user with accounts, sessions, letters and activity, the latest 20 of each
    #[command(after_help = "Example:\n  vestibule users show ann@example.com")]
    Show {
        /// The user's address or id
        user: Whom,
    },
    /// Mail somebody a link that opens one registration without a captcha
    ///
    /// For whom the picture and its sound shut out. The link is good for 7 days, and confirms nothing: the
    /// registration brings a letter of its own. Who is a user already is not invited (exit code 1).
    #[command(after_help = "Example:\n  vestibule users invite ann@example.com")]
    Invite {
        /// Whom the link is mailed to
        email: String,
    },
    /// Lock a user out: all sessions end at once, and whoever knows the password is told
    #[command(after_help = "Example:\n  vestibule users lock ann@example.com")]
    Lock {
        /// The user's address or id
        user: Whom,
    },
    /// Let a locked user in again
    #[command(after_help = "Example:\n  vestibule users unlock ann@example.com")]
    Unlock {
        /// The user's address or id
        user: Whom,
    },
    /// Delete a user, after 7 days in which they can take it back by logging in; a letter tells them
    ///
    /// Who is locked cannot log in, and takes it back only by “This was not me” in an earlier notice. A change of address
    /// that can still be undone keeps the user until then.
    #[command(
        after_help = "Examples:\n  vestibule users delete ann@example.com\n  vestibule users delete --now ann@example.com"
    )]
    Delete {
        /// The user's address or id
        user: Whom,
        /// At once and for good, with everything of theirs, whatever can still be undone
        #[arg(long)]
        now: bool,
    },
    /// Log a user out everywhere
    #[command(after_help = "Example:\n  vestibule users end-sessions ann@example.com")]
    EndSessions {
        /// The user's address or id
        user: Whom,
    },
}

/// A user as an operator names them.
#[derive(Clone, Debug)]
pub enum Whom {
    Id(UserId),
    Email(EmailAddress),
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Email(email) => email.fmt(f),
        }
    }
}

impl FromStr for Whom {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let email = || EmailAddress::parse(text).map(Self::Email);
        text.parse()
            .map(Self::Id)
            .or_else(|_| email())
            .map_err(|_| "neither an email address nor a user's id")
    }
}

impl UsersCommand {
    /// Runs the command.
    pub fn run(self, config: &Config, output: Output) -> anyhow::Result<()> {
        match self {
            Self::Find { text, limit: Limit { limit } } => find(config, output, &text, limit),
            Self::Show { user } => {
                let shown = in_transaction(config, async |tx, now| show(tx, &user, now).await)?;
                output.say(&shown, || shown.as_text())
            }
            Self::Invite { email } => invite(config, output, &email),
            Self::Lock { user } => act(config, output, &user, "is locked", users::lock),
            Self::Unlock { user } => act(config, output, &user, "is not locked", users::unlock),
            Self::Delete { user, now: true } => delete_at_once(config, output, &user),
            Self::Delete { user, now: false } => {
                act(config, output, &user, "is being deleted", deletion::ask_by_operators)
            }
            Self::EndSessions { user } => end_sessions(config, output, &user),
        }
    }
}

fn find(config: &Config, output: Output, text: &str, limit: i64) -> anyhow::Result<()> {
    let found = in_transaction(config, async |tx, _| Ok(users::find(tx, text, limit).await?))?;
    output.say(&found, || {
        let row = |user: &UserRow| {
            let (locked, deletion_due) = (maybe_time(user.locked_at), maybe_time(user.deletion_due_at));
            [user.id.to_string(), user.email.to_string(), time(user.created_at), locked, deletion_due]
        };
        table(["ID", "EMAIL", "CREATED", "LOCKED", "DELETION DUE"], found.iter().map(row).collect())
    })?;
    if found.is_empty() {
        return Err(NotFound(format!("nobody is found by {text:?}")).into());
    }
    Ok(())
}

/// An invitation that was promised.
#[derive(Serialize)]
struct Invited {
    email: EmailAddress,
    letter_id: LetterId,
}

fn invite(config: &Config, output: Output, typed: &str) -> anyhow::Result<()> {
    // What the form would refuse needs no invitation.
    let email = fields::email::choose(typed, config).map_err(anyhow::Error::msg)?;
    let invited = in_transaction(config, async |tx, now| match users::holder(tx, &email, now).await? {
        Some(Holder::User(_)) => bail!("{email} is a user already"),
        Some(Holder::Reserved { .. }) => bail!("{email} is kept for who gave it up lately"),
        None => Ok(Invited { letter_id: invitations::send(tx, &email, now).await?, email }),
    })?;
    output.say(&invited, || format!("An invitation to {} is under way.", invited.email))
}

/// All that `show` tells of a user.
#[derive(Serialize)]
struct Shown {
    user: UserRow,
    accounts: Vec<AccountRow>,
    sessions: Vec<sessions::SessionRow>,
    letters: Vec<LetterRow>,
    activity: Vec<Told>,
}

/// One entry of the activity; without a kind, what only a newer version can read.
#[derive(Serialize)]
struct Told {
    #[serde(with = "time::serde::rfc3339")]
    happened_at: OffsetDateTime,
    #[serde(flatten)]
    event: Option<Event>,
    client: Option<Client>,
}

impl From<Entry> for Told {
    fn from(Entry { event, happened_at, client, .. }: Entry) -> Self {
        Self { happened_at, event, client }
    }
}

async fn show(connection: &mut PgConnection, whom: &Whom, now: OffsetDateTime) -> anyhow::Result<Shown> {
    let id = id(connection, whom, now).await?;
    let user = users::row(connection, id).await?.ok_or_else(|| nobody(whom))?;
    let activity = activity::latest(connection, user.id, None, SHOWN).await?;
    Ok(Shown {
        accounts: users::accounts_of(connection, user.id).await?,
        sessions: sessions::of_user(connection, user.id, SHOWN, now).await?,
        letters: by_operators::latest(connection, None, Some(user.email.as_str()), SHOWN).await?,
        activity: activity.into_iter().map(Told::from).collect(),
        user,
    })
}

impl Shown {
    fn as_text(&self) -> String {
        let user = &self.user;
        let user = values([
            ("id", user.id.to_string()),
            ("email", user.email.to_string()),
            ("created", time(user.created_at)),
            ("password changed", maybe_time(user.password_changed_at)),
            ("locked", maybe_time(user.locked_at)),
            ("deletion due", maybe_time(user.deletion_due_at)),
        ]);
        let account = |account: &AccountRow| {
            let (region, name) = (account.region_id.to_string(), maybe(account.display_name.as_ref()));
            let (phone, deletion_due) = (maybe(account.phone.as_ref()), maybe_time(account.deletion_due_at));
            let counterpart = maybe(account.counterpart_id);
            [
                account.id.to_string(),
                account.account_type.to_string(),
                region,
                name,
                phone,
                deletion_due,
                counterpart,
            ]
        };
        let accounts = table(
            ["ID", "TYPE", "REGION", "NAME", "PHONE", "DELETION DUE", "COUNTERPART"],
            self.accounts.iter().map(account).collect(),
        );
        let session = |session: &sessions::SessionRow| {
            [time(session.logged_in_at), time(session.last_seen_at), session.client.to_string()]
        };
        let sessions = table(["LOGGED IN", "LAST SEEN", "FROM"], self.sessions.iter().map(session).collect());
        let told = |told: &Told| [time(told.happened_at), told.kind(), maybe(told.client.as_ref())];
        let activity = table(["WHEN", "WHAT", "FROM"], self.activity.iter().map(told).collect());
        let letters = super::letters::as_table(&self.letters);
        format!(
            "{user}\n\nAccounts\n{accounts}\n\nSessions\n{sessions}\n\nLetters\n{letters}\n\nActivity\n{activity}"
        )
    }
}

impl Told {
    fn kind(&self) -> String {
        let told = serde_json::to_value(&self.event).unwrap_or_default();
        told["kind"].as_str().unwrap_or("?").to_owned()
    }
}

/// Does something to a user, and says what they are then.
fn act(
    config: &Config,
    output: Output,
    whom: &Whom,
    is_what: &str,
    deed: impl AsyncFnOnce(&mut PgConnection, &User, OffsetDateTime) -> sqlx::Result<()>,
) -> anyhow::Result<()> {
    let user = in_transaction(config, async |tx, now| {
        let user = user(tx, whom, now).await?;
        deed(tx, &user, now).await?;
        row(tx, user.id).await
    })?;
    output.say(&user, || match user.deletion_due_at {
        Some(due) => format!("{} {is_what}; the deletion is due at {}.", user.email, time(due)),
        None => format!("{} {is_what}.", user.email),
    })
}

fn delete_at_once(config: &Config, output: Output, whom: &Whom) -> anyhow::Result<()> {
    let gone = in_transaction(config, async |tx, now| {
        let user = user(tx, whom, now).await?;
        let row = row(tx, user.id).await?;
        deletion::delete_at_once(tx, &user, now).await?;
        Ok(UserRow { deletion_due_at: Some(now), ..row })
    })?;
    output.say(&gone, || format!("{} is deleted, with everything of theirs.", gone.email))
}

/// How many sessions were ended.
#[derive(Serialize)]
struct Ended {
    user: UserRow,
    ended: u64,
}

fn end_sessions(config: &Config, output: Output, whom: &Whom) -> anyhow::Result<()> {
    let done = in_transaction(config, async |tx, now| {
        let user = user(tx, whom, now).await?;
        let ended = sessions::end_all(tx, user.id, None).await?;
        activity::record(tx, user.id, &Event::SessionsEndedByOperators, None, now).await?;
        Ok(Ended { user: row(tx, user.id).await?, ended })
    })?;
    output.say(&done, || match done.ended {
        1 => format!("One session of {} ended.", done.user.email),
        ended => format!("{ended} sessions of {} ended.", done.user.email),
    })
}

/// Whom an operator names, held until the transaction ends.
async fn user(connection: &mut PgConnection, whom: &Whom, now: OffsetDateTime) -> anyhow::Result<User> {
    let id = id(connection, whom, now).await?;
    users::by_id_for_update(connection, id).await?.ok_or_else(|| nobody(whom))
}

async fn id(connection: &mut PgConnection, whom: &Whom, now: OffsetDateTime) -> anyhow::Result<UserId> {
    match whom {
        Whom::Id(id) => Ok(*id),
        Whom::Email(email) => match users::holder(connection, email, now).await? {
            Some(Holder::User(user)) => Ok(user.id),
            _ => Err(nobody(whom)),
        },
    }
}

fn nobody(whom: &Whom) -> anyhow::Error {
    NotFound(format!("there is no user {whom}")).into()
}

async fn row(connection: &mut PgConnection, id: UserId) -> anyhow::Result<UserRow> {
    users::row(connection, id).await?.context("the user is gone")
}
