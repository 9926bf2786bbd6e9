//! Makes the index of the regions from the tables in `src/regions/data/`; `src/regions/mod.rs`
//! tells how it is laid out and read.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::error::Error;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::{env, fs};

use any_ascii::any_ascii;
use entry::{Entry, Kind, LATER_WORD, Posting, obscurity};
use fold::{fold, readings};

#[path = "src/regions/entry.rs"]
#[allow(dead_code, reason = "only the search unpacks")]
mod entry;
#[path = "src/regions/fold.rs"]
mod fold;
#[path = "src/regions/kinds.rs"]
mod kinds;

const DATA: &str = "src/regions/data";

/// A language that names fewer regions than these names little more than the countries.
const FEW_REGIONS: usize = 300;

/// In how many languages a city of 100,000 has a name, about.
const LANGUAGES_OF_A_CITY: u64 = 60;

/// More words than these tell a name from all others.
const MOST_WORDS: usize = 15;

fn main() -> Result<(), Box<dyn Error>> {
    let mut regions = best_known_first(read_regions()?);
    tell_apart(&mut regions);
    let ranks: HashMap<&str, u16> =
        (0..).zip(&regions).map(|(rank, region)| (region.id.as_str(), rank)).collect();
    let entries: Vec<Vec<(Vec<String>, Entry)>> = regions.iter().map(entries).collect();
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo names OUT_DIR")?);
    write_ids(&out, &ranks)?;
    write_lines(&out, &regions, &ranks)?;
    write_shown(&out, &regions)?;
    write_words(&out, &entries)?;
    Ok(())
}

struct Region {
    id: String,
    /// The id of the region it lies in; empty for a country.
    parent: String,
    /// Everything that it is called, the English label first, then the spelling that most locales
    /// share; after these the names of its cities.
    spellings: Vec<Spelling>,
    /// In how many languages it has a name.
    languages: u64,
    /// How many people live there, or 0 where nobody counted.
    people: u64,
    /// Its country's languages.
    official: Vec<String>,
    /// Its ISO codes, and what is left of an ISO 3166-2 code without its country.
    codes: Vec<(String, Kind)>,
}

#[derive(Clone)]
struct Spelling {
    name: String,
    locales: Vec<String>,
    /// Those of them that first call it something else.
    second_in: Vec<String>,
    kind: Kind,
    /// How many people live in the city that it names.
    city: Option<u64>,
}

