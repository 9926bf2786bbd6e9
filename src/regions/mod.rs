//! The gazetteer: the countries of the world and their subdivisions, and the search that finds them
//! by what people call them, in any language. The tables, their sources and licences are in `data/`.
//!
//! **The index** is made by `build.rs` and lies in the program as it is read, so that starting costs
//! nothing and memory only what is looked at. Regions are numbered by how well known they are, words
//! in the order of their letters.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `words.fst` | an automaton that leads from every *word* of every name, folded (`fold.rs`), to its number. The words that begin alike follow each other, so a beginning is a range of numbers |
//! | `postings.bin` | for each word the regions in whose names it stands, each with how good the best of these names is (`entry.rs`); `word_starts.bin` tells where each list starts |
//! | `entries.bin` | for each region its *entries*, the names by which it is found, as numbers of words: names in all languages, their forms in Latin letters, its cities, its codes |
//! | `lines.txt` | for each region its id, its English label, its other spellings, the names of its cities, as they are shown |
//! | `shown.bin` | for each region the spelling that each locale uses |
//! | `parents.bin`, `ids.fst`, `locales.fst` | what each region lies in; the number of each id, also of a retired one; the number of each locale |
//!
//! **The search** takes the query apart into words. For each it asks the automaton which words of the
//! index it may mean (`query.rs`): the word itself, what it begins, what is usually written otherwise
//! ("koeln", "st"), another word for the kind of a division ("region" for "oblast"), and, where that
//! leads nowhere, what one slip or two make of it. The regions in whose names the rarest of the words
//! stands, and what lies in them, are then looked at closely (`ranking.rs`): all words must be
//! found, in a name of the region or of a city there, and those that this name lacks in other names of
//! the region or in those of what it lies in. Only while nothing clear is found is the query read in
//! further ways: from the other keyboard (`layout.rs`), without the letters that an input method has
//! not finished, with its words parted or joined, with slips.
//!
//! **The ranking** adds up, in one number, how badly the name fits and how obscure the region is; the
//! least comes first. Fit counts first: a whole name before one that goes on, its beginning before its
//! later words, English and native names before those of other languages, these before cities and
//! before languages that name little more than countries, fewer slips before more. Obscurity is what
//! people and languages make of it: four points for each halving of how many people live there times
//! how many languages have a name for it. So a name that fits a little worse comes first only where it
//! is that of a place thousands of times better known. Where the browser's languages are spoken, or use
//! the name, a region gains a few points: enough to decide between two that fit as well.

use std::{
    collections::HashMap,
    iter::{once, once_with},
};

use serde::Serialize;

use crate::domain::RegionId;
use fold::fold;
use index::Line;
use query::{SLIPS, Slips};
use ranking::{Found, Ranking};

#[allow(dead_code, reason = "only build.rs packs")]
mod entry;
#[allow(dead_code, reason = "only build.rs reads names")]
mod fold;
mod index;
mod kinds;
mod languages;
mod layout;
mod query;
mod ranking;

pub use languages::Languages;

/// No more hints than this answer one query.
pub const MOST_HINTS: usize = 8;

/// Only this many characters of a query are looked at.
const LONGEST_QUERY: usize = 128;

/// How much worse it fits that the words were typed together, or that one was typed apart.
const SPACES: u16 = 12;
/// … that the wrong keyboard was on.
const OTHER_LAYOUT: u16 = 24;

/// Beyond these scores what is read in another way, has a slip, or two, is not likely to be meant.
const FAR_FETCHED: [u16; 3] = [200, 180, 152];

/// A region that may be the one meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hint {
    /// The region.
    pub id: RegionId,
    /// Its name.
    pub name: &'static str,
    /// The regions it lies in, the smallest first ("England, United Kingdom"); none for a country.
    pub within: Option<String>,
    /// The spelling that was found, of the region or of a city that lies there, where it was not a
    /// word of the name.
    pub via: Option<&'static str>,
}

/// A country or its subdivision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its ISO 3166 id.
    pub id: RegionId,
    /// Its name.
    pub name: &'static str,
    /// The regions it lies in, the smallest first ("England, United Kingdom"); none for a country.
    pub within: Option<String>,
}

