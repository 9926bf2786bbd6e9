//! What each word of a query may mean: which words of the index it is, begins, or would be but for a
//! slip, and how much worse than the word itself that is.

use std::{cmp::Reverse, ops::RangeInclusive, sync::LazyLock};

use levenshtein_automata::{Distance, LevenshteinAutomatonBuilder, SINK_STATE};
use unicode_script::{Script, UnicodeScript};

use super::{
    fold::{self, fold},
    index::{self, Place, WordNumber},
};

/// In no more places than these words are taken apart.
const MOST_CUTS: usize = 3;

/// More words than these are no name.
const MOST_WORDS: usize = 8;

/// How much worse than the word itself it is that …
/// … it is written in another usual way.
const SPELT_OTHERWISE: u8 = 4;
/// … it is so, though names are written as it stands too.
const SPELT_RARELY: u8 = 24;
/// … another word for the kind of a division stands in its place.
const OTHER_KIND: u8 = 8;
/// … a word is cut short and another follows.
const CUT_SHORT: u8 = 28;
/// … it is left out.
const LEFT_OUT: u16 = 32;
/// … it has one slip, or two: a letter too many, too few, another, or two neighbours in each other's place.
pub const SLIPS: [u8; 3] = [0, 40, 72];

/// How many letters of a word are left at least where another word follows.
const SHORTEST_CUT: usize = 3;

/// How long a word is that can have so many slips.
const SHORTEST: [usize; 3] = [0, 3, 7];

/// How long the beginning of a word is that can have a slip.
const SHORTEST_BEGUN: usize = 5;

/// Of words with slips that are shorter than this a query has one at most: sentences are no regions.
const SHORT_WORD: usize = 4;

/// A longer word is looked up as it is.
const LONGEST_WITH_SLIPS: usize = 24;

/// Makes automata that accept what is one slip away, or two (Schulz and Mihov, "Fast String
/// Correction with Levenshtein-Automata", 2002).
static WITHIN: LazyLock<[LevenshteinAutomatonBuilder; 2]> =
    LazyLock::new(|| [1, 2].map(|slips| LevenshteinAutomatonBuilder::new(slips, true)));

/// One word of a query.
pub struct Word {
    /// What it may mean.
    pub meanings: Vec<Meaning>,
    /// How bad it is to leave it out, where that can be.
    pub left_out: Option<u16>,
    /// For each word of the index 0, or one more than the least penalty, with [`BEGINS`]: so a name is
    /// held against the query by looking each of its words up.
    fits: Vec<u8>,
}

/// Words of the index that a word of a query may mean.
pub struct Meaning {
    /// Their numbers.
    pub words: RangeInclusive<u32>,
    /// How much worse than the word itself they are.
    pub penalty: u8,
    /// Whether it is the whole word, not only its beginning.
    pub is_whole: bool,
}

/// Marks a word of the index that a word of the query only begins.
const BEGINS: u8 = 0x80;

impl Word {
    fn new(meanings: Vec<Meaning>, left_out: Option<u16>) -> Self {
        let mut worst_first: Vec<&Meaning> = meanings.iter().collect();
        worst_first.sort_by_key(|meaning| Reverse((meaning.penalty, !meaning.is_whole)));
        let mut fits = vec![0; index::words()];
        for Meaning { words, penalty, is_whole } in worst_first {
            let fit = (penalty + 1) | if *is_whole { 0 } else { BEGINS };
            fits[*words.start() as usize..=*words.end() as usize].fill(fit);
        }
        Self { meanings, left_out, fits }
    }

    /// How much worse than what was typed this word of the index is, and whether it is it wholly.
    pub fn fit(&self, word: WordNumber) -> Option<(u16, bool)> {
        let fit = self.fits[index::word_number(word) as usize];
        (fit != 0).then(|| (u16::from((fit & !BEGINS) - 1), fit & BEGINS == 0))
    }

    /// How many postings lie behind it: what it costs to begin with it.
    pub fn cost(&self) -> usize {
        self.meanings.iter().map(|meaning| index::postings_count(&meaning.words)).sum()
    }
}

/// How far a search goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Slips {
    /// Nothing but what was typed.
    None,
    /// A word alone may have so many slips, and of several those that mean nothing.
    InUnknown(u8),
    /// Of several words every one may have a slip.
    InAll,
}

/// Kinds that many names begin with as well: they are not left out.
const SHORT_KINDS: [&str; 17] =
    ["da", "de", "del", "der", "des", "di", "do", "du", "fu", "i", "il", "ili", "la", "lan", "si", "to", "y"];