/// The rows of a table, each cut into its fields, and the table watched for changes.
fn rows(file: &str) -> Result<Vec<Vec<String>>, Box<dyn Error>> {
    let path = Path::new(DATA).join(file);
    println!("cargo:rerun-if-changed={}", path.display());
    let mut bytes = fs::read(path)?;
    if file.ends_with(".zst") {
        let mut unpacked = Vec::new();
        ruzstd::decoding::StreamingDecoder::new(bytes.as_slice())?.read_to_end(&mut unpacked)?;
        bytes = unpacked;
    }
    let text = String::from_utf8(bytes)?;
    Ok(text.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}

fn read_regions() -> Result<Vec<Region>, Box<dyn Error>> {
    let table = rows("regions.tsv")?;
    let mut in_cities = HashMap::new();
    for row in rows("region_population.tsv")? {
        in_cities.insert(row[0].clone(), row[1].parse::<u64>()?);
    }
    let mut spellings = read_spellings()?;
    let cities = read_cities()?;
    let mut regions = Vec::with_capacity(table.len());
    for row in &table {
        let [id, parent, label, _, native, languages, in_country, official, ..] = row.as_slice() else {
            return Err(format!("regions.tsv: a short row: {row:?}").into());
        };
        let in_country = in_country.parse()?;
        let city = || cities.get(parent).and_then(|cities| namesake(label, cities));
        let people = match parent.is_empty() {
            true => in_country,
            false => in_cities.get(id).copied().or_else(city).unwrap_or(0).min(in_country),
        };
        let mut names = best_first(spellings.remove(id).unwrap_or_default(), label, native);
        names.extend(cities.get(id).into_iter().flatten().cloned());
        regions.push(Region {
            id: id.clone(),
            parent: parent.clone(),
            spellings: names,
            languages: languages.parse()?,
            people,
            official: official.split(',').map(language).collect(),
            codes: codes(id, row.get(8).map_or("", String::as_str)),
        });
    }
    Ok(regions)
}

fn language(locale: &str) -> String {
    locale.split('_').next().unwrap_or_default().to_owned()
}

/// The codes of a region: its id, what follows the country in it, and its code of three letters.
fn codes(id: &str, alpha3: &str) -> Vec<(String, Kind)> {
    let mut codes = vec![(id.to_owned(), Kind::Code)];
    if !alpha3.is_empty() {
        codes.push((alpha3.to_owned(), Kind::Code));
    }
    if let Some((_, short)) = id.split_once('-')
        && short.len() > 1
        && short.chars().all(char::is_alphabetic)
    {
        codes.push((short.to_owned(), Kind::ShortCode));
    }
    codes
}

/// What each region is called, by its id.
fn read_spellings() -> Result<HashMap<String, Vec<Spelling>>, Box<dyn Error>> {
    let table = rows("names.tsv.zst")?;
    let mut named: HashMap<String, HashSet<&str>> = HashMap::new();
    for row in &table {
        for locale in row[2].split(',') {
            named.entry(language(locale)).or_default().insert(&row[0]);
        }
    }
    let mut spellings: HashMap<String, Vec<Spelling>> = HashMap::new();
    for row in &table {
        let locales: Vec<String> = row[2].split(',').map(str::to_owned).collect();
        let is_rare = locales.iter().all(|locale| named[&language(locale)].len() < FEW_REGIONS);
        let kind = match (is_rare, locales.len()) {
            (true, _) => Kind::Rare,
            (false, 1) => Kind::Single,
            (false, _) => Kind::Common,
        };
        let second_in = row.get(3).map_or("", String::as_str).split(',').map(str::to_owned).collect();
        let spelling = Spelling { name: row[1].clone(), locales, second_in, kind, city: None };
        spellings.entry(row[0].clone()).or_default().push(spelling);
    }
    Ok(spellings)
}

/// The names of the cities in each region, by its id.
fn read_cities() -> Result<HashMap<String, Vec<Spelling>>, Box<dyn Error>> {
    let mut cities: HashMap<String, Vec<Spelling>> = HashMap::new();
    for row in rows("cities.tsv")? {
        let people = row[2].parse()?;
        let mut seen = HashSet::new();
        let alternates = row[4].split('|').filter(|name| !name.is_empty());
        let names = [row[3].as_str()].into_iter().chain(alternates);
        let names = names.filter(|name| seen.insert(fold(name)));
        let spelling = |name: &str| Spelling {
            name: name.to_owned(),
            locales: Vec::new(),
            second_in: Vec::new(),
            kind: Kind::City,
            city: Some(people),
        };
        cities.entry(row[1].clone()).or_default().extend(names.map(spelling));
    }
    Ok(cities)
}

/// How many people live in the city that has this label, which is all that is counted of a region below
/// the first level.
fn namesake(label: &str, cities: &[Spelling]) -> Option<u64> {
    cities.iter().filter(|city| city.name == label).find_map(|city| city.city)
}

fn best_first(mut spellings: Vec<Spelling>, label: &str, native: &str) -> Vec<Spelling> {
    for spelling in &mut spellings {
        if [label, native].contains(&spelling.name.as_str()) {
            spelling.kind = Kind::Label;
        }
    }
    spellings
        .sort_by_key(|spelling| (spelling.name != label, spelling.kind, Reverse(spelling.locales.len())));
    spellings
}

/// Most people in most mouths: the people who live in a region, times the languages that name it.
fn best_known_first(mut regions: Vec<Region>) -> Vec<Region> {
    regions.sort_by_key(|region| {
        (
            Reverse(region.people * region.languages),
            Reverse(region.languages),
            !region.parent.is_empty(),
            region.id.clone(),
        )
    });
    regions
}

/// Where two regions would be shown alike, label and place, their labels get the id.
fn tell_apart(regions: &mut [Region]) {
    let shown = |region: &Region| (region.spellings[0].name.clone(), region.parent.clone());
    let mut times: HashMap<(String, String), usize> = HashMap::new();
    for region in regions.iter() {
        *times.entry(shown(region)).or_default() += 1;
    }
    for region in regions {
        if times[&shown(region)] > 1 {
            let name = format!("{} ({})", region.spellings[0].name, region.id);
            let spelling =
                Spelling { name, locales: Vec::new(), second_in: Vec::new(), kind: Kind::Label, city: None };
            region.spellings.insert(0, spelling);
        }
    }
}

/// Everything that a region is found by, as words, each once and as the best that it is.
fn entries(region: &Region) -> Vec<(Vec<String>, Entry)> {
    let own = obscurity(region.people, region.languages);
    let mut found: BTreeMap<Vec<String>, Entry> = BTreeMap::new();
    let mut add = |text: &str, entry: Entry| {
        let words: Vec<String> = text.split(' ').take(MOST_WORDS).map(str::to_owned).collect();
        let entry = Entry { words: words.len(), ..entry };
        let rank = |entry: &Entry| (entry.kind.penalty() + entry.obscurity, entry.spelling);
        if !text.is_empty() && found.get(&words).is_none_or(|known| rank(&entry) < rank(known)) {
            found.insert(words, entry);
        }
    };
    for (number, spelling) in (0..).zip(&region.spellings) {
        let obscurity = spelling.city.map_or(own, |people| obscurity(people, LANGUAGES_OF_A_CITY));
        let entry = Entry { kind: spelling.kind, obscurity, spelling: number, words: 0 };
        for reading in readings(&spelling.name) {
            add(&reading, entry);
        }
        if is_romanised(region, spelling) {
            add(&fold(&any_ascii(&spelling.name)), Entry { kind: Kind::Romanised, ..entry });
        }
    }
    for (code, kind) in &region.codes {
        add(&fold(code), Entry { kind: *kind, obscurity: own, spelling: 0, words: 0 });
    }
    found.into_iter().collect()
}

/// Whether people write this name in Latin letters: that of a country, that of a region in its own
/// country's languages, and those in languages whose speakers often have no other keyboard. Scripts that
/// write no vowels, and Japanese where it reads Chinese characters in its own way, make no names by rule.
fn is_romanised(region: &Region, spelling: &Spelling) -> bool {
    const OFTEN: [&str; 5] = ["ru", "uk", "bg", "el", "zh"];
    const NEVER: [&str; 12] = ["en", "ar", "fa", "he", "ur", "ps", "sd", "th", "lo", "km", "my", "ug"];
    let is_ideographic = |c| matches!(c, '\u{3400}'..='\u{9fff}');
    spelling.city.is_none()
        && spelling.kind != Kind::Rare
        && spelling.name.chars().any(|c| c.is_alphabetic() && c as u32 > 0x36f)
        && spelling.locales.iter().map(|locale| language(locale)).any(|language| {
            let is_near = region.parent.is_empty()
                || region.official.contains(&language)
                || OFTEN.contains(&language.as_str());
            is_near
                && !NEVER.contains(&language.as_str())
                && !(language == "ja" && spelling.name.contains(is_ideographic))
        })
}

/// `ids.fst`: the rank of each id, and of each retired one that of the region which replaced it, or
/// that of its country where several did.
fn write_ids(out: &Path, ranks: &HashMap<&str, u16>) -> Result<(), Box<dyn Error>> {
    let aliases = rows("aliases.tsv")?;
    let replaced = aliases.iter().map(|row| {
        let country = row[0].split('-').next().unwrap_or_default();
        let replacement = if row[1].contains(' ') { country } else { &row[1] };
        let rank = ranks.get(replacement).ok_or_else(|| format!("aliases.tsv: no region {replacement}"))?;
        Ok((row[0].as_str(), *rank))
    });
    let replaced = replaced.collect::<Result<Vec<_>, String>>()?;
    let ids: BTreeMap<&str, u16> =
        replaced.into_iter().chain(ranks.iter().map(|(id, rank)| (*id, *rank))).collect();
    let ids = fst::Map::from_iter(ids.into_iter().map(|(id, rank)| (id, u64::from(rank))))?;
    fs::write(out.join("ids.fst"), ids.as_fst().as_bytes())?;
    Ok(())
}

/// `lines.txt`, a line for each region, and `parents.bin`, the rank of what each lies in: its own
/// where it is a country.
fn write_lines(out: &Path, regions: &[Region], ranks: &HashMap<&str, u16>) -> Result<(), Box<dyn Error>> {
    let mut lines = Table::default();
    let mut parents = Vec::new();
    for region in regions {
        let spellings = region.spellings.iter().map(|spelling| spelling.name.as_str());
        let line: Vec<&str> = [region.id.as_str()].into_iter().chain(spellings).collect();
        lines.add((line.join("\t") + "\n").as_bytes());
        let parent = if region.parent.is_empty() { &region.id } else { &region.parent };
        parents.extend(ranks[parent.as_str()].to_le_bytes());
    }
    lines.write(out, "line_starts.bin", "lines.txt", 1)?;
    fs::write(out.join("parents.bin"), parents)?;
    Ok(())
}

/// `locales.fst`, the number of each locale, and `shown.bin`, which spelling of a region each uses.
fn write_shown(out: &Path, regions: &[Region]) -> Result<(), Box<dyn Error>> {
    let spellings = || regions.iter().flat_map(|region| &region.spellings);
    let locales: BTreeSet<&str> =
        spellings().flat_map(|spelling| &spelling.locales).map(String::as_str).collect();
    let numbers: HashMap<&str, u16> = locales.iter().copied().zip(0..).collect();
    let by_name = locales.iter().map(|locale| (locale, u64::from(numbers[locale])));
    fs::write(out.join("locales.fst"), fst::Map::from_iter(by_name)?.as_fst().as_bytes())?;
    let mut shown = Table::default();
    for region in regions {
        let mut by_locale = BTreeMap::new();
        for (number, spelling) in (0_u16..).zip(&region.spellings) {
            for locale in spelling.locales.iter().filter(|locale| !spelling.second_in.contains(locale)) {
                by_locale.entry(numbers[locale.as_str()]).or_insert(number);
            }
        }
        let bytes = by_locale.into_iter().filter(|(_, number)| *number > 0);
        let bytes = bytes.flat_map(|(locale, number)| [locale.to_le_bytes(), number.to_le_bytes()]);
        shown.add(&bytes.flatten().collect::<Vec<u8>>());
    }
    shown.write(out, "shown_starts.bin", "shown.bin", 4)
}

/// `words.fst`, the number of each word; `postings.bin`, which regions each word leads to; and
/// `entries.bin`, the names of each region as numbers of words.
fn write_words(out: &Path, entries: &[Vec<(Vec<String>, Entry)>]) -> Result<(), Box<dyn Error>> {
    let mut postings: BTreeMap<&str, BTreeMap<u16, Posting>> = BTreeMap::new();
    let kinds: HashSet<&str> = fold::kinds().collect();
    for (region, entries) in (0..).zip(entries) {
        for (words, entry) in entries {
            let is_kind = |word: &String| kinds.contains(word.as_str());
            let first = words.iter().position(|word| !is_kind(word)).unwrap_or(0);
            let names = words.iter().filter(|word| !is_kind(word)).count();
            for (place, word) in words.iter().enumerate() {
                let later = if place > first { LATER_WORD } else { 0 };
                let score = entry.obscurity + entry.kind.penalty() + later;
                let alone = words.len() == 1 || names == 1 && place == first;
                let best = postings.entry(word).or_default();
                let best = best.entry(region).or_insert(Posting { score, region, alone });
                best.score = best.score.min(score);
                best.alone |= alone;
            }
        }
    }
    let numbers: HashMap<&str, u32> = postings.keys().copied().zip(0..).collect();
    let words = fst::Map::from_iter(postings.keys().zip(0_u64..))?;
    fs::write(out.join("words.fst"), words.as_fst().as_bytes())?;
    let mut lists = Table::default();
    for regions in postings.values() {
        lists.add(&regions.values().flat_map(|posting| posting.pack()).collect::<Vec<u8>>());
    }
    lists.write(out, "word_starts.bin", "postings.bin", 3)?;
    let mut names = Table::default();
    for entries in entries {
        let packed = entries.iter().flat_map(|(words, entry)| {
            let words = words.iter().flat_map(|word| numbers[word.as_str()].to_le_bytes()[..3].to_vec());
            entry.pack().to_le_bytes().into_iter().chain(words).collect::<Vec<u8>>()
        });
        names.add(&packed.collect::<Vec<u8>>());
    }
    names.write(out, "entry_starts.bin", "entries.bin", 1)
}

/// Rows of different length, one after the other, and where each starts.
#[derive(Default)]
struct Table {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Table {
    fn add(&mut self, row: &[u8]) {
        self.starts.push(self.bytes.len());
        self.bytes.extend(row);
    }

    /// Writes both files; starts are counted in units of so many bytes, and the last is the end.
    fn write(mut self, out: &Path, starts: &str, rows: &str, unit: usize) -> Result<(), Box<dyn Error>> {
        self.starts.push(self.bytes.len());
        let mut packed = Vec::new();
        for start in &self.starts {
            packed.extend(u32::try_from(start / unit)?.to_le_bytes());
        }
        fs::write(out.join(starts), packed)?;
        fs::write(out.join(rows), self.bytes)?;
        Ok(())
    }
}