impl Region {
    fn of(region: u16, languages: &Languages) -> Self {
        let line = Line::of(region);
        let above = std::iter::successors(index::parent(region), |region| index::parent(*region));
        let above: Vec<&str> = above.map(|region| Line::of(region).name(languages)).collect();
        Self {
            id: RegionId::parse(line.id).expect("the tables hold nothing but ISO ids"),
            name: line.name(languages),
            within: (!above.is_empty()).then(|| above.join(", ")),
        }
    }

    /// The name with what it lies in: "Bavaria, Germany".
    pub fn full_name(&self) -> String {
        match &self.within {
            Some(within) => format!("{}, {within}", self.name),
            None => self.name.to_owned(),
        }
    }
}

/// The region of this id, or the one that replaced it where ISO retired it, as these languages call it.
pub fn by_id(id: &RegionId, languages: &Languages) -> Option<Region> {
    index::by_id(id.as_str()).map(|region| Region::of(region, languages))
}

/// Up to [`MOST_HINTS`] regions, the likeliest first, as these languages call them; none for a query
/// without letters, and for what no region is called.
pub fn search(query: &str, languages: &Languages) -> Vec<Hint> {
    let end = query.char_indices().nth(LONGEST_QUERY).map_or(query.len(), |(end, _)| end);
    let query = &query[..end];
    let typed = fold(query);
    if typed.is_empty() || !query.chars().any(char::is_alphabetic) {
        return Vec::new();
    }
    let mut ranking = Ranking::new(languages);
    look_up(&mut ranking, query, &typed);
    hints(ranking.best(MOST_HINTS), &typed, languages)
}

/// Reads the query in one way after the other until one is clear.
fn look_up(ranking: &mut Ranking<'_>, query: &str, typed: &str) {
    for (text, slips, penalty) in ways(query, typed) {
        let far_fetched = match slips {
            Slips::None if penalty == 0 => u16::MAX,
            Slips::None => FAR_FETCHED[0],
            Slips::InAll => FAR_FETCHED[1],
            Slips::InUnknown(most) => FAR_FETCHED[usize::from(most)],
        };
        if let Some(words) = query::words(&text, slips) {
            ranking.add(&words, penalty, far_fetched);
        }
        if ranking.is_clear() {
            break;
        }
    }
}

/// The ways in which a query can be read, the likeliest first: a text, how many slips it may have, and
/// how much worse than as it stands it is to read it so.
fn ways(query: &str, typed: &str) -> impl Iterator<Item = (String, Slips, u16)> {
    let other_keys: Vec<String> = layout::other_layouts(query).iter().map(|other| fold(other)).collect();
    // No name has these signs, but other keyboards have letters there.
    let is_of_other_keys = query.contains(['[', ']', ';', '{', '}', '<', '>', '`']);
    let way = |slips: Slips, penalty: u16| move |text: String| (text, slips, penalty);
    let other_keys_where = |wanted: bool| {
        let is_wanted = is_of_other_keys == wanted;
        other_keys.clone().into_iter().filter(move |_| is_wanted)
    };
    other_keys_where(true)
        .map(way(Slips::None, OTHER_LAYOUT))
        .chain(query::initials(typed).map(way(Slips::None, 0)))
        .chain(once(typed.to_owned()).map(way(Slips::None, 0)))
        .chain(once_with(|| query::composed(typed)).flatten().map(way(Slips::None, 0)))
        .chain(other_keys_where(false).map(way(Slips::None, OTHER_LAYOUT)))
        .chain(once_with(|| query::parted(typed)).flatten().map(way(Slips::None, SPACES)))
        .chain(once(typed.to_owned()).map(way(Slips::InUnknown(1), 0)))
        .chain(once_with(|| query::syllables_swapped(query)).flatten().map(way(Slips::None, SLIPS[1].into())))
        .chain(once_with(|| query::joined(typed)).flatten().map(way(Slips::None, SPACES)))
        .chain(once(typed.to_owned()).map(way(Slips::InAll, 0)))
        .chain(once(typed.to_owned()).map(way(Slips::InUnknown(2), 0)))
        .chain(other_keys.into_iter().map(way(Slips::InUnknown(1), OTHER_LAYOUT)))
}

