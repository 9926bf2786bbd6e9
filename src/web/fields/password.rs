//! A password that is chosen, and what can be said of one that did not fit. One that is only proved
//! has no bounds.

use unicode_script::{Script, UnicodeScript};

use crate::{
    domain::{EmailAddress, Password},
    platform::config::Config,
};

/// The passwords that are tried first. Source: the frequency list of zxcvbn (MIT), which counts
/// those of large leaks; its first ones, and what stands near them on this site.
const MOST_COMMON: &str = "123456 password 12345678 qwerty 123456789 12345 1234 111111 1234567 dragon 123123 baseball \
     abc123 football monkey letmein shadow master 696969 mustang 666666 qwertyuiop 123321 1234567890 superman 654321 \
     1qaz2wsx 7777777 qazwsx jordan 123qwe 000000 killer trustno1 hunter harley zxcvbnm asdfgh buster batman soccer \
     tigger charlie sunshine iloveyou ranger hockey computer starwars pepper klaster 112233 zxcvbn freedom princess \
     maggie pass ginger 11111111 131313 love cheese 159753 summer chelsea dallas matrix yankees 6969 corvette austin \
     access thunder merlin secret diamond hello hammer 1234qwer silver internet samantha golfer scooter test orange \
     cookie q1w2e3r4t5 maverick phoenix mickey welcome password1 passw0rd qwerty123 admin 123 vestibule";

/// What is said beside a password that nothing was wrong with, in a form that is shown again.
pub const KEPT_BY_NO_PAGE: &str = "Enter it again: no page keeps it.";

/// What is allowed, for the hint of the field.
pub fn hint(config: &Config) -> String {
    let allowed = &config.password_length;
    format!("{} to {} characters. Capitals and small letters count.", allowed.start(), allowed.end())
}

/// What is wrong with a password that was chosen, as a sentence, or `None`.
pub fn complaint(password: &Password, email: Option<&EmailAddress>, config: &Config) -> Option<String> {
    let allowed = &config.password_length;
    match password.characters() {
        0 => Some("Choose a password.".to_owned()),
        short if short < *allowed.start() => {
            Some(format!("This password has {short} characters. It must have at least {}.", allowed.start()))
        }
        long if long > *allowed.end() => {
            Some(format!("This password has {long} characters. It must have no more than {}.", allowed.end()))
        }
        _ if email.is_some_and(|email| is_same(password, email.as_str())) => {
            Some("This password is your email address, which others know. Choose another.".to_owned())
        }
        _ if MOST_COMMON.split_ascii_whitespace().any(|common| is_same(password, common)) => {
            Some("This is one of the passwords that are tried first. Choose another.".to_owned())
        }
        _ => None,
    }
}

fn is_same(password: &Password, text: &str) -> bool {
    password.reveal().to_lowercase() == text.to_lowercase()
}

/// What may have gone wrong while a password was typed, drawn from the typed text alone, so that
/// it tells nothing about the right one.
pub fn typing_advice(typed: &str) -> Vec<String> {
    let mut advice = Vec::new();
    let has = |test: fn(char) -> bool| typed.chars().any(test);
    if has(char::is_uppercase) && !has(char::is_lowercase) {
        advice.push("You typed capital letters only: look whether Caps Lock is on.".to_owned());
    } else if typed.split(|c: char| !c.is_alphabetic()).any(looks_swapped) {
        advice.push("Capitals and small letters look swapped: look whether Caps Lock is on.".to_owned());
    }
    if let Some(script) = typed.chars().map(|c| c.script()).find(|script| is_foreign(*script)) {
        advice.push(format!("You are typing {} letters: look at the input language.", script.full_name()));
    }
    if typed.starts_with(char::is_whitespace) || typed.ends_with(char::is_whitespace) {
        advice.push("There is a space at an end of what you typed.".to_owned());
    }
    if Password::new(typed).is_nearly_generated() {
        let words = "A password from our letter has hyphens and small letters: type it as it stands there.";
        advice.push(words.to_owned());
    }
    advice
}

/// Whether a word begins small and goes on in capitals, as `sECRET`.
fn looks_swapped(word: &str) -> bool {
    let mut letters = word.chars();
    letters.next().is_some_and(char::is_lowercase)
        && letters.clone().count() > 1
        && letters.all(char::is_uppercase)
}

fn is_foreign(script: Script) -> bool {
    !matches!(script, Script::Latin | Script::Common | Script::Inherited | Script::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complains(password: &str) -> Option<String> {
        let email = EmailAddress::parse("ann@b.example").unwrap();
        complaint(&Password::new(password), Some(&email), &Config::from_variables([]).unwrap())
    }

    #[test]
    fn the_owners_bounds_hold_in_characters_as_typed() {
        for good in ["abc", "ÄÖÜ", "🙂🙂🙂", "   ", &"x".repeat(20)] {
            assert_eq!(complains(good), None, "{good}");
        }
        for bad in ["", "ab", &"x".repeat(21)] {
            assert!(complains(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn the_most_common_ones_and_the_address_itself_are_refused() {
        for bad in ["password", "PassWord", "123456", "Ann@b.example"] {
            assert!(complains(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn advice_comes_from_the_typed_text() {
        let first = |typed: &str| typing_advice(typed).first().cloned().unwrap_or_default();
        assert!(first("SECRET1").contains("Caps Lock"));
        assert!(first("sECRET").contains("swapped") && first("my sECRET 1").contains("swapped"));
        assert!(first("пароль").contains("Cyrillic"));
        assert!(first("secret ").contains("space"));
        for nearly in
            ["abcdefghjkmnpqrs", "ABCD-EFGH-JKMN-PQRS", "abcd efgh jkmn pqrs", " abcd-efgh-jkmn-pqrs"]
        {
            let advice = typing_advice(nearly);
            assert!(
                advice.last().is_some_and(|last| last.contains("as it stands there")),
                "{nearly}: {advice:?}"
            );
        }
        for plain in ["secret", "Secret1", "s", "", "123", "sEcret", "abcd-efgh-jkmn-pqrs"] {
            assert_eq!(typing_advice(plain), Vec::<String>::new(), "{plain}");
        }
    }
}
