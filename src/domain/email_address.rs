use std::fmt;

use serde::{Deserialize, Serialize};
use sqlx::{
    Postgres,
    error::BoxDynError,
    postgres::{PgHasArrayType, PgTypeInfo, PgValueRef},
};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

use super::display_name::is_unseen;

/// An email address as its owner typed it, and the one key under which it is compared.
///
/// Valid is what HTML's `<input type=email>` takes (a dotless domain too, so `a@b` is the
/// shortest), and beside it letters of any script in both halves (RFC 6531). How long a *chosen*
/// address may be is the form's to check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress {
    typed: String,
    key: String,
}

/// What was typed is no email address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not an email address")]
pub struct NotAnEmailAddress;

/// RFC 5321, section 4.5.3.1: 64 octets before the at sign, 254 that fit into a path.
const LOCAL_PART_OCTETS: usize = 64;
const ADDRESS_OCTETS: usize = 254;

impl EmailAddress {
    /// Parses what was typed; spaces at either end are dropped, as browsers do.
    ///
    /// # Errors
    /// Where it is not an address that mail could be sent to.
    pub fn parse(typed: &str) -> Result<Self, NotAnEmailAddress> {
        let typed: String = typed.trim().nfc().collect();
        let (local, domain) = typed.rsplit_once('@').ok_or(NotAnEmailAddress)?;
        let domain = ascii_domain(domain).ok_or(NotAnEmailAddress)?;
        // A small letter may go together with its mark where the capital did not.
        let folded: String = local.to_ascii_lowercase().nfc().collect();
        let key = format!("{folded}@{domain}");
        if !is_local_part(local) || typed.len().max(key.len()) > ADDRESS_OCTETS {
            return Err(NotAnEmailAddress);
        }
        Ok(Self { typed, key })
    }

    /// The address as it was typed, in NFC: what letters go to and pages show.
    pub fn as_str(&self) -> &str {
        &self.typed
    }

