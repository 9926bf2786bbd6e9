//! What `build.rs` made, read where it lies in the program; the layout is told in [`super`].

use std::{collections::HashSet, ops::RangeInclusive, sync::LazyLock};

use fst::raw::{Fst, Node};

use super::{
    Languages,
    entry::{Entry, Posting},
    fold,
};

static WORD_STARTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/word_starts.bin"));
static POSTINGS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/postings.bin"));
static ENTRY_STARTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/entry_starts.bin"));
static ENTRIES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/entries.bin"));
static PARENTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/parents.bin"));
static LINE_STARTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/line_starts.bin"));
static LINES: &str = include_str!(concat!(env!("OUT_DIR"), "/lines.txt"));
static SHOWN_STARTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/shown_starts.bin"));
static SHOWN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/shown.bin"));

static WORDS: LazyLock<Fst<&[u8]>> =
    LazyLock::new(|| embedded(include_bytes!(concat!(env!("OUT_DIR"), "/words.fst"))));
static IDS: LazyLock<Fst<&[u8]>> =
    LazyLock::new(|| embedded(include_bytes!(concat!(env!("OUT_DIR"), "/ids.fst"))));
static LOCALES: LazyLock<Fst<&[u8]>> =
    LazyLock::new(|| embedded(include_bytes!(concat!(env!("OUT_DIR"), "/locales.fst"))));

/// The numbers of the words that say what kind of a division a name is of.
static KIND_WORDS: LazyLock<HashSet<u32>> =
    LazyLock::new(|| fold::kinds().filter_map(|kind| Place::of(kind)?.word()).collect());

/// Whether a word says what kind of a division a name is of.
pub fn is_kind(word: WordNumber) -> bool {
    KIND_WORDS.contains(&word_number(word))
}

/// The numbers of all of them.
pub fn kind_words() -> impl Iterator<Item = u32> {
    KIND_WORDS.iter().copied()
}