/// The words of a folded text, with what each may mean; `None` where one of them means nothing.
pub fn words(folded: &str, slips: Slips) -> Option<Vec<Word>> {
    let words: Vec<&str> = folded.split(' ').collect();
    if words.len() > MOST_WORDS || folded.is_empty() {
        return None;
    }
    let several = words.len() > 1;
    let mut short_slips = 0;
    let mut found = Vec::with_capacity(words.len());
    for (place, text) in words.iter().enumerate() {
        let is_last = place + 1 == words.len();
        let is_kind = several && is_kind(text, is_last);
        let mut meanings = as_typed(text, is_last);
        if is_kind {
            let others = index::kind_words();
            meanings.extend(others.map(|word| Meaning {
                words: word..=word,
                penalty: OTHER_KIND,
                is_whole: true,
            }));
        }
        let may_slip = match slips {
            Slips::InAll => u8::from(several && !is_kind),
            Slips::InUnknown(most) if !several || meanings.is_empty() => most,
            Slips::None | Slips::InUnknown(_) => 0,
        };
        if may_slip > 0 {
            short_slips += usize::from(letters(text) < SHORT_WORD);
            meanings.extend(with_slips(text, may_slip, is_last));
        }
        let left_out = (is_kind && !SHORT_KINDS.contains(text)).then_some(LEFT_OUT);
        if short_slips > 1 || meanings.is_empty() && left_out.is_none() {
            return None;
        }
        found.push((meanings, left_out));
    }
    // Only now: each is a table of all words.
    Some(found.into_iter().map(|(meanings, left_out)| Word::new(meanings, left_out)).collect())
}

/// Whether it says what kind of a division a name is of, or is about to.
fn is_kind(text: &str, is_last: bool) -> bool {
    let is_begun = is_last && text.chars().count() >= SHORTEST_CUT;
    fold::kinds().any(|kind| kind == text || is_begun && kind.starts_with(text))
}

fn as_typed(text: &str, is_last: bool) -> Vec<Meaning> {
    let mut meanings = Vec::new();
    for (text, penalty) in spellings(text) {
        meanings.extend(whole(&text, penalty));
        if is_last || text.chars().count() >= SHORTEST_CUT {
            let penalty = if is_last { penalty } else { penalty + CUT_SHORT };
            let begun =
                Place::of(&text).map(|place| Meaning { words: place.words(), penalty, is_whole: false });
            meanings.extend(begun);
        }
    }
    meanings
}

fn whole(word: &str, penalty: u8) -> Option<Meaning> {
    let number = Place::of(word)?.word()?;
    Some(Meaning { words: number..=number, penalty, is_whole: true })
}

/// The ways in which the same word is usually written.
fn spellings(text: &str) -> Vec<(String, u8)> {
    let mut all = vec![(text.to_owned(), 0)];
    // What Germans, Danes and Swedes write where a keyboard has no ä, ö, ü, å, ø.
    let is_known = Place::of(text).is_some();
    let umlauts = text.replace("ae", "a").replace("oe", "o").replace("ue", "u");
    let plain = if is_known { umlauts } else { umlauts.replace("aa", "a") };
    if plain != text {
        all.push((plain, if is_known { SPELT_RARELY } else { SPELT_OTHERWISE }));
    }
    let abbreviated: &[&str] = match text {
        "st" | "snt" => &["saint", "sankt", "sint", "sveti", "santo"],
        "ste" | "sta" => &["sainte", "santa"],
        "n" => &["north", "new", "nuevo", "noord", "nord"],
        "s" => &["south", "san", "saint", "santa"],
        "e" => &["east", "est"],
        "w" => &["west"],
        "z" => &["zuid"],
        "r" | "rep" => &["republic"],
        "н" => &["нижнии"],
        "mt" => &["mount"],
        "ft" => &["fort"],
        "с" | "св" => &["санкт", "святои"],
        _ => &[],
    };
    all.extend(abbreviated.iter().map(|long| ((*long).to_owned(), SPELT_OTHERWISE)));
    // The Arabic article.
    if !text.starts_with("ال") && text.chars().next().is_some_and(|c| c.script() == Script::Arabic) {
        all.push((format!("ال{text}"), SPELT_OTHERWISE));
    }
    all
}

/// The words that are it, or begin as it does, but for slips.
fn with_slips(text: &str, most: u8, is_last: bool) -> Vec<Meaning> {
    let length = letters(text);
    if !(SHORTEST[usize::from(most)]..=LONGEST_WITH_SLIPS).contains(&length) {
        return Vec::new();
    }
    let automaton = WITHIN[usize::from(most) - 1].build_dfa(text);
    let leads: Vec<&[u8]> =
        text.char_indices().map(|(at, c)| &text.as_bytes()[at..at + c.len_utf8().min(2)]).collect();
    let mut meanings = Vec::new();
    let mut places = vec![(Place::root(), automaton.initial_state(), u8::MAX, 0)];
    while let Some((place, state, mut begun, last)) = places.pop() {
        if let Distance::Exact(slips) = automaton.distance(state)
            && slips > 0
        {
            let penalty = SLIPS[usize::from(slips)];
            if let Some(word) = place.word() {
                meanings.push(Meaning { words: word..=word, penalty, is_whole: true });
            }
            if slips < begun && length >= SHORTEST_BEGUN {
                let penalty = if is_last { penalty } else { penalty + CUT_SHORT };
                meanings.push(Meaning { words: place.words(), penalty, is_whole: false });
                begun = slips;
            }
        }
        for way in 0..place.ways() {
            let byte = place.byte(way);
            let state = automaton.transition(state, byte);
            if state != SINK_STATE && leads.iter().any(|lead| is_near(lead, last, byte)) {
                places.push((place.after(way), state, begun, byte));
            }
        }
    }
    meanings
}