    /// What two addresses are compared by: NFC, ASCII letters folded, the domain in its ASCII form.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The part after the at sign, as it was typed.
    pub fn domain(&self) -> &str {
        self.typed.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// Whether it holds what is not seen, so that another address may look the same.
    pub fn has_unseen(&self) -> bool {
        // What only chooses another shape for a character before it hides in an address.
        self.typed.chars().any(|c| is_unseen(c) || c == '\u{fe0f}')
    }

    /// How many characters (Unicode code points) it has.
    pub fn characters(&self) -> usize {
        self.typed.chars().count()
    }
}

/// HTML's characters before the at sign, and any letter or digit beyond ASCII.
fn is_local_part(local: &str) -> bool {
    let allowed = |c: char| {
        c.is_ascii_alphanumeric()
            || ".!#$%&'*+/=?^_`{|}~-".contains(c)
            || (!c.is_ascii() && (c.is_alphanumeric() || is_combining(c)))
    };
    // A dot at an end or a pair of them needs quotes (RFC 5321, section 4.1.2), and mail servers
    // refuse it without.
    (1..=LOCAL_PART_OCTETS).contains(&local.len())
        && local.chars().all(allowed)
        && local.split('.').all(|atom| !atom.is_empty())
}

fn is_combining(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

/// The domain in its ASCII form (UTS 46), its labels as DNS takes them.
fn ascii_domain(domain: &str) -> Option<String> {
    let ascii = idna::domain_to_ascii_cow(domain.as_bytes(), idna::AsciiDenyList::STD3).ok()?;
    let is_label =
        |label: &str| (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-');
    ascii.split('.').all(is_label).then(|| ascii.into_owned())
}

impl TryFrom<String> for EmailAddress {
    type Error = NotAnEmailAddress;

    fn try_from(text: String) -> Result<Self, NotAnEmailAddress> {
        Self::parse(&text)
    }
}

impl From<EmailAddress> for String {
    fn from(email: EmailAddress) -> Self {
        email.typed
    }
}

impl PgHasArrayType for EmailAddress {
    fn array_type_info() -> PgTypeInfo {
        <String as PgHasArrayType>::array_type_info()
    }
}

impl sqlx::Type<Postgres> for EmailAddress {
    fn type_info() -> PgTypeInfo {
        <str as sqlx::Type<Postgres>>::type_info()
    }
}

impl<'r> sqlx::Decode<'r, Postgres> for EmailAddress {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self::parse(<&str as sqlx::Decode<Postgres>>::decode(value)?)?)
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.typed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(typed: &str) -> String {
        EmailAddress::parse(typed).expect(typed).key().to_owned()
    }

    #[test]
    fn the_shortest_address_is_valid_and_tags_are_kept() {
        assert_eq!(key("a@b"), "a@b");
        assert_eq!(key(" Ann+News@Example.COM "), "ann+news@example.com");
    }

    #[test]
    fn one_domain_in_two_spellings_is_one_address() {
        assert_eq!(key("a@Bücher.example"), key("a@xn--bcher-kva.example"));
        assert_eq!(key("a@bu\u{308}cher.example"), key("a@bücher.example"));
        assert_eq!(key("W\u{30a}@b"), key("w\u{30a}@b"));
    }

    #[test]
    fn letters_of_any_script_are_welcome() {
        assert_eq!(key("почта@пример.рф"), "почта@xn--e1afmkfd.xn--p1ai");
    }

    #[test]
    fn what_mail_cannot_be_sent_to_is_refused() {
        for bad in [
            "",
            "a",
            "@",
            "a@",
            "@b",
            "a b@c",
            "a@b c",
            "a@-b",
            "a@b-",
            "a@b..c",
            "a..b@c",
            ".a@b",
            "a.@b",
            "a@b@c ",
            "a\u{0}@b",
            "a@b\r\nBcc: c@d",
            "<a@b>",
            "a@[127.0.0.1]",
            "a@b_c",
            "\u{202e}a@b",
            "a,b@c",
        ] {
            assert_eq!(EmailAddress::parse(bad), Err(NotAnEmailAddress), "{bad:?}");
        }
        let long_local = format!("{}@b", "a".repeat(65));
        let long_domain = format!("a@{}", ["b".repeat(63).as_str(); 4].join("."));
        for bad in [long_local, long_domain] {
            assert!(EmailAddress::parse(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_seen_in_an_address_is_known() {
        let unseen = [
            '\u{34f}',
            '\u{115f}',
            '\u{1160}',
            '\u{17b4}',
            '\u{180b}',
            '\u{180f}',
            '\u{3164}',
            '\u{fe00}',
            '\u{fe0f}',
            '\u{ffa0}',
            '\u{e0100}',
            '\u{e01ef}',
        ];
        // And what a domain is compared without.
        let local = unseen.map(|c| format!("a{c}nn@b"));
        let domain = ["a@b\u{ad}c", "a@b\u{200b}c", "a@b\u{2060}c", "a@b\u{fe0f}c"].map(str::to_owned);
        for typed in local.iter().chain(&domain) {
            assert!(EmailAddress::parse(typed).unwrap().has_unseen(), "{typed:?}");
        }
        for typed in
            ["ann@b", "почта@пример.рф", "a\u{301}\u{325}@b", "हिन्दी@उदाहरण.भारत", "a@نامه\u{200c}ای.com"]
        {
            assert!(!EmailAddress::parse(typed).unwrap().has_unseen(), "{typed:?}");
        }
        // These are refused in any case.
        for c in ['\u{200c}', '\u{200d}', '\u{e0041}', '\u{feff}', '\u{2800}'] {
            assert!(EmailAddress::parse(&format!("a{c}nn@b")).is_err(), "{c:?}");
        }
    }

    #[test]
    fn whatever_we_take_the_mail_library_takes() {
        for address in ["a@b", "ann+news@example.com", "почта@пример.рф", "o'neil!#$%&*/=?^_`{|}~-@x.y"]
        {
            let typed = EmailAddress::parse(address).unwrap();
            typed.as_str().parse::<lettre::Address>().expect(address);
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_holds_the_rule_and_means_the_same_when_it_is_read_again(typed in hostile()) {
            if let Ok(email) = EmailAddress::parse(&typed) {
                let again = EmailAddress::parse(email.as_str()).expect("it was accepted");
                prop_assert_eq!(&again, &email);
                let by_key = EmailAddress::parse(email.key()).expect("so is its key");
                prop_assert_eq!(by_key.key(), email.key());
                prop_assert!(email.as_str().len() <= ADDRESS_OCTETS && email.as_str().matches('@').count() == 1);
                let breaks_a_header = |c: char| c.is_control() || c.is_whitespace() || "<>,;:\"\\()[]".contains(c);
                prop_assert!(!email.as_str().contains(breaks_a_header), "{:?}", email.as_str());
            }
        }
    }

    /// Anything, and what is nearly an address.
    fn hostile() -> impl Strategy<Value = String> {
        prop_oneof![
            "\\PC*",
            "(?s).{0,80}",
            "[a-zé.+_\u{301}-]{0,70}@[a-zéß.\u{3002}-]{0,70}",
            "[!-~]{1,20}@[!-~]{1,20}"
        ]
    }
}
