use std::fmt;

use rand::{TryRng, rngs::SysRng};

/// What a support request is called, by who wrote it and by who answers: `K7QM-2XHD-9TRW`. It is random, so
/// that nobody finds another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupportReference(String);

/// Capitals and digits of which none looks like another.
const ALPHABET: &[u8; 31] = b"ABCDEFGHJKMNPQRSTUVWXYZ23456789";
/// The characters stand in groups of so many, with hyphens between.
const GROUP: usize = 4;
const GROUPS: usize = 3;

impl SupportReference {
    /// A new one of 12 random characters, 59 bits.
    ///
    /// # Panics
    /// When the operating system has no randomness to give; nothing can be kept secret then.
    pub fn generate() -> Self {
        let mut characters = String::new();
        while characters.len() < GROUP * GROUPS {
            let mut byte = [0];
            SysRng.try_fill_bytes(&mut byte).expect("the system gives random bytes");
            // A byte above the last whole round of the alphabet would favour its beginning.
            if byte[0] < u8::MAX - u8::MAX % 31 {
                characters.push(char::from(ALPHABET[usize::from(byte[0]) % ALPHABET.len()]));
            }
        }
        Self::grouped(&characters)
    }

    /// The reference that was typed or linked, in whatever case and with or without its hyphens; `None` for
    /// any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let bare = text.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_uppercase());
        let bare: String = bare.take(GROUP * GROUPS + 1).collect();
        let is_whole = bare.len() == GROUP * GROUPS && bare.bytes().all(|c| ALPHABET.contains(&c));
        is_whole.then(|| Self::grouped(&bare))
    }

    /// The text with its hyphens.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn grouped(characters: &str) -> Self {
        let groups: Vec<_> =
            (0..GROUPS).map(|group| &characters[group * GROUP..(group + 1) * GROUP]).collect();
        Self(groups.join("-"))
    }
}

impl fmt::Display for SupportReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_however_it_is_typed_and_is_like_no_other() {
        let reference = SupportReference::generate();
        assert_eq!(reference.as_str().len(), 14);
        assert_ne!(reference, SupportReference::generate());
        let typed = format!(" {} ", reference.as_str().to_lowercase().replace('-', " "));
        assert_eq!(SupportReference::parse(&typed), Some(reference));
    }

    #[test]
    fn what_never_was_one_is_none() {
        for text in ["", "K7QM-2XHD-9TR", "K7QM-2XHD-9TRWW", "K7QM-2XHD-9TR0", "ÄÄÄÄÄÄ", "<b>M-2XHD-9TRW"]
        {
            assert_eq!(SupportReference::parse(text), None, "{text}");
        }
    }
}
