use std::fmt;

use serde::{Deserialize, Deserializer};
use unicode_normalization::UnicodeNormalization;

/// A password as its owner typed it, never cut or trimmed: normalised to NFC, so that one key
/// press means the same on every keyboard (RFC 8265, section 4), and otherwise whole. It cannot
/// be printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Password {
    normalised: String,
    typed_characters: usize,
}

impl Password {
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
    fn it_cannot_be_printed() {
        assert!(!format!("{:?}", Password::new("hunter")).contains("hunter"));
    }
}
