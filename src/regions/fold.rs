//! One spelling for what people type and for what the tables hold. `build.rs` shares this file, so
//! that the index and the search cannot disagree.

use std::sync::LazyLock;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::kinds;

/// The whole name, folded. Where it has an apostrophe (Côte d’Ivoire) people type it, leave it out or
/// begin behind it, so there is a second reading with a gap in its place.
pub fn readings(name: &str) -> [String; 2] {
    [fold(name), fold(&name.replace(is_quote, " "))]
}

/// The text in lower case, compatibility forms and accents taken off (NFKD), quotes and apostrophes
/// left out, and its words, which anything but letters, digits and vowel signs separates, one space apart.
/// Korean becomes the row of keys that type it and Japanese is in hiragana, so that a syllable which is
/// half typed begins the whole one.
pub fn fold(text: &str) -> String {
    kinds_apart(letters(text))
}

fn letters(text: &str) -> String {
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
        let c = hiragana(c);
        match plain_letters(c) {
            Some(letters) => folded.push_str(letters),
            None => folded.push(c),
        }
    }
    folded
}

/// Scripts that do not part words write what kind a division is right before or behind its name, and
/// people leave it out: it becomes a word, as does what changes between characters and kana.
fn kinds_apart(folded: String) -> String {
    if folded.is_ascii() {
        return folded;
    }
    folded.split(' ').map(word_apart).collect::<Vec<_>>().join(" ")
}

fn word_apart(word: &str) -> String {
    if let Some(name) =
        GLUED.before.iter().find_map(|kind| word.strip_prefix(kind)).filter(|name| !name.is_empty())
    {
        return format!("{} {name}", &word[..word.len() - name.len()]);
    }
    // One character before a kind belongs to it: 州 ends 广州, 都 ends 京都.
    let is_name = |name: &&str| name.chars().count() > 1;
    if let Some(name) = GLUED.behind.iter().find_map(|kind| word.strip_suffix(kind)).filter(is_name) {
        return format!("{} {}", by_script(name), &word[name.len()..]);
    }
    by_script(word)
}

fn by_script(word: &str) -> String {
    let is_kana = |c: char| ('\u{3041}'..='\u{309f}').contains(&c) || c == 'ー';
    let mut apart = String::with_capacity(word.len());
    for c in word.chars() {
        let changes = |last: char| is_kana(last) != is_kana(c) && last >= '\u{3041}' && c >= '\u{3041}';
        if apart.chars().next_back().is_some_and(changes) {
            apart.push(' ');
        }
        apart.push(c);
    }
    apart
}

/// Words that say what kind of a division a name is of, folded.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    let glued = GLUED.before.iter().chain(&GLUED.behind).map(String::as_str);
    kinds::KINDS.iter().copied().chain(glued)
}

/// The kinds that are written without a space, folded.
struct Glued {
    before: Vec<String>,
    behind: Vec<String>,
}

static GLUED: LazyLock<Glued> = LazyLock::new(|| Glued {
    before: kinds::BEFORE.iter().map(|kind| letters(kind)).collect(),
    behind: kinds::BEHIND.iter().map(|kind| letters(kind)).collect(),
});

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
        _ => return keys_of_jamo(c),
    })
}

/// Katakana as the hiragana that reads the same.
fn hiragana(c: char) -> char {
    match c {
        'ァ'..='ヶ' => char::from_u32(c as u32 - 0x60).unwrap_or(c),
        _ => c,
    }
}

/// The keys that type a part of a Korean syllable. A consonant is the same key at its beginning and at
/// its end, where it may yet become the beginning of the next one; vowels and ends of two take two keys
/// (Unicode, Hangul Jamo).
fn keys_of_jamo(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{116a}' => "\u{1169}\u{1161}",
        '\u{116b}' => "\u{1169}\u{1162}",
        '\u{116c}' => "\u{1169}\u{1175}",
        '\u{116f}' => "\u{116e}\u{1165}",
        '\u{1170}' => "\u{116e}\u{1166}",
        '\u{1171}' => "\u{116e}\u{1175}",
        '\u{1174}' => "\u{1173}\u{1175}",
        '\u{11a8}'..='\u{11c2}' => FINALS[c as usize - 0x11a8],
        _ => return None,
    })
}

const FINALS: [&str; 27] = [
    "\u{1100}",
    "\u{1101}",
    "\u{1100}\u{1109}",
    "\u{1102}",
    "\u{1102}\u{110c}",
    "\u{1102}\u{1112}",
    "\u{1103}",
    "\u{1105}",
    "\u{1105}\u{1100}",
    "\u{1105}\u{1106}",
    "\u{1105}\u{1107}",
    "\u{1105}\u{1109}",
    "\u{1105}\u{1110}",
    "\u{1105}\u{1111}",
    "\u{1105}\u{1112}",
    "\u{1106}",
    "\u{1107}",
    "\u{1107}\u{1109}",
    "\u{1109}",
    "\u{110a}",
    "\u{110b}",
    "\u{110c}",
    "\u{110e}",
    "\u{110f}",
    "\u{1110}",
    "\u{1111}",
    "\u{1112}",
];

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
    fn the_words_for_kinds_are_folded() {
        for kind in kinds() {
            assert_eq!(fold(kind), kind);
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
    fn an_apostrophe_is_a_gap_or_nothing() {
        assert_eq!(readings("Côte d’Ivoire"), ["cote divoire", "cote d ivoire"]);
    }

    #[test]
    fn a_syllable_that_is_half_typed_begins_the_whole_one() {
        for (half, whole) in
            [("도", "독일"), ("간", "가나"), ("서우", "서울"), ("관", "과나"), ("とう", "トウキョウ")]
        {
            assert!(fold(whole).starts_with(&fold(half)), "{half} {whole}");
        }
    }

    #[test]
    fn the_kind_of_a_division_is_a_word_of_its_own_in_thai() {
        assert_eq!(fold("จังหวัดเชียงใหม่"), format!("จังหวัด {}", fold("เชียงใหม่")));
        assert_eq!(fold("จังหวัด"), "จังหวัด");
    }
}
