use std::fmt;

use serde::{Deserialize, Deserializer};
use unicode_normalization::UnicodeNormalization;

use super::random_groups::{GROUP, random_groups};

/// A password as its owner typed it, never cut or trimmed: normalised to NFC, so that one key
/// press means the same on every keyboard (RFC 8265, section 4), and otherwise whole. It cannot
/// be printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Password {
    normalised: String,
    typed_characters: usize,
}

/// What generated passwords are made of: small letters and digits of which none looks like another.
const GENERATED_ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// They have so many groups of characters, with hyphens between.
const GENERATED_GROUPS: usize = 4;
/// The hyphen, and what keyboards and text programs put in its place.
const HYPHENS: [char; 6] = ['-', '\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2014}'];

impl Password {
    /// How many characters a generated password has, hyphens included.
    pub const GENERATED_CHARACTERS: usize = GENERATED_GROUPS * (GROUP + 1) - 1;

    /// A new password of 16 random characters in groups, 79 bits.
    ///
    /// # Panics
    /// When the operating system has no randomness to give; nothing can be kept secret then.
    pub fn generate() -> Self {
        Self::new(&random_groups(GENERATED_ALPHABET, GENERATED_GROUPS))
    }

    /// Whether it has the shape of a generated password.
    pub fn looks_generated(&self) -> bool {
        let is_of_them = |c: char| u8::try_from(c).is_ok_and(|c| GENERATED_ALPHABET.contains(&c));
        let groups: Vec<_> = self.normalised.split('-').collect();
        groups.len() == GENERATED_GROUPS
            && groups.iter().all(|group| group.len() == GROUP && group.chars().all(is_of_them))
    }

    /// Whether it would have that shape with other capitals, hyphens or spaces.
    pub fn is_nearly_generated(&self) -> bool {
        let bare: String = self
            .normalised
            .chars()
            .filter(|c| !c.is_whitespace() && !HYPHENS.contains(c))
            .map(|c| c.to_ascii_lowercase())
            .collect();
        let is_whole = bare.len() == GENERATED_GROUPS * GROUP;
        is_whole && bare.bytes().all(|c| GENERATED_ALPHABET.contains(&c)) && !self.looks_generated()
    }

    /// Takes anything: bounds are for passwords that are *chosen*, and are the form's to check.
    pub fn new(typed: &str) -> Self {
        Self { normalised: typed.nfc().collect(), typed_characters: typed.chars().count() }
    }

    /// How many characters (Unicode code points) were typed, before normalisation.
    pub fn characters(&self) -> usize {
        self.typed_characters
    }

    /// Whether nothing was typed.
    pub fn is_empty(&self) -> bool {
        self.normalised.is_empty()
    }

    /// The normalised text, for the hash and for advice about it.
    pub fn reveal(&self) -> &str {
        &self.normalised
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|typed| Self::new(&typed))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_and_decomposed_letters_are_one_password_and_nothing_is_trimmed() {
        assert_eq!(Password::new("e\u{301}").reveal(), Password::new("é").reveal());
        assert_eq!(Password::new(" a\t ").reveal(), " a\t ");
        assert_eq!(Password::new("e\u{301}").characters(), 2);
    }

    #[test]
    fn a_generated_one_has_its_shape_and_is_like_no_other() {
        let (one, other) = (Password::generate(), Password::generate());
        assert!(one.looks_generated() && one != other, "{}", one.reveal());
        assert_eq!(one.characters(), Password::GENERATED_CHARACTERS);
        for typed in
            ["", "secret", "abcd-efgh-jkmn", "abcd-efgh-jkmn-pqr", "abcd-efgh-jkmn-pqrO", "abcdefghjkmnpqrs"]
        {
            assert!(!Password::new(typed).looks_generated(), "{typed}");
        }
    }

    #[test]
    fn one_that_was_typed_otherwise_than_it_stands_there_is_nearly_one() {
        for typed in
            ["ABCD-EFGH-JKMN-PQRS", "abcdefghjkmnpqrs", "abcd efgh jkmn pqrs ", "abcd\u{2013}efgh-jkmn-pqrs"]
        {
            assert!(Password::new(typed).is_nearly_generated(), "{typed}");
        }
        for typed in
            ["", "abcd-efgh-jkmn-pqrs", "abcd-efgh-jkmn-pqr", "abcd-efgh-jkmn-pqro", "ÄBCDEFGHJKMNPQR"]
        {
            assert!(!Password::new(typed).is_nearly_generated(), "{typed}");
        }
    }

    #[test]
    fn it_cannot_be_printed() {
        assert!(!format!("{:?}", Password::new("hunter")).contains("hunter"));
    }
}
