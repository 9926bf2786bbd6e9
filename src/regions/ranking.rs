//! How well a region fits what was typed; the ranking is told in [`super`].

use std::collections::HashMap;

use super::{
    Languages,
    entry::{Entry, Kind, LATER_WORD},
    index::{self, Line, WordNumber},
    query::Word,
};

/// How much worse than a whole name it fits that it goes on.
const NOT_WHOLE: u16 = 40;
/// … that its words stand in another order.
const OTHER_ORDER: u16 = 8;
/// … that a word says what kind of a division it is, and was not typed.
const KIND_LEFT_OUT: u16 = 2;
/// … that a word is found in a name of what it lies in.
const ABOVE: u16 = 8;
/// … that it is found in another name of the region.
const OTHER_NAME: u16 = 40;
/// … that this other name has words that were not typed.
const PART_OF_NAME: u16 = 32;
/// How much better a region fits somebody whose languages are spoken there, or use the name.
const NEAR: u16 = 12;

/// Up to this fit it is likely to be what was meant; a city only where its whole name was typed.
const CLEAR: u16 = 80;
const CLEAR_CITY: u16 = 64;

/// No more regions than these are looked at closely where one word was typed, and where several were no
/// more than these by words.
const MOST_ALONE: usize = 48;
const MOST_BY_WORDS: usize = 400;
/// What lies in the likeliest of them is looked at as well: in so many.
const MOST_ABOVE: usize = 8;

/// A region that fits, by the spelling that fits best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// How well it fits together with how obscure it is; the less the better.
    pub score: u16,
    /// The region.
    pub region: u16,
    /// Which of its spellings was found.
    pub spelling: u16,
    /// Whether it was a name of a city that lies there.
    pub is_city: bool,
    /// How well it fits alone.
    pub fit: u16,
}

/// The best of what was found so far, each region once.
pub struct Ranking<'a> {
    languages: &'a Languages,
    found: HashMap<u16, Found>,
}

impl<'a> Ranking<'a> {
    /// Nothing so far.
    pub fn new(languages: &'a Languages) -> Self {
        Self { languages, found: HashMap::new() }
    }

    /// Whether something is likely to be what was meant.
    pub fn is_clear(&self) -> bool {
        self.found.values().any(|found| found.fit <= if found.is_city { CLEAR_CITY } else { CLEAR })
    }

    /// The best, best first.
    pub fn best(self, count: usize) -> Vec<Found> {
        let mut found: Vec<Found> = self.found.into_values().collect();
        found.sort_unstable();
        found.truncate(count);
        found
    }

    /// Adds the regions that all these words fit, each as much worse as the penalty says, but for those
    /// whose score is beyond `far_fetched`.
    pub fn add(&mut self, words: &[Word], penalty: u16, far_fetched: u16) {
        let mut covers = Covers { words, above: HashMap::new() };
        for region in candidates(words) {
            let Some(found) = covers.found(region, self.languages) else { continue };
            let found = Found { score: found.score + penalty, fit: found.fit + penalty, ..found };
            if found.score > far_fetched {
                continue;
            }
            self.found.entry(region).and_modify(|best| *best = found.min(*best)).or_insert(found);
        }
    }
}

/// The regions that may fit all words, the likeliest first: those in whose names the rarest word
/// stands, and what lies in them.
fn candidates(words: &[Word]) -> Vec<u16> {
    let Some(rarest) = words.iter().filter(|word| word.left_out.is_none()).min_by_key(|word| word.cost())
    else {
        return Vec::new();
    };
    let mut scores = vec![u16::MAX; usize::from(index::regions())];
    let mut is_meant = vec![false; usize::from(index::regions())];
    for meaning in &rarest.meanings {
        for posting in index::postings(&meaning.words) {
            let is_whole = meaning.is_whole && posting.alone;
            let fit = u16::from(meaning.penalty) + if is_whole { 0 } else { NOT_WHOLE };
            let score = &mut scores[usize::from(posting.region)];
            *score = (posting.score + fit).min(*score);
            is_meant[usize::from(posting.region)] |= meaning.is_whole;
        }
    }
    let of = |region: u16| scores[usize::from(region)];
    let mut regions: Vec<u16> = (0..index::regions()).filter(|region| of(*region) < u16::MAX).collect();
    let most = if words.len() > 1 { MOST_BY_WORDS / words.len() } else { MOST_ALONE };
    if regions.len() > most {
        regions.select_nth_unstable_by_key(most, |region| of(*region));
        regions.truncate(most);
    }
    if words.len() > 1 {
        let mut meant: Vec<u16> =
            regions.iter().copied().filter(|region| is_meant[usize::from(*region)]).collect();
        meant.sort_unstable_by_key(|region| of(*region));
        meant.truncate(MOST_ABOVE);
        let lies_in_one = |region: &u16| {
            let parent = index::parent(*region);
            [parent, parent.and_then(index::parent)].into_iter().flatten().any(|above| meant.contains(&above))
        };
        let within: Vec<u16> = (0..index::regions()).filter(lies_in_one).take(2 * most).collect();
        regions.extend(within);
        regions.sort_unstable();
        regions.dedup();
    }
    regions
}