fn hints(found: Vec<Found>, typed: &str, languages: &Languages) -> Vec<Hint> {
    let mut hints: Vec<Hint> = found.iter().map(|found| hint(found, typed, languages)).collect();
    // Two regions that a language calls the same are told apart by their labels.
    let mut times: HashMap<(&str, Option<String>), usize> = HashMap::new();
    for hint in &hints {
        *times.entry((hint.name, hint.within.clone())).or_default() += 1;
    }
    for (hint, found) in hints.iter_mut().zip(&found) {
        if times[&(hint.name, hint.within.clone())] > 1 {
            hint.name = Line::of(found.region).label;
        }
    }
    hints
}

fn hint(found: &Found, typed: &str, languages: &Languages) -> Hint {
    let Region { id, name, within } = Region::of(found.region, languages);
    let spelling = Line::of(found.region).spelling(found.spelling);
    let is_shown = spelling == name || {
        let name = fold(name);
        name.match_indices(typed).any(|(at, _)| at == 0 || name[..at].ends_with(' '))
    };
    Hint { id, name, within, via: (!is_shown).then_some(spelling) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn search(query: &str) -> Vec<Hint> {
        super::search(query, &Languages::default())
    }

    fn by_id(id: &RegionId) -> Option<Region> {
        super::by_id(id, &Languages::default())
    }

    fn ids(query: &str) -> Vec<String> {
        search(query).iter().map(|hint| hint.id.to_string()).collect()
    }

    fn all_ids() -> impl Iterator<Item = RegionId> {
        let table = include_str!("data/regions.tsv").lines().skip(1);
        table.map(|row| RegionId::parse(row.split('\t').next().unwrap()).unwrap())
    }

    #[test]
    fn the_region_that_people_mean_comes_first_in_every_script() {
        let table = [
            // Latin letters, in several languages, with and without accents.
            ("ger", "DE"),
            ("GERMANY", "DE"),
            ("deutschl", "DE"),
            ("alemania", "DE"),
            ("allemagne", "DE"),
            ("niemcy", "DE"),
            ("bav", "DE-BY"),
            ("bayern", "DE-BY"),
            ("baviere", "DE-BY"),
            ("Bavière", "DE-BY"),
            ("bajoro", "DE-BY"),
            ("north rh", "DE-NW"),
            ("rhine-west", "DE-NW"),
            ("nordrhein w", "DE-NW"),
            ("westfal", "DE-NW"),
            ("cali", "US-CA"),
            ("new y", "US-NY"),
            ("texas", "US-TX"),
            ("usa", "US"),
            ("uk", "GB"),
            ("united k", "GB"),
            ("kingd", "GB"),
            ("london", "GB-LND"),
            ("scot", "GB-SCT"),
            ("kent", "GB-KEN"),
            ("bavaria, germany", "DE-BY"),
            ("georgia", "GE"),
            ("georgia united", "US-GA"),
            ("luxembourg", "LU"),
            ("cote d'iv", "CI"),
            ("cote divoire", "CI"),
            ("ivoire", "CI"),
            ("antigua and b", "AG"),
            ("antigua & b", "AG"),
            ("turkiye", "TR"),
            ("istanbul", "TR-34"),
            ("İstanbul", "TR-34"),
            ("sao paulo", "BR-SP"),
            ("lodz", "PL-10"),
            ("Łódź", "PL-10"),
            ("moscow", "RU-MOW"),
            ("moskva", "RU-MOW"),
            ("tokyo", "JP-13"),
            ("viet nam", "VN"),
            ("ha noi", "VN-HN"),
            ("osterreich", "AT"),
            ("aland", "AX"),
            ("magyarorszag", "HU"),
            // Cyrillic.
            ("герм", "DE"),
            ("бавар", "DE-BY"),
            ("баварія", "DE-BY"),
            ("Бавария", "DE-BY"),
            ("україна", "UA"),
            ("Київ", "UA-30"),
            ("москва", "RU-MOW"),
            ("питер", "RU-SPE"),
            ("србија", "RS"),
            // Greek, Georgian, Armenian.
            ("ελλ", "GR"),
            ("ΓΕΡΜΑΝΊΑ", "DE"),
            ("საქართ", "GE"),
            ("ბავარ", "DE-BY"),
            ("հայաս", "AM"),
            // Hebrew and Arabic, with and without points.
            ("ישראל", "IL"),
            ("גרמני", "DE"),
            ("ארה\"ב", "US"),
            ("مصر", "EG"),
            ("المانيا", "DE"),
            ("ألمانيا", "DE"),
            ("بافار", "DE-BY"),
            ("ایران", "IR"),
            ("پاکستان", "PK"),
            // Scripts of India and its neighbours.
            ("भारत", "IN"),
            ("जर्मनी", "DE"),
            ("बिहार", "IN-BR"),
            ("বাংলাদ", "BD"),
            ("ভারত", "IN"),
            ("ਭਾਰਤ", "IN"),
            ("ગુજરાત", "IN-GJ"),
            ("ଭାରତ", "IN"),
            ("தமிழ்", "IN-TN"),
            ("ఆంధ్ర", "IN-AP"),
            ("ಕರ್ನಾಟಕ", "IN-KA"),
            ("കേരള", "IN-KL"),
            ("ශ්‍රී ලං", "LK"),
            ("नेपाल", "NP"),
            // South-east Asia, Ethiopia, Tibet.
            ("ไทย", "TH"),
            ("เยอรม", "DE"),
            ("ລາວ", "LA"),
            ("មីយ៉ាន់", "MM"),
            ("កម្ពុ", "KH"),
            ("မြန်မာ", "MM"),
            ("ኢትዮ", "ET"),
            ("ጀርመን", "DE"),
            ("རྒྱ་ནག", "CN"),
            // East Asia, down to half a syllable.
            ("日本", "JP"),
            ("日", "JP"),
            ("東京", "JP-13"),
            ("ドイツ", "DE"),
            ("ﾄﾞｲﾂ", "DE"),
            ("德国", "DE"),
            ("德國", "DE"),
            ("中国", "CN"),
            ("北京", "CN-BJ"),
            ("대한민국", "KR"),
            ("독일", "DE"),
            ("도", "DE"),
            ("서우", "KR-11"),
            ("서울", "KR-11"),
        ];
        let others: Vec<_> = table
            .iter()
            .map(|(query, first)| (query, first, ids(query)))
            .filter(|(_, first, found)| found.first().is_none_or(|found| found != *first))
            .collect();
        assert!(others.is_empty(), "{others:#?}");
    }

    #[test]
    fn every_region_is_found_by_its_label_or_by_its_full_name() {
        for region in all_ids().map(|id| by_id(&id).unwrap()) {
            let id = region.id.to_string();
            let found = ids(region.name).contains(&id) || ids(&region.full_name()).first() == Some(&id);
            assert!(found, "{id} {}: {:?}", region.full_name(), ids(&region.full_name()));
        }
    }

    #[test]
    fn no_two_regions_are_shown_alike() {
        let mut shown = HashSet::new();
        for id in all_ids() {
            let name = by_id(&id).unwrap().full_name();
            assert!(shown.insert(name.clone()), "{name}");
        }
        assert_eq!(shown.len(), 5267);
    }

    #[test]
    fn a_country_comes_before_its_subdivisions_of_the_same_name() {
        for country in ["BZ", "DJ", "GT", "LU", "SM"] {
            let name = by_id(&RegionId::parse(country).unwrap()).unwrap().name;
            assert_eq!(ids(name)[0], country);
        }
    }

    #[test]
    fn a_whole_name_comes_before_a_better_known_region_that_it_begins() {
        assert_eq!(ids("niger")[..3], ["NE", "NG-NI", "NG"]);
        assert_eq!(ids("york")[0], "GB-YOR");
    }

    #[test]
    fn a_hint_says_where_it_lies_and_by_which_spelling_it_was_found() {
        let as_json = |query: &str| serde_json::to_string(&search(query)[0]).unwrap();
        assert_eq!(as_json("bav"), r#"{"id":"DE-BY","name":"Bavaria","within":"Germany","via":null}"#);
        assert_eq!(
            as_json("бавари"),
            r#"{"id":"DE-BY","name":"Bavaria","within":"Germany","via":"Бавария"}"#
        );
        assert_eq!(
            as_json("kent"),
            r#"{"id":"GB-KEN","name":"Kent","within":"England, United Kingdom","via":null}"#
        );
        assert_eq!(
            as_json("deutschland"),
            r#"{"id":"DE","name":"Germany","within":null,"via":"Deutschland"}"#
        );
        assert_eq!(
            as_json("westph"),
            r#"{"id":"DE-NW","name":"North Rhine-Westphalia","within":"Germany","via":null}"#
        );
    }

    #[test]
    fn a_region_is_hinted_once_and_no_more_than_eight_are() {
        let table = include_str!("data/regions.tsv");
        let letters: HashSet<char> = table.chars().collect();
        let starts = letters.iter().flat_map(|one| ["", "a", "и"].map(|other| format!("{one}{other}")));
        for query in starts.chain(["province".to_owned(), "de".to_owned(), "northern".to_owned()]) {
            let found = ids(&query);
            assert!(found.len() <= MOST_HINTS);
            assert_eq!(found.iter().collect::<HashSet<_>>().len(), found.len(), "{query}: {found:?}");
        }
    }

    #[test]
    fn what_begins_no_name_finds_nothing() {
        for nonsense in
            ["", " ", "\u{3000}\t\n", "\0", "!?", "'’", "🇩🇪", "qqqq", "ـ", "ʻ", "33", "--", "\u{301}"]
        {
            assert_eq!(search(nonsense), [], "{nonsense:?}");
        }
    }

    #[test]
    fn odd_input_does_no_harm() {
        for odd in [
            "a".repeat(10_000),
            " ".repeat(10_000),
            "province of ".repeat(1_000),
            "\u{fdfa}".repeat(10_000),
            "e\u{301}\u{316}".repeat(5_000),
            "\u{10ffff}\u{fffd}".repeat(99),
        ] {
            assert_eq!(search(&odd), []);
        }
        assert_eq!(ids("\0Ger\0")[0], "DE");
    }

    #[test]
    fn a_retired_id_leads_to_the_region_that_replaced_it() {
        let name = |id: &str| by_id(&RegionId::parse(id).unwrap()).map(|region| region.full_name());
        assert_eq!(name("DE-BY").as_deref(), Some("Bavaria, Germany"));
        assert_eq!(name("GB-KEN").as_deref(), Some("Kent, England, United Kingdom"));
        assert_eq!(name("CN-11").as_deref(), Some("Beijing, China"));
        assert_eq!(name("FR-974").as_deref(), Some("Réunion"));
        // Nobody can tell in which of its parts somebody lives.
        assert_eq!(name("NO-30").as_deref(), Some("Norway"));
        for unknown in ["ZZ", "DE-ZZ", "CZ-611"] {
            assert_eq!(name(unknown), None, "{unknown}");
        }
    }

    proptest! {
        #[test]
        fn any_query_in_any_language_has_eight_hints_at_most_each_once(
            query in prop_oneof!["(?s).{0,200}", "[a-zéü ,.'-]{0,40}", "[а-яіїє\u{300}-\u{30f}가-힣ぁ-ん一-龥 ]{0,30}", "([a-z] ){0,60}"],
            languages in "[ -~]{0,60}",
        ) {
            let hints = super::search(&query, &Languages::accepted(&languages));
            let ids: HashSet<_> = hints.iter().map(|hint| hint.id.to_string()).collect();
            prop_assert!(hints.len() <= MOST_HINTS && ids.len() == hints.len(), "{hints:?}");
        }
    }
}
