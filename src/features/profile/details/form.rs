use serde::Deserialize;

use super::store::Details;
use crate::{
    accounts::sessions::SignedIn,
    domain::{DisplayName, NotADisplayName, PhoneNumber, RegionId},
    regions::{Hint, Languages},
    web::{
        fields::region,
        form::{self, Complaints},
        signed_in_form::ShownTo,
    },
};

/// The fields, in their order on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    DisplayName,
    Region,
    Phone,
}

impl form::Field for Field {
    fn name(self) -> &'static str {
        match self {
            Self::DisplayName => "display_name",
            Self::Region => "region",
            Self::Phone => "phone",
        }
    }
}

/// The form as it was sent, and as it is shown again. Beside each field stands what it was shown with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DetailsForm {
    #[serde(flatten)]
    pub shown_to: ShownTo,
    pub display_name: String,
    pub display_name_was: Option<String>,
    pub region: String,
    pub region_id: String,
    /// The region that this very form was shown with as chosen, which may be one that is not saved yet.
    region_was: String,
    pub saved_region_was: Option<String>,
    pub phone: String,
    pub phone_was: Option<String>,
    /// Whether the counterpart is to be changed as well.
    counterpart: Option<String>,
    #[serde(skip)]
    pub complaints: Complaints<Field>,
    /// The regions that the typed text may mean.
    #[serde(skip)]
    pub choices: Vec<Hint>,
}

/// What is said of anything else than a phone number.
const NO_PHONE_NUMBER: &str = "Enter a phone number as it is dialled in your country, or with + and the code of its \
     country, as in +49 30 901820.";

/// Why a field is not taken.
enum Refused {
    /// It is wrong.
    Wrong(String),
    /// Another page saved something else meanwhile.
    Overtaken,
}

impl DetailsForm {
    /// The form filled in with what is stored.
    pub fn of(stored: &Details, signed_in: &SignedIn, languages: &Languages) -> Self {
        let (display_name, phone) = (text(&stored.display_name), text(&stored.phone));
        let region = region::full_name(&stored.region, languages);
        Self {
            shown_to: ShownTo::new(signed_in),
            display_name_was: Some(display_name.clone()),
            display_name,
            saved_region_was: Some(region.clone()),
            region,
            region_id: stored.region.to_string(),
            phone_was: Some(phone.clone()),
            phone,
            ..Self::default()
        }
    }

    /// Whether what is changed here is to be changed in the counterpart too.
    pub fn changes_both(&self) -> bool {
        self.counterpart.is_some()
    }

    /// The details as the person wants them: what was not changed in the form stays as it is stored by
    /// now. `None` where something is wrong; all of it is said at once.
    pub fn understand(&mut self, stored: &Details, languages: &Languages) -> Option<Details> {
        let display_name = self.understand_display_name(stored);
        let region = self.understand_region(stored, languages);
        let phone = self.understand_phone(stored, region.as_ref());
        Some(Details { display_name: display_name?, region: region?, phone: phone? })
    }

    fn understand_display_name(&mut self, stored: &Details) -> Option<Option<DisplayName>> {
        let stored = &stored.display_name;
        let (typed, was) = (&mut self.display_name, &mut self.display_name_was);
        let wanted = merge(typed, was, stored, text(stored), |typed| match typed {
            "" => Ok(None),
            typed => DisplayName::parse(typed).map(Some).map_err(why_no_display_name),
        });
        wanted.map_err(|refused| self.complain(Field::DisplayName, refused, &text(stored))).ok()
    }

    fn understand_region(&mut self, stored: &Details, languages: &Languages) -> Option<RegionId> {
        let stored = &stored.region;
        let chosen = match region::choose(&self.region, &self.region_id, &self.region_was, languages) {
            Ok(chosen) => chosen,
            Err((words, choices)) => {
                self.complaints.add(Field::Region, words);
                self.choices = choices;
                self.region_id.clear();
                return None;
            }
        };
        (self.region, self.region_id) = (chosen.full_name(), chosen.id.to_string());
        let name = region::full_name(stored, languages);
        let (typed, was) = (&mut self.region, &mut self.saved_region_was);
        let wanted = merge(typed, was, stored, name.clone(), |_| Ok(chosen.id));
        if let Ok(wanted) = &wanted {
            self.region_id = wanted.to_string();
        }
        wanted.map_err(|refused| self.complain(Field::Region, refused, &name)).ok()
    }

    fn understand_phone(
        &mut self,
        stored: &Details,
        region: Option<&RegionId>,
    ) -> Option<Option<PhoneNumber>> {
        // A number without its country's code is one of where the account is going to be, which is still
        // to be chosen perhaps.
        let regions: Vec<_> = match region {
            Some(region) => vec![region],
            None => self.choices.iter().map(|choice| &choice.id).chain([&stored.region]).collect(),
        };
        let stored = &stored.phone;
        let (typed, was) = (&mut self.phone, &mut self.phone_was);
        let wanted = merge(typed, was, stored, text(stored), |typed| match typed {
            "" => Ok(None),
            typed => {
                let read = regions.into_iter().find_map(|region| PhoneNumber::parse(typed, region).ok());
                read.map(Some).ok_or_else(|| NO_PHONE_NUMBER.to_owned())
            }
        });
        wanted.map_err(|refused| self.complain(Field::Phone, refused, &text(stored))).ok()
    }

    fn complain(&mut self, field: Field, refused: Refused, stored: &str) {
        let words = match (refused, stored) {
            (Refused::Wrong(words), _) => words,
            (Refused::Overtaken, "") => {
                "Meanwhile this was removed on another page. Save again to put it back as it stands here."
                    .to_owned()
            }
            (Refused::Overtaken, stored) => {
                format!("Meanwhile “{stored}” was saved on another page. Save again to replace it.")
            }
        };
        self.complaints.add(field, words);
    }
}

/// What becomes of a field that was shown with the text `was`, holds `typed` now, and is `stored` by now.
/// Whoever is told that another page was faster has seen it: the form they are shown next goes from there.
fn merge<T: Clone + PartialEq>(
    typed: &mut String,
    was: &mut Option<String>,
    stored: &T,
    stored_text: String,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, Refused> {
    let is_overtaken = was.as_ref().is_some_and(|was| *was != stored_text);
    if typed.trim() == was.as_ref().unwrap_or(&stored_text) {
        typed.clone_from(&stored_text);
        *was = Some(stored_text);
        return Ok(stored.clone());
    }
    let wanted = parse(typed.trim()).map_err(Refused::Wrong)?;
    *was = Some(stored_text);
    match is_overtaken && wanted != *stored {
        true => Err(Refused::Overtaken),
        false => Ok(wanted),
    }
}

fn why_no_display_name(why: NotADisplayName) -> String {
    let most = DisplayName::MOST_CHARACTERS;
    match why {
        NotADisplayName::TooLong(long) => {
            format!("This name has {long} characters. It must have no more than {most}.")
        }
        NotADisplayName::Unseen => {
            "This name holds a character that nobody sees. Type it anew, on one line.".to_owned()
        }
        NotADisplayName::NothingToRead => "A name has at least one letter or digit.".to_owned(),
    }
}

fn text(detail: &Option<impl ToString>) -> String {
    detail.as_ref().map_or_else(String::new, ToString::to_string)
}
