//! An email address that was typed. Only one that is chosen has bounds.

use crate::{domain::EmailAddress, platform::config::Config};

/// Domains that many people have, for telling a slip in one of them.
pub const COMMON_DOMAINS: &str = "gmail.com googlemail.com yahoo.com hotmail.com outlook.com live.com icloud.com \
     aol.com proton.me gmx.de gmx.net web.de t-online.de orange.fr free.fr laposte.net libero.it mail.ru yandex.ru \
     ukr.net wp.pl o2.pl seznam.cz mail.com email.com qq.com 163.com naver.com";

/// The address that was typed.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub fn read(typed: &str) -> Result<EmailAddress, String> {
    if typed.trim().is_empty() {
        return Err("Enter your email address.".to_owned());
    }
    EmailAddress::parse(typed).map_err(|_| "Enter an email address like name@example.com.".to_owned())
}

/// The address that was chosen.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub fn choose(typed: &str, config: &Config) -> Result<EmailAddress, String> {
    let allowed = &config.email_length;
    let email = read(typed)?;
    match email.characters() {
        _ if email.has_unseen() => {
            Err("This address holds a character that nobody sees. Type it anew.".to_owned())
        }
        short if short < *allowed.start() => {
            Err(format!("This address has {short} characters. It must have at least {}.", allowed.start()))
        }
        long if long > *allowed.end() => {
            Err(format!("This address has {long} characters. It must have no more than {}.", allowed.end()))
        }
        _ => Ok(email),
    }
}

/// What is allowed, for the line under the label.
pub fn hint(config: &Config) -> String {
    let allowed = &config.email_length;
    format!(
        "An address of {} to {} characters, to which you have permanent access.",
        allowed.start(),
        allowed.end()
    )
}

/// A likely slip in what was typed, pointed out as a question that may be ignored; else empty.
pub fn advice(typed: &str) -> String {
    let meant = EmailAddress::parse(typed).ok().and_then(|email| likely_domain(&email));
    meant.map_or_else(String::new, |domain| format!("Did you mean an address that ends in {domain}?"))
}

/// The common domain that was probably meant, where the typed one is a slip away from it.
pub fn likely_domain(email: &EmailAddress) -> Option<&'static str> {
    let domain = email.domain().to_ascii_lowercase();
    if COMMON_DOMAINS.split(' ').any(|common| common == domain) {
        return None;
    }
    // One letter too few, too many, wrong, or two swapped; short domains are too close together.
    COMMON_DOMAINS.split(' ').find(|common| common.len() > 6 && strsim::osa_distance(common, &domain) == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(typed: &str) -> Result<EmailAddress, String> {
        choose(typed, &Config::from_variables([]).unwrap())
    }

    #[test]
    fn the_owners_bounds_hold_in_characters_as_typed() {
        assert!(choice("a@b").is_ok());
        assert!(choice(&format!("{}@b.example", "ä".repeat(10))).is_ok());
        assert!(choice(&format!("{}@b.example", "a".repeat(11))).unwrap_err().contains("21 characters"));
        for wrong in ["", " ", "a", "a@"] {
            assert!(choice(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_address_that_looks_like_another_is_not_chosen_but_may_be_proved() {
        for typed in ["a\u{34f}nn@b", "ann\u{fe0f}@b", "ann@b\u{ad}c"] {
            assert!(choice(typed).unwrap_err().contains("that nobody sees"), "{typed:?}");
            assert!(read(typed).is_ok(), "{typed:?}");
        }
    }

    #[test]
    fn a_slip_in_a_common_domain_is_seen_and_others_are_left_alone() {
        let likely = |typed: &str| likely_domain(&EmailAddress::parse(typed).unwrap());
        assert_eq!(likely("a@gmial.com"), Some("gmail.com"));
        assert_eq!(likely("a@HOTMIAL.com"), Some("hotmail.com"));
        for good in ["a@gmail.com", "a@example.com", "a@b", "a@gmx.at", "a@mail.com"] {
            assert_eq!(likely(good), None, "{good}");
        }
    }
}
