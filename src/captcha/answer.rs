/// The zeros of the scripts that people type numbers in; the digits up to nine follow each
/// (Unicode, general category Nd): ASCII, Arabic-Indic and its eastern form, N'Ko, Devanagari,
/// Bengali, Gurmukhi, Gujarati, Odia, Tamil, Telugu, Kannada, Malayalam, Sinhala, Thai, Lao,
/// Tibetan, Myanmar, Khmer, Mongolian, full width.
const ZEROS: [char; 21] = [
    '0', '\u{660}', '\u{6f0}', '\u{7c0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}', '\u{be6}',
    '\u{c66}', '\u{ce6}', '\u{d66}', '\u{de6}', '\u{e50}', '\u{ed0}', '\u{f20}', '\u{1040}', '\u{17e0}',
    '\u{1810}', '\u{ff10}',
];

/// What a person typed into the field for the answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Nothing,
    Number(i16),
    NotANumber,
}

impl Answer {
    /// Understands decimal digits of any script, with spaces and marks of direction around them.
    pub(super) fn understand(typed: &str) -> Self {
        let typed = typed.trim_matches(|c: char| c.is_whitespace() || is_mark_of_direction(c));
        if typed.is_empty() {
            return Self::Nothing;
        }
        let digits: Option<String> = typed.chars().map(ascii_digit).collect();
        digits.and_then(|digits| digits.parse().ok()).map_or(Self::NotANumber, Self::Number)
    }
}

fn ascii_digit(c: char) -> Option<char> {
    let value =
        ZEROS.iter().find_map(|zero| (c as u32).checked_sub(*zero as u32).filter(|value| *value < 10))?;
    char::from_digit(value, 10)
}

// Keyboards of scripts that run from right to left put them around numbers.
fn is_mark_of_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digits_of_every_script_are_understood() {
        for typed in ["12", " 12\t", "012", "١٢", "\u{200f}۱۲\u{200f}", "१२", "১২", "๑๒", "１２", "　12　"]
        {
            assert_eq!(Answer::understand(typed), Answer::Number(12), "{typed:?}");
        }
    }

    #[test]
    fn spaces_alone_are_no_answer() {
        for typed in ["", " ", "\u{a0}\u{200e}\n"] {
            assert_eq!(Answer::understand(typed), Answer::Nothing, "{typed:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_said_to_be_none() {
        for typed in [
            "twelve",
            "1 2",
            "-5",
            "+5",
            "12.0",
            "\0",
            "①",
            "²",
            "99999999999999999999",
            &"1".repeat(100_000),
        ] {
            assert_eq!(Answer::understand(typed), Answer::NotANumber);
        }
    }

    proptest! {
        #[test]
        fn a_number_is_what_its_digits_say(number in 0_i16..=9999, typed in "(?s).{0,40}") {
            prop_assert_eq!(Answer::understand(&number.to_string()), Answer::Number(number));
            if let Answer::Number(understood) = Answer::understand(&typed) {
                prop_assert!(understood >= 0 && typed.chars().any(|c| ascii_digit(c).is_some()), "{typed:?}");
            }
        }
    }
}