/// How badly the names of each region fit each word.
struct Covers<'a> {
    words: &'a [Word],
    above: HashMap<u16, Cover>,
}

/// The least penalty of each word, where it fits at all.
type Cover = Vec<Option<u16>>;

impl Covers<'_> {
    /// How the names of what a region lies in fit each word.
    fn above(&mut self, region: u16) -> Cover {
        let Some(parent) = index::parent(region) else { return vec![None; self.words.len()] };
        if let Some(known) = self.above.get(&parent) {
            return known.clone();
        }
        let mut cover = self.above(parent);
        for (entry, numbers) in index::entries(parent) {
            self.cover_by(&mut cover, &entry, numbers, ABOVE);
        }
        self.above.insert(parent, cover.clone());
        cover
    }

    /// How the names of a region and of what it lies in fit each word, for a name of it that lacks some.
    fn others(&mut self, region: u16) -> Cover {
        let mut cover = self.above(region);
        for (entry, numbers) in index::entries(region) {
            self.cover_by(&mut cover, &entry, numbers, OTHER_NAME);
        }
        cover
    }

    fn cover_by(&self, cover: &mut Cover, entry: &Entry, numbers: &[WordNumber], penalty: u16) {
        if entry.kind == Kind::City {
            return;
        }
        let fits = |number: &WordNumber| self.words.iter().any(|word| word.fit(*number).is_some());
        let unfit = numbers.iter().filter(|number| !fits(number) && !index::is_kind(**number)).count();
        let penalty = if unfit > 0 { penalty + PART_OF_NAME } else { penalty };
        for (word, best) in self.words.iter().zip(cover) {
            let fits = numbers.iter().filter_map(|number| word.fit(*number));
            let penalties = fits.map(|(fit, is_whole)| fit + penalty + if is_whole { 0 } else { NOT_WHOLE });
            *best = penalties.chain(*best).min();
        }
    }

    /// How well a region fits all words: by the best of its names, and where that lacks some of the
    /// words, by its other names and those of what it lies in.
    fn found(&mut self, region: u16, languages: &Languages) -> Option<Found> {
        let others = if self.words.len() > 1 { self.others(region) } else { vec![None] };
        let line = Line::of(region);
        let is_near = languages.are_spoken_in(line.id);
        let mut best: Option<Found> = None;
        for (entry, numbers) in index::entries(region) {
            let Some(fit) = self.fit(&entry, numbers, &others) else { continue };
            let Entry { spelling, obscurity, kind, .. } = entry;
            let is_city = kind == Kind::City;
            let near = if is_near || !is_city && line.is_in(languages, spelling) { NEAR } else { 0 };
            let score = (obscurity + fit).saturating_sub(near);
            let found = Found { score, region, spelling, is_city, fit };
            best = Some(best.map_or(found, |best| best.min(found)));
        }
        best
    }

    /// How well one name of a region fits, where `others` fit the words that it lacks.
    fn fit(&self, entry: &Entry, numbers: &[WordNumber], others: &[Option<u16>]) -> Option<u16> {
        let mut is_typed = [false; 16];
        let mut is_whole = true;
        let mut in_order = true;
        let mut penalties = 0;
        let mut last = None;
        for (word, other) in self.words.iter().zip(others) {
            let free = numbers.iter().enumerate().filter(|(place, _)| !is_typed[*place]);
            let fits = free.filter_map(|(place, number)| Some((word.fit(*number)?, place)));
            let Some(((penalty, whole), place)) =
                fits.min_by_key(|((penalty, is_whole), place)| (*penalty, !is_whole, *place))
            else {
                penalties += word.left_out.or(*other)?;
                continue;
            };
            penalties += penalty;
            is_typed[place] = true;
            is_whole &= whole;
            in_order &= last.is_none_or(|last| last < place);
            last = Some(place);
        }
        last?;
        let mut begins = true;
        for (number, _) in numbers.iter().zip(is_typed).filter(|(_, is_typed)| !is_typed) {
            if index::is_kind(*number) {
                penalties += KIND_LEFT_OUT;
            } else {
                is_whole = false;
            }
        }
        for (number, is_typed) in numbers.iter().zip(is_typed) {
            if is_typed {
                break;
            }
            begins &= index::is_kind(*number);
        }
        if entry.kind.is_code() && !is_whole {
            return None;
        }
        Some(
            penalties
                + entry.kind.penalty()
                + if is_whole { 0 } else { NOT_WHOLE }
                + if begins { 0 } else { LATER_WORD }
                + if in_order { 0 } else { OTHER_ORDER },
        )
    }
}
