use std::fmt;

use super::random_groups::{GROUP, random_groups};

/// What a support request is called, by who wrote it and by who answers: `K7QM-2XHD-9TRW`. It is random, so
/// that nobody finds another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupportReference(String);

/// Capitals and digits of which none looks like another.
const ALPHABET: &[u8; 31] = b"ABCDEFGHJKMNPQRSTUVWXYZ23456789";
/// It has so many groups of characters, with hyphens between.
const GROUPS: usize = 3;

impl SupportReference {
    /// A new one of 12 random characters, 59 bits.
    ///
    /// # Panics
    /// When the operating system has no randomness to give; nothing can be kept secret then.
    pub fn generate() -> Self {
        Self(random_groups(ALPHABET, GROUPS))
    }

    /// The reference that was typed or linked, in whatever case and with or without its hyphens; `None` for
    /// any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let bare = text.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_uppercase());
        let bare: String = bare.take(GROUP * GROUPS + 1).collect();
        let is_whole = bare.len() == GROUP * GROUPS && bare.bytes().all(|c| ALPHABET.contains(&c));
        let groups = (0..GROUPS).map(|group| bare.get(group * GROUP..(group + 1) * GROUP));
        is_whole.then(|| groups.flatten().collect::<Vec<_>>().join("-")).map(Self)
    }

    /// The text with its hyphens.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SupportReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn what_is_read_is_a_reference_that_is_read_as_itself(
            text in prop_oneof!["(?s).{0,20}", "([A-Za-z2-9]{0,5}[- \\t]?){3}"],
        ) {
            if let Some(reference) = SupportReference::parse(&text) {
                prop_assert_eq!(SupportReference::parse(reference.as_str()), Some(reference.clone()));
                let groups: Vec<_> = reference.as_str().split('-').collect();
                prop_assert!(groups.len() == GROUPS && groups.iter().all(|group| group.len() == GROUP));
                prop_assert!(groups.concat().bytes().all(|c| ALPHABET.contains(&c)), "{}", reference);
            }
        }
    }
}
