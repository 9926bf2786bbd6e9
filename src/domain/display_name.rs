use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;
use unicode_script::{Script, UnicodeScript};

/// What an account is called: one line in NFC that shows all it holds, without spaces at its ends, and
/// with no more than one between two words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct DisplayName(String);

/// Why something cannot be a display name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotADisplayName {
    /// It has so many characters.
    #[error("too long: {0} characters")]
    TooLong(usize),
    /// It holds what is not seen, or turns the direction of writing.
    #[error("holds an unseen character")]
    Unseen,
    /// Nothing in it is a letter or a digit.
    #[error("without a letter or digit")]
    NothingToRead,
}

impl DisplayName {
    /// How many characters (Unicode code points) it may have.
    pub const MOST_CHARACTERS: usize = 50;

    /// Parses what was typed.
    ///
    /// # Errors
    /// Where it is too long, is not wholly seen, or has nothing to be read.
    pub fn parse(typed: &str) -> Result<Self, NotADisplayName> {
        let name = typed.trim();
        if has_unseen(name) {
            return Err(NotADisplayName::Unseen);
        }
        let name: String = name.split_whitespace().collect::<Vec<_>>().join(" ").nfc().collect();
        if !name.chars().any(char::is_alphanumeric) {
            return Err(NotADisplayName::NothingToRead);
        }
        match name.chars().count() {
            long if long > Self::MOST_CHARACTERS => Err(NotADisplayName::TooLong(long)),
            _ => Ok(Self(name)),
        }
    }
}

fn has_unseen(name: &str) -> bool {
    let mut previous = None;
    for c in name.chars() {
        if is_unseen(c) || (is_joiner(c) && !previous.is_some_and(is_shaped)) {
            return true;
        }
        previous = Some(c);
    }
    // Before nothing, a joiner only hides.
    previous.is_some_and(|last| matches!(last, '\u{200c}' | '\u{200d}'))
}

/// Control characters, and what Unicode wants ignored where it is shown (Default_Ignorable_Code_Point)
/// or shows as nothing; the joiners excepted.
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0e}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// What shapes letters of some scripts, and emoji, and after anything else only hides.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe0f}')
}

fn is_shaped(c: char) -> bool {
    let is_plain = matches!(c.script(), Script::Latin | Script::Greek | Script::Cyrillic);
    !(c.is_ascii() || c.is_whitespace() || is_plain || matches!(c, '\u{200c}' | '\u{200d}'))
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(typed: &str) -> Result<String, NotADisplayName> {
        DisplayName::parse(typed).map(|name| name.to_string())
    }

    #[test]
    fn names_of_any_script_are_names() {
        for name in [
            "Ann",
            "7",
            "Ann & Bob's, Ltd. №1",
            "Łódź",
            "Анна",
            "علی\u{200c}رضا",
            "क्\u{200d}ष",
            "李小龍",
            "Ann ❤\u{fe0f}",
        ] {
            assert_eq!(parsed(name).as_deref(), Ok(name));
        }
        assert_eq!(parsed(&"ä".repeat(50)).as_deref(), Ok(&*"ä".repeat(50)));
    }

    #[test]
    fn it_is_one_line_in_nfc_without_idle_spaces() {
        assert_eq!(parsed(" Ann \u{a0}\u{3000} Bo\u{308}b ").as_deref(), Ok("Ann B\u{f6}b"));
        assert_eq!(parsed(&"a\u{308}".repeat(50)).as_deref(), Ok(&*"ä".repeat(50)));
    }

    #[test]
    fn what_is_unseen_turns_round_or_says_nothing_is_refused() {
        for unseen in [
            "Ann\nBob",
            "A\tB",
            "A\u{7f}",
            "A\u{200b}nn",
            "\u{202e}nnA",
            "Ann\u{2067}",
            "\u{feff}Ann",
            "A\u{ad}nn",
            "A\u{200d}nn",
            "Ann\u{200c}",
            "علی\u{200c}",
            "A\u{fe0f}",
            "ㅤAnn",
            "Ann\u{e0041}",
        ] {
            assert_eq!(parsed(unseen), Err(NotADisplayName::Unseen), "{unseen:?}");
        }
        for empty in ["", "   ", "…", "-- !", "\u{301}"] {
            assert_eq!(parsed(empty), Err(NotADisplayName::NothingToRead), "{empty:?}");
        }
        assert_eq!(parsed(&"a".repeat(51)), Err(NotADisplayName::TooLong(51)));
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_the_same_when_it_is_read_again(typed in "(?s).{0,120}") {
            if let Ok(name) = parsed(&typed) {
                prop_assert_eq!(parsed(&name), Ok(name));
            }
        }
    }
}