/// Whether a byte after another may be of a letter of the same script as one that begins with `lead`
/// (RFC 3629): nobody slips into another.
fn is_near(lead: &[u8], last: u8, byte: u8) -> bool {
    match (last, byte) {
        (_, 0..0x80) => lead[0] < 0x80,
        (_, 0xc0..0xe0) => (0xc0..0xe0).contains(&lead[0]) && byte.abs_diff(lead[0]) <= 2,
        // Ideographs fill many leads; every other script of three bytes has one, and a few second bytes.
        (_, 0xe0..) => lead[0] == byte || byte >= 0xe4 && lead[0] >= 0xe4,
        (0xe0..0xe4, _) => lead[0] == last && byte.abs_diff(lead[1]) <= 2,
        _ => true,
    }
}

/// How long a word is, in letters that a slip can touch.
fn letters(text: &str) -> usize {
    let letters = text.chars().count();
    match text.chars().next().map(|c| c.script()) {
        // Two keys or three make one syllable.
        Some(Script::Hangul) => letters * 3 / 4,
        _ => letters,
    }
}

/// The letters of an abbreviation, written with points or spaces between them, as one word.
pub fn initials(folded: &str) -> Option<String> {
    let is_spaced = folded.contains(' ') && folded.split(' ').all(|word| word.chars().count() == 1);
    is_spaced.then(|| folded.replace(' ', ""))
}

/// A text with each two neighbouring syllables in turn in each other's place, in scripts whose
/// characters are syllables: that is one slip, but many keys.
pub fn syllables_swapped(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() > LONGEST_WITH_SLIPS {
        return Vec::new();
    }
    let is_syllable =
        |c: &char| matches!(c.script(), Script::Hangul | Script::Han | Script::Hiragana | Script::Katakana);
    let pairs = (1..letters.len()).filter(|second| letters[second - 1..=*second].iter().all(is_syllable));
    pairs
        .map(|second| {
            let mut swapped = letters.clone();
            swapped.swap(second - 1, second);
            fold(&String::from_iter(swapped))
        })
        .collect()
}

/// The text with words taken apart that were typed without a space, if that makes words.
pub fn parted(folded: &str) -> Option<String> {
    let mut parted = Vec::new();
    let words: Vec<&str> = folded.split(' ').collect();
    for (place, word) in words.iter().enumerate() {
        let is_last = place + 1 == words.len();
        if as_typed(word, is_last).is_empty() {
            cut(word, is_last, &mut parted)?;
        } else {
            parted.push(*word);
        }
    }
    (parted.len() > words.len()).then(|| parted.join(" "))
}

/// A word cut into such as mean something, the first as long as can be.
fn cut<'a>(word: &'a str, is_last: bool, parted: &mut Vec<&'a str>) -> Option<()> {
    let shortest = match word.chars().next()?.script() {
        Script::Han | Script::Hiragana | Script::Thai | Script::Lao | Script::Khmer | Script::Myanmar => 1,
        Script::Hangul => 2,
        _ => 3,
    };
    let ends: Vec<usize> = word.char_indices().map(|(end, _)| end).collect();
    let length = parted.len();
    for end in ends.into_iter().skip(shortest).rev() {
        let (head, tail) = word.split_at(end);
        if tail.chars().count() < shortest || whole(head, 0).is_none() {
            continue;
        }
        parted.push(head);
        let means = if is_last { Place::of(tail).is_some() } else { whole(tail, 0).is_some() };
        if means {
            parted.push(tail);
            return Some(());
        }
        if length < MOST_CUTS && cut(tail, is_last, parted).is_some() {
            return Some(());
        }
        parted.truncate(length);
    }
    None
}

/// The text with each two neighbouring words in turn put together, the first of them at least.
pub fn joined(folded: &str) -> Vec<String> {
    folded
        .match_indices(' ')
        .take(MOST_CUTS)
        .map(|(space, _)| format!("{}{}", &folded[..space], &folded[space + 1..]))
        .collect()
}

/// The text without the Latin letters that an input method has not made a syllable of yet.
pub fn composed(folded: &str) -> Option<String> {
    let bare = folded.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let is_composed = bare.chars().next_back().is_some_and(|c| !c.is_ascii() && c != ' ');
    (is_composed && bare != folded).then(|| fold(bare))
}
