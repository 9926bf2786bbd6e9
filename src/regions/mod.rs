//! The gazetteer: the countries of the world and their subdivisions, and the search that finds them
//! by what people call them, in any language. The tables, their sources and licences are in `data/`.
//!
//! **The index** is made by `build.rs` and lies in the program as it is read, so that starting costs
//! nothing. Regions are numbered by their *rank*: the more people live in one and the more languages
//! have a name for it, the smaller its number.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `keys.fst` | an automaton that leads from every *key* to its hits in `hits.bin`. A key is a name's end that begins with a word, folded (`fold.rs`): "north rhine westphalia", "rhine westphalia", "westphalia". It is kept only as far as it takes to tell it from its neighbours; the name itself decides the rest |
//! | `hits.bin` | for each key the list of its *hits*: how it fits, which region, by which spelling (`hit.rs`). The best hit of a list stands first, and the lists are sorted by their best hits |
//! | `regions.txt` | a line for each region, by rank: id, what it lies in, English label, the other spellings, the most widespread first. `lines.bin` tells where each line starts |
//! | `ids.fst` | the rank of each id, and of each retired id that a single region replaced |
//!
//! **The ranking.** Regions whose whole name was typed come first, then those with a name, or a later
//! word of one, that begins with what was typed. Within either the better fit comes first: English and
//! native names, then names in well documented languages, then later words of these, then other
//! languages (`hit.rs`); then the better known region. Of a region's hits only the best counts.
//!
//! **The search** follows the typed text into the automaton and takes hits from there on, the best
//! first. An automaton of fst passes the values of its keys forward as far as they agree, so that the
//! sum on the way to a node is the least value of all keys behind it; since smaller values are better
//! hits, the search knows before each way what is the best it can bring, always takes the most
//! promising, and stops at the eighth region, whether ten keys begin with the text or ten thousand.

use serde::Serialize;

use crate::domain::RegionId;
use fold::{fold, keys};
use hit::Hit;
use index::{Line, Place};

mod fold;
#[allow(dead_code, reason = "only build.rs writes hits")]
mod hit;
mod index;

/// No more hints than this answer one query.
pub const MOST_HINTS: usize = 8;

/// Only this many characters of a query are looked at.
const LONGEST_QUERY: usize = 128;

/// A region that may be the one meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hint {
    /// The region.
    pub id: RegionId,
    /// Its English label.
    pub name: &'static str,
    /// The regions it lies in, the smallest first ("England, United Kingdom"); none for a country.
    pub within: Option<&'static str>,
    /// The spelling that was found, where it was not a word of the label.
    pub via: Option<&'static str>,
}

/// A country or its subdivision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its ISO 3166 id.
    pub id: RegionId,
    /// Its English label.
    pub name: &'static str,
    /// The regions it lies in, the smallest first ("England, United Kingdom"); none for a country.
    pub within: Option<&'static str>,
}

impl Region {
    fn of(line: &Line) -> Self {
        let id = RegionId::parse(line.id).expect("the tables hold nothing but ISO ids");
        Self { id, name: line.label, within: (!line.within.is_empty()).then_some(line.within) }
    }

    /// The label with what it lies in: "Bavaria, Germany".
    pub fn full_name(&self) -> String {
        match self.within {
            Some(within) => format!("{}, {within}", self.name),
            None => self.name.to_owned(),
        }
    }
}

/// The region of this id, or the one that replaced it where ISO retired it.
pub fn by_id(id: &RegionId) -> Option<Region> {
    index::by_id(id.as_str()).map(|region| Region::of(&Line::of(region)))
}

/// Up to [`MOST_HINTS`] regions, the likeliest first: those with a name, in any language, that goes on
/// from the beginning of one of its words as the query does. None for a query without letters or digits.
pub fn search(query: &str) -> Vec<Hint> {
    let end = query.char_indices().nth(LONGEST_QUERY).map_or(query.len(), |(end, _)| end);
    let typed = fold(&query[..end]);
    if typed.is_empty() {
        return Vec::new();
    }
    let Some(place) = Place::of(&typed) else { return Vec::new() };
    let mut best: Vec<Hit> = Vec::with_capacity(MOST_HINTS);
    for hit in place.own_hits().filter(|hit| hit.whole).chain(place.hits()) {
        if best.iter().all(|known| known.region != hit.region) {
            best.push(hit);
        }
        if best.len() == MOST_HINTS {
            break;
        }
    }
    best.into_iter().map(|hit| hint(hit, &typed)).collect()
}

fn hint(hit: Hit, typed: &str) -> Hint {
    let line = Line::of(hit.region);
    let is_in_label = hit.spelling == 0 || keys(line.label).iter().any(|key| key.starts_with(typed));
    let via = (!is_in_label).then(|| line.spelling(hit.spelling));
    let Region { id, name, within } = Region::of(&line);
    Hint { id, name, within, via }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

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
        assert_eq!(shown.len(), 5263);
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
        for nonsense in [
            "",
            " ",
            "\u{3000}\t\n",
            "\0",
            "!?",
            "'’",
            "🇩🇪",
            "qqqq",
            "bavariax",
            "germany germany",
            "xn--",
            "\u{301}",
        ] {
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
        for unknown in ["ZZ", "DE-ZZ", "NZ-N", "FR-H"] {
            assert_eq!(name(unknown), None, "{unknown}");
        }
    }
}
