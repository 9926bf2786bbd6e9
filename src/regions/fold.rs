//! One spelling for what people type and for what the tables hold. `build.rs` shares this file, so
//! that the index and the search cannot disagree.

use std::collections::BTreeSet;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// The whole name, folded. Where it has an apostrophe (Côte d’Ivoire) people type it, leave it out or
/// begin behind it, so there is a second reading with a gap in its place.
pub fn readings(name: &str) -> [String; 2] {
    [fold(name), fold(&name.replace(is_quote, " "))]
}

/// What may be typed for this name: every end of its readings that begins with a word.
pub fn keys(name: &str) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for reading in readings(name) {
        keys.extend(reading.match_indices(' ').map(|(space, _)| reading[space + 1..].to_owned()));
        keys.insert(reading);
    }
    keys
}

/// What may be typed for a label with what it lies in ("Bavaria, Germany"): as [`keys`], but each
/// begins within the label, so that "Germany" does not lead to Bavaria.
pub fn full_label_keys(label: &str, within: &str) -> BTreeSet<String> {
    let within = fold(within);
    keys(label).into_iter().map(|key| format!("{key} {within}")).collect()
}

/// The text in lower case, compatibility forms and accents taken off (NFKD), quotes and apostrophes
/// left out, and its words, which anything but letters, digits and vowel signs separates, one space apart.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut between_words = false;
    for c in text.chars().filter(|c| !is_quote(*c)).nfkd().flat_map(char::to_lowercase) {
        if is_left_out(c) {
            continue;
        }
        if c != '&' && !c.is_alphanumeric() && !is_combining_mark(c) {
            between_words = true;
            continue;
        }
        if between_words && !folded.is_empty() {
            folded.push(' ');
        }
        between_words = false;
        match plain_letters(c) {
            Some(letters) => folded.push_str(letters),
            None => folded.push(c),
        }
    }
    folded
}

/// Apostrophes, primes and quotation marks, and the letters that look like one (the ʻokina, the ʿayn).
fn is_quote(c: char) -> bool {
    matches!(c, '\'' | '"' | '`' | '´' | '«' | '»' | 'ʹ'..='ʿ' | 'ˈ' | '‘'..='‟' | '′' | '″' | '׳' | '״')
}

/// Accents that people drop, as they stand after NFKD, and characters that cannot be seen. The vowel
/// signs of Indic scripts are marks too, but nobody drops them: they stay.
fn is_left_out(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{487}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        // Hebrew and Arabic points, and the line that stretches an Arabic word.
        | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}'..='\u{5c7}'
        | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6ed}'
        // The dots under Indic letters of foreign words.
        | '\u{93c}' | '\u{9bc}' | '\u{a3c}' | '\u{abc}' | '\u{b3c}' | '\u{cbc}'
        | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// What people write for a letter that Unicode does not take apart, or that several keyboards have
/// in several shapes.
fn plain_letters(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        'ø' | 'ɔ' => "o",
        'ł' => "l",
        'ı' => "i",
        'đ' | 'ð' | 'ɗ' => "d",
        'ə' | 'ɛ' | 'ǝ' => "e",
        'ħ' => "h",
        'ŧ' => "t",
        'ŋ' => "n",
        'ɓ' => "b",
        'ƙ' => "k",
        'ƴ' => "y",
        'ς' => "σ",
        'ٱ' => "ا",
        'ى' | 'ی' => "ي",
        'ک' => "ك",
        'ة' | 'ہ' | 'ھ' | 'ە' => "ه",
        '&' => "and",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_punctuation_are_folded() {
        for (text, folded) in [
            ("  Île-de-France ", "ile de france"),
            ("İSTANBUL", "istanbul"),
            ("Straße Ærø Łódź Đà Nẵng", "strasse aero lodz da nang"),
            ("Côte d’Ivoire", "cote divoire"),
            ("Hawaiʻi", "hawaii"),
            ("Antigua & Barbuda", "antigua and barbuda"),
            ("ＪＡＰＡＮ", "japan"),
            ("Αθήνας", "αθηνασ"),
            ("إِيرَان", "ايران"),
            ("ایران", "ايران"),
            ("אַרְהַ״ב", "ארהב"),
            ("बिहार", "बिहार"),
            ("\u{200f}مصر\u{200e}", "مصر"),
            ("a\0b", "a b"),
            ("🇩🇪 – !", ""),
        ] {
            assert_eq!(fold(text), folded, "{text:?}");
        }
    }

    #[test]
    fn a_folded_text_stays_as_it_is() {
        for text in ["Île-de-France", "İzmir", "대한민국", "ประเทศไทย", "ΚΎΠΡΟΣ", "Ǆ", "ﷺ"]
        {
            assert_eq!(fold(&fold(text)), fold(text), "{text:?}");
        }
    }

    #[test]
    fn every_word_begins_a_key() {
        let keys = keys("Côte d’Ivoire").into_iter().collect::<Vec<_>>();
        assert_eq!(keys, ["cote d ivoire", "cote divoire", "d ivoire", "divoire", "ivoire"]);
    }
}
