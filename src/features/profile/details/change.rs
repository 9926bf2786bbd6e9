use super::store::Details;
use crate::{accounts::activity::DetailsChange, domain::AccountId, regions::Languages, web::fields::region};

/// One detail that was changed, as pages tell it.
#[derive(Clone, Debug)]
pub struct Line {
    pub label: &'static str,
    pub old: String,
    pub new: String,
}

/// What an account's details became, or `None` where they are what they were.
pub fn between(account_id: AccountId, old: &Details, new: &Details) -> Option<DetailsChange> {
    (old != new).then(|| DetailsChange {
        account_id,
        phone: changed(&old.phone, &new.phone),
        region: changed(&old.region, &new.region),
        display_name: changed(&old.display_name, &new.display_name),
        counterpart: None,
    })
}

/// Other details with what a change made of those that it changed.
pub fn applied(change: &DetailsChange, to: &Details) -> Details {
    Details {
        phone: made(change.phone.as_ref(), &to.phone),
        region: made(change.region.as_ref(), &to.region),
        display_name: made(change.display_name.as_ref(), &to.display_name),
    }
}

fn changed<T: Clone + PartialEq>(old: &T, new: &T) -> Option<(T, T)> {
    (old != new).then(|| (old.clone(), new.clone()))
}

fn made<T: Clone>(changed: Option<&(T, T)>, otherwise: &T) -> T {
    changed.map_or(otherwise, |(_, new)| new).clone()
}

/// The details with a change taken back, or `None` where they are not what it made them any more.
pub fn take_back(change: &DetailsChange, stored: &Details) -> Option<Details> {
    Some(Details {
        phone: restored(change.phone.as_ref(), &stored.phone)?,
        region: restored(change.region.as_ref(), &stored.region)?,
        display_name: restored(change.display_name.as_ref(), &stored.display_name)?,
    })
}

fn restored<T: Clone + PartialEq>(changed: Option<&(T, T)>, stored: &T) -> Option<T> {
    match changed {
        None => Some(stored.clone()),
        Some((old, new)) => (new == stored).then(|| old.clone()),
    }
}

/// A change line by line, in the order of the form.
pub fn lines(change: &DetailsChange, languages: &Languages) -> Vec<Line> {
    let name = change.display_name.as_ref().map(|(old, new)| (shown(old.as_ref()), shown(new.as_ref())));
    let full_name = |id| region::full_name(id, languages);
    let region = change.region.as_ref().map(|(old, new)| (full_name(old), full_name(new)));
    let phone = change.phone.as_ref().map(|(old, new)| (shown(old.as_ref()), shown(new.as_ref())));
    [("Display name", name), ("Location", region), ("Phone", phone)]
        .into_iter()
        .filter_map(|(label, changed)| changed.map(|(old, new)| Line { label, old, new }))
        .collect()
}

/// What stands now where a change stood, line by line: each as if it had become that.
pub fn lines_now(change: &DetailsChange, stored: &Details, languages: &Languages) -> Vec<Line> {
    let now = DetailsChange {
        account_id: change.account_id,
        phone: change.phone.clone().map(|(_, new)| (new, stored.phone.clone())),
        region: change.region.clone().map(|(_, new)| (new, stored.region.clone())),
        display_name: change.display_name.clone().map(|(_, new)| (new, stored.display_name.clone())),
        counterpart: None,
    };
    lines(&now, languages)
}

fn shown(detail: Option<&impl ToString>) -> String {
    detail.map_or_else(|| "none".to_owned(), ToString::to_string)
}
