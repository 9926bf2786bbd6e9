use std::fmt;

use phonenumber::{
    Mode, country,
    metadata::{DATABASE, Database},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::RegionId;

/// A phone number, kept as E.164 has it (`+4930901820`) and shown in the international format
/// (`+49 30 901820`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct PhoneNumber(String);

/// What was typed is no phone number, or not one that could be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a phone number")]
pub struct NotAPhoneNumber;

/// What people write between the digits of a number, beside spaces.
const SEPARATORS: &str = "-‐‑‒–—−./()";
/// What comes along unseen where a number is copied from a page or an address book.
const UNSEEN: [char; 9] = [
    '\u{200b}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202c}', '\u{202d}', '\u{2060}', '\u{2066}',
    '\u{2069}',
];

/// In octets: a number has 15 digits at most (E.164), and whoever types more means none.
const LONGEST: usize = 200;

/// E.164, section 6: a number with its country's code.
const MOST_DIGITS: usize = 15;

impl PhoneNumber {
    /// Reads what is known of all countries' numbers, for which else the first number waits most of a tenth
    /// of a second.
    pub fn read_countries() {
        let _: &Database = &DATABASE;
    }

    /// Parses what was typed. Without a `+` it is read as it is dialled in the country of `region`.
    ///
    /// # Errors
    /// Where it is no number that could be called. What follows a number (an extension) or stands for
    /// digits (letters) makes it none: the number that is kept must be the one that was meant.
    pub fn parse(typed: &str, region: &RegionId) -> Result<Self, NotAPhoneNumber> {
        if typed.len() > LONGEST {
            return Err(NotAPhoneNumber);
        }
        let country = region.country().parse().ok();
        // Between brackets stands what is dialled only where there is no code before it.
        let without_prefix = typed.replace("(0)", "");
        [typed, &without_prefix].into_iter().find_map(|typed| read(typed, country)).ok_or(NotAPhoneNumber)
    }
}

fn read(typed: &str, country: Option<country::Id>) -> Option<PhoneNumber> {
    let digits = digits(typed)?;
    // After a plus the number says its country itself; told another time, the library takes a digit off.
    let country = country.filter(|_| !digits.starts_with('+'));
    let number = phonenumber::parse(country, digits).ok()?;
    let e164 = e164(&number);
    // Some countries' own rules are wider.
    let fits = e164.len() <= "+".len() + MOST_DIGITS;
    // Of some numbers the library takes a digit off each time that it reads them.
    let stays =
        || phonenumber::parse(None, &e164).is_ok_and(|again| again.is_valid() && self::e164(&again) == e164);
    (number.is_valid() && fits && stays()).then_some(PhoneNumber(e164))
}

fn e164(number: &phonenumber::PhoneNumber) -> String {
    number.format().mode(Mode::E164).to_string()
}

/// The digits in ASCII, after a `+` where there is one; `None` for what holds anything else that matters.
fn digits(typed: &str) -> Option<String> {
    let mut digits = String::new();
    for c in typed.chars().filter(|c| !c.is_whitespace() && !SEPARATORS.contains(*c) && !UNSEEN.contains(c)) {
        match c {
            '+' | '＋' if digits.is_empty() => digits.push('+'),
            _ => digits.push(digit(c)?),
        }
    }
    Some(digits)
}

/// A digit as keyboards of other scripts type it: Arabic, Persian, Devanagari, Bengali, Thai, full width.
fn digit(c: char) -> Option<char> {
    let zeros = ['0', '\u{660}', '\u{6f0}', '\u{966}', '\u{9e6}', '\u{e50}', '\u{ff10}'];
    let value =
        zeros.into_iter().find_map(|zero| u32::from(c).checked_sub(zero.into()).filter(|v| *v < 10))?;
    char::from_digit(value, 10)
}

/// The international format. What is stored and unknown to the library is shown as it is stored.
impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parsed = phonenumber::parse(None, &self.0).ok();
        let spaced = parsed.map(|number| number.format().mode(Mode::International).to_string());
        // The library takes the first digits of some numbers for a prefix there, and drops them.
        let spaced = spaced.filter(|spaced| digits(spaced).is_some_and(|digits| digits == self.0));
        f.write_str(spaced.as_deref().unwrap_or(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(typed: &str, region: &str) -> Option<(String, String)> {
        let number = PhoneNumber::parse(typed, &RegionId::parse(region).unwrap()).ok()?;
        Some((number.0.clone(), number.to_string()))
    }

    #[test]
    fn a_number_is_read_as_it_is_dialled_where_one_is() {
        for (typed, region, kept, shown) in [
            ("030 901820", "DE-BE", "+4930901820", "+49 30 901820"),
            ("0049 30/901820", "DE", "+4930901820", "+49 30 901820"),
            ("+49 (0)30 901820", "US", "+4930901820", "+49 30 901820"),
            ("(202) 555-0100", "US-DC", "+12025550100", "+1 202-555-0100"),
            ("020 7946 0958", "GB-LND", "+442079460958", "+44 20 7946 0958"),
            ("8 912 345‑67‑89", "RU-MOW", "+79123456789", "+7 912 345-67-89"),
            ("\u{202a}+49\u{a0}30\u{a0}901820\u{202c}", "FR", "+4930901820", "+49 30 901820"),
            ("٠١٠٠ ١٢٣ ٤٥٦٧", "EG", "+201001234567", "+20 10 01234567"),
            ("＋４９３０９０１８２０", "JP", "+4930901820", "+49 30 901820"),
        ] {
            assert_eq!(parsed(typed, region), Some((kept.to_owned(), shown.to_owned())), "{typed}");
        }
    }

    #[test]
    fn what_could_not_be_called_or_holds_more_than_a_number_is_none() {
        for typed in [
            "",
            "+",
            "abc",
            "12345",
            "110",
            "+49 1",
            "+999 123456",
            "++49 30 901820",
            "30+901820",
            "+49 30 901820 ext. 5",
            "+49 30 901820;ext=5",
            "1-800-FLOWERS",
            "<script>+4930901820",
            "+49 30 901820 +49 30 901821",
            "+49 16400000000000",
            &"9".repeat(10_000),
        ] {
            assert_eq!(parsed(typed, "DE"), None, "{typed:.40}");
        }
        assert_eq!(parsed("030 901820", "AQ"), None);
    }

    #[test]
    fn what_the_library_does_not_know_is_shown_as_it_is_stored() {
        assert_eq!(PhoneNumber("+999 1&2".to_owned()).to_string(), "+999 1&2");
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_e164_and_the_same_when_it_is_read_again(
            typed in prop_oneof!["(?s).{0,60}", "[+＋]?[0-9٠-٩ ()./-]{0,30}", "\\+[0-9]{1,18}"],
            region in prop_oneof!["[A-Z]{2}", Just("DE".to_owned()), Just("US-CA".to_owned())],
        ) {
            let region = RegionId::parse(&region).expect("the shape of an id");
            if let Ok(number) = PhoneNumber::parse(&typed, &region) {
                prop_assert!(number.0.starts_with('+') && number.0.len() <= 16, "{}", number.0);
                prop_assert!(number.0[1..].bytes().all(|byte| byte.is_ascii_digit()), "{}", number.0);
                prop_assert_eq!(PhoneNumber::parse(&number.0, &region), Ok(number.clone()));
                prop_assert_eq!(PhoneNumber::parse(&number.to_string(), &region), Ok(number));
            }
        }
    }
}