/// Looks at the head and the end of an automaton, not at its states.
fn embedded(bytes: &'static [u8]) -> Fst<&'static [u8]> {
    Fst::new(bytes).expect("build.rs wrote it with this version of fst")
}

/// How many regions there are.
pub fn regions() -> u16 {
    (PARENTS.len() / 2) as u16
}

/// How many words there are.
pub fn words() -> usize {
    WORD_STARTS.len() / 4 - 1
}

/// The region of an id, which may be retired.
pub fn by_id(id: &str) -> Option<u16> {
    IDS.get(id).and_then(|region| u16::try_from(region.value()).ok())
}

/// The number of a CLDR locale that names regions.
pub fn locale(name: &str) -> Option<u16> {
    LOCALES.get(name).and_then(|locale| u16::try_from(locale.value()).ok())
}

/// The region that this one lies in.
pub fn parent(region: u16) -> Option<u16> {
    Some(number_at(PARENTS, usize::from(region))).filter(|parent| *parent != region)
}

/// The regions in whose names any word of this range stands, once for each such word.
pub fn postings(words: &RangeInclusive<u32>) -> impl Iterator<Item = Posting> + use<> {
    let all = &POSTINGS.as_chunks().0[posting_of(*words.start())..posting_of(words.end() + 1)];
    all.iter().map(|bytes| Posting::unpack(*bytes))
}

/// How many postings a range of words has.
pub fn postings_count(words: &RangeInclusive<u32>) -> usize {
    posting_of(words.end() + 1) - posting_of(*words.start())
}

fn posting_of(word: u32) -> usize {
    start_at(WORD_STARTS, word as usize)
}

/// Everything that a region is found by, with the numbers of its words.
pub fn entries(region: u16) -> impl Iterator<Item = (Entry, &'static [WordNumber])> {
    let region = usize::from(region);
    let mut rest = &ENTRIES[start_at(ENTRY_STARTS, region)..start_at(ENTRY_STARTS, region + 1)];
    std::iter::from_fn(move || {
        let (head, after) = rest.split_first_chunk()?;
        let entry = Entry::unpack(u32::from_le_bytes(*head));
        let (words, others) = after.split_at_checked(entry.words * size_of::<WordNumber>())?;
        rest = others;
        Some((entry, words.as_chunks().0))
    })
}

/// The number of a word as it stands in an entry.
pub type WordNumber = [u8; 3];

/// The number itself.
pub fn word_number([a, b, c]: WordNumber) -> u32 {
    u32::from_le_bytes([a, b, c, 0])
}

/// A line of `lines.txt`: the region's id, its English label, and its other spellings.
#[derive(Clone, Copy)]
pub struct Line {
    region: u16,
    /// The ISO 3166 id.
    pub id: &'static str,
    /// The English label.
    pub label: &'static str,
    line: &'static str,
}

impl Line {
    /// The line of a region.
    pub fn of(region: u16) -> Self {
        let line = LINES[start_at(LINE_STARTS, usize::from(region))..].lines().next().unwrap_or_default();
        let mut fields = line.split('\t');
        let mut field = || fields.next().unwrap_or_default();
        Self { region, id: field(), label: field(), line }
    }

    /// One of the region's spellings; 0 is its English label.
    pub fn spelling(&self, number: u16) -> &'static str {
        self.line.split('\t').nth(1 + usize::from(number)).unwrap_or_default()
    }

    /// Whether one of these languages uses this spelling.
    pub fn is_in(&self, languages: &Languages, spelling: u16) -> bool {
        languages.locales().iter().any(|locale| self.in_locale(*locale) == Some(spelling))
    }

    /// The name that these languages know it by: the English label, where they say no other.
    pub fn name(&self, languages: &Languages) -> &'static str {
        let wished = languages.locales().iter();
        let mut known = wished.map(|locale| match languages.is_english(*locale) {
            true => Some(0),
            false => self.in_locale(*locale),
        });
        known.find_map(|spelling| spelling).map_or(self.label, |spelling| self.spelling(spelling))
    }

    /// The spelling that a locale uses, where that is not the English label.
    fn in_locale(&self, locale: u16) -> Option<u16> {
        let region = usize::from(self.region);
        let all = SHOWN.as_chunks::<4>().0;
        let shown = &all[start_at(SHOWN_STARTS, region)..start_at(SHOWN_STARTS, region + 1)];
        let of = |[a, b, _, _]: &[u8; 4]| u16::from_le_bytes([*a, *b]);
        let found = shown.binary_search_by_key(&locale, of).ok()?;
        let [_, _, a, b] = shown[found];
        Some(u16::from_le_bytes([a, b]))
    }
}

fn start_at(starts: &[u8], place: usize) -> usize {
    u32::from_le_bytes(starts.as_chunks().0[place]) as usize
}

fn number_at(numbers: &[u8], place: usize) -> u16 {
    u16::from_le_bytes(numbers.as_chunks().0[place])
}

/// A place in the automaton of words, which are numbered in their order: those behind a place follow
/// each other.
#[derive(Clone, Copy)]
pub struct Place {
    node: Node<'static>,
    /// The sum of the outputs on the way, which is the number of the first word from here on.
    first: u64,
}

impl Place {
    /// Where every word begins.
    pub fn root() -> Self {
        Self { node: WORDS.root(), first: 0 }
    }

    /// The place of the words that begin with this folded text, if there are any.
    pub fn of(text: &str) -> Option<Self> {
        text.bytes()
            .try_fold(Self::root(), |place, byte| place.node.find_input(byte).map(|found| place.after(found)))
    }

    /// How many ways lead on from here.
    pub fn ways(&self) -> usize {
        self.node.len()
    }

    /// The byte of a way.
    pub fn byte(&self, way: usize) -> u8 {
        self.node.transition(way).inp
    }

    /// Where a way leads.
    pub fn after(&self, way: usize) -> Self {
        let transition = self.node.transition(way);
        Self { node: WORDS.node(transition.addr), first: self.first + transition.out.value() }
    }

    /// The number of the word that ends here, if one does.
    pub fn word(&self) -> Option<u32> {
        self.node.is_final().then(|| (self.first + self.node.final_output().value()) as u32)
    }

    /// The numbers of the words from here on.
    pub fn words(&self) -> RangeInclusive<u32> {
        let mut last = *self;
        while let Some(transition) = last.node.len().checked_sub(1) {
            last = last.after(transition);
        }
        self.first as u32..=(last.first + last.node.final_output().value()) as u32
    }
}
