use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use rand::{TryRng, rngs::SysRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A secret that we hand out once, in a link or a cookie: 256 random bits. It can be shown to its
/// owner with [`Token::reveal`]; it cannot be printed, and the database sees only its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 32]);

/// SHA-256 of a random secret. A fast hash is enough for what nobody can guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[sqlx(transparent)]
pub struct TokenHash([u8; 32]);

/// What nobody can guess, from the operating system's randomness.
///
/// # Panics
/// When the operating system has no randomness to give; nothing can be kept secret then.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).expect("the system gives random bytes");
    bytes
}

impl Token {
    /// A new token from the operating system's randomness.
    ///
    /// # Panics
    /// When the operating system has no randomness to give; nothing can be kept secret then.
    pub fn random() -> Self {
        Self(random_bytes())
    }

    /// The token in a link or a cookie, or `None` for what never was one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    /// The text for the link or the cookie, 43 characters of base64url.
    pub fn reveal(&self) -> String {
        BASE64URL_NOPAD.encode(&self.0)
    }

    /// What the database may know.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(secret)")
    }
}

impl TokenHash {
    /// The hash of a secret's bytes.
    pub fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// The hash by which a page names something of its owner's, or `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    /// The bytes as the database takes them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// 43 characters of base64url, for the page of its owner.
impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_survives_its_link_and_is_never_printed() {
        let token = Token::random();
        assert_eq!(Token::parse(&token.reveal()).as_ref(), Some(&token));
        assert_eq!(format!("{token:?}"), "Token(secret)");
    }

    #[test]
    fn what_never_was_a_token_is_none() {
        for text in ["", "abc", &"A".repeat(44), &"ä".repeat(43), &"=".repeat(43)] {
            assert_eq!(Token::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_token_has_one_spelling(text in prop_oneof!["(?s).{0,60}", "[A-Za-z0-9_-]{43}"]) {
            if let Some(token) = Token::parse(&text) {
                prop_assert_eq!(token.reveal(), text);
            }
        }
    }
}
