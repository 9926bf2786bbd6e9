use crate::{
    accounts::activity::{DetailsChange, Event},
    features::profile::details::{self, Line},
    regions::Languages,
};

/// What happened, as a sentence to the person; `None` is what only a newer version can read.
pub fn sentence(event: Option<&Event>, languages: &Languages) -> String {
    let Some(event) = event else {
        return "Something that only a newer version of this site can tell.".to_owned();
    };
    match event {
        Event::Registered { account_type } => format!("You registered as {account_type}."),
        Event::LoggedIn => "You logged in.".to_owned(),
        Event::SwitchedHere { from } => format!("You switched here, logged in as {from}."),
        Event::AccountAdded { account_type } => format!("Your {account_type} account was added."),
        Event::Linked { with } => format!("Your account was linked with that of {with}."),
        Event::Unlinked { with } => format!("The link with the account of {with} was ended."),
        Event::GeneratedPasswordSent => "A generated password was mailed to you.".to_owned(),
        Event::PasswordRecovered => {
            "A generated password was used. It is your password since, and all other sessions ended."
                .to_owned()
        }
        Event::PasswordChanged => "Your password was changed, and all other sessions ended.".to_owned(),
        Event::DetailsChanged(change) => format!("Saved: {}.", changes(change, languages)),
        Event::DetailsTakenBack(change) => format!("Taken back: {}.", changes(change, languages)),
        Event::EmailChangeAsked { email } => {
            format!("A change of your email address to {email} was asked for.")
        }
        Event::EmailChangeCancelled { email } => {
            format!("The change of your email address to {email} was cancelled.")
        }
        Event::EmailChanged { old, new } => format!("Your email address was changed: {old} → {new}."),
        Event::EmailChangeUndone { old, new } => {
            format!("A change of your email address was undone from a notice: {old} → {new}.")
        }
        Event::SessionEnded { client } => format!("The session of {client} was ended."),
        Event::OtherSessionsEnded => "All other sessions were ended.".to_owned(),
        Event::DataExported => "Your data were downloaded.".to_owned(),
        Event::DeletionAsked => {
            "The deletion of all your data here was asked for, and all sessions ended.".to_owned()
        }
        Event::DeletionTakenBack => {
            "The deletion of all your data here was taken back. They stay.".to_owned()
        }
        Event::AccountDeletionAsked { account_type } => {
            format!("The deletion of your {account_type} account was asked for, and it was hidden.")
        }
        Event::AccountDeletionTakenBack { account_type } => {
            format!("The deletion of your {account_type} account was taken back. It stays.")
        }
        Event::DisownedByNotice => {
            "“This was not me” was answered to a notice. All sessions ended, and the password no longer works."
                .to_owned()
        }
        Event::LockedByOperators => {
            "The operators of this site locked your account, and all sessions ended.".to_owned()
        }
        Event::UnlockedByOperators => "The operators of this site unlocked your account.".to_owned(),
        Event::SessionsEndedByOperators => "The operators of this site ended all your sessions.".to_owned(),
        Event::DeletionAskedByOperators => {
            "The operators of this site asked for the deletion of all your data here, and all sessions ended."
                .to_owned()
        }
    }
}

/// Each detail with what was and what is since.
fn changes(change: &DetailsChange, languages: &Languages) -> String {
    let told = |line: Line| format!("{} {} → {}", line.label.to_lowercase(), line.old, line.new);
    details::lines(change, languages).into_iter().map(told).collect::<Vec<_>>().join("; ")
}
