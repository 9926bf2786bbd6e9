//! Makes the index of the regions from the tables in `src/regions/data/`; `src/regions/mod.rs`
//! tells how it is laid out and read.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::error::Error;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::{env, fs};

use fold::{full_label_keys, keys, readings};
use hit::{Fit, Hit};

#[path = "src/regions/fold.rs"]
mod fold;
#[path = "src/regions/hit.rs"]
#[allow(dead_code, reason = "only the search reads hits")]
mod hit;

const DATA: &str = "src/regions/data";

/// A language that names fewer regions than these names little more than the countries.
const FEW_REGIONS: usize = 300;

fn main() -> Result<(), Box<dyn Error>> {
    let mut regions = best_known_first(read_regions()?);
    tell_apart(&mut regions);
    let ranks: HashMap<&str, u16> =
        (0..).zip(&regions).map(|(rank, region)| (region.id.as_str(), rank)).collect();
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo names OUT_DIR")?);
    write_regions(&out, &regions)?;
    write_ids(&out, &ranks)?;
    write_keys(&out, &regions)?;
    Ok(())
}

struct Region {
    id: String,
    /// The regions it lies in, the smallest first; empty for a country.
    within: String,
    /// Everything that it is called, the English label first, then the spelling that most locales
    /// share; of those that are typed alike only the first.
    spellings: Vec<Spelling>,
    /// In how many languages it has a name.
    languages: u64,
    /// How many people live there, or 0 where nobody counted.
    people: u64,
}

struct Spelling {
    name: String,
    /// How many locales spell it so.
    locales: usize,
    keys: BTreeSet<String>,
    /// How a key fits that begins the whole name, and one that begins a later word of it.
    fits: (Fit, Fit),
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
    let by_id: HashMap<&str, &Vec<String>> = table.iter().map(|row| (row[0].as_str(), row)).collect();
    let mut in_cities = HashMap::new();
    for row in rows("region_population.tsv")? {
        in_cities.insert(row[0].clone(), row[1].parse::<u64>()?);
    }
    let mut spellings = read_spellings()?;
    let mut regions = Vec::with_capacity(table.len());
    for row in &table {
        let [id, parent, label, _, native, languages, in_country, ..] = row.as_slice() else {
            return Err(format!("regions.tsv: a short row: {row:?}").into());
        };
        let in_country = in_country.parse()?;
        let people = match parent.is_empty() {
            true => in_country,
            false => in_cities.get(id).copied().unwrap_or(0).min(in_country),
        };
        regions.push(Region {
            id: id.clone(),
            within: within(parent, &by_id),
            spellings: best_first(spellings.remove(id).unwrap_or_default(), label, native),
            languages: languages.parse()?,
            people,
        });
    }
    Ok(regions)
}

/// What each region is called, by its id.
fn read_spellings() -> Result<HashMap<String, Vec<Spelling>>, Box<dyn Error>> {
    let table = rows("names.tsv.zst")?;
    let language = |locale: &str| locale.split('_').next().unwrap_or_default().to_owned();
    let mut named: HashMap<String, HashSet<&str>> = HashMap::new();
    for row in &table {
        for locale in row[2].split(',') {
            named.entry(language(locale)).or_default().insert(&row[0]);
        }
    }
    let mut spellings: HashMap<String, Vec<Spelling>> = HashMap::new();
    for row in &table {
        let (name, locales) = (row[1].clone(), row[2].split(','));
        let is_rare = locales.clone().all(|locale| named[&language(locale)].len() < FEW_REGIONS);
        let fits = if is_rare { (Fit::Rare, Fit::Rare) } else { (Fit::Start, Fit::Word) };
        let spelling = Spelling { keys: keys(&name), locales: locales.count(), name, fits };
        spellings.entry(row[0].clone()).or_default().push(spelling);
    }
    Ok(spellings)
}

fn best_first(mut spellings: Vec<Spelling>, label: &str, native: &str) -> Vec<Spelling> {
    for spelling in &mut spellings {
        if [label, native].contains(&spelling.name.as_str()) {
            spelling.fits = (Fit::Label, Fit::Word);
        }
    }
    spellings.sort_by_key(|spelling| (spelling.name != label, spelling.fits, Reverse(spelling.locales)));
    let mut seen = HashSet::new();
    spellings.retain(|spelling| seen.insert(spelling.keys.clone()));
    spellings
}

/// "England, United Kingdom" for the parent `GB-ENG`.
fn within(parent: &str, by_id: &HashMap<&str, &Vec<String>>) -> String {
    let mut labels = Vec::new();
    let mut next = parent;
    while let Some(row) = by_id.get(next) {
        labels.push(row[2].as_str());
        next = &row[1];
    }
    labels.join(", ")
}

/// Most people in most mouths: the people who live in a region, times the languages that name it.
fn best_known_first(mut regions: Vec<Region>) -> Vec<Region> {
    regions.sort_by_key(|region| {
        (
            Reverse(region.people * region.languages),
            Reverse(region.languages),
            !region.within.is_empty(),
            region.id.clone(),
        )
    });
    regions
}

/// Where two regions would be shown alike, label and place, their labels get the id.
fn tell_apart(regions: &mut [Region]) {
    let shown = |region: &Region| (region.spellings[0].name.clone(), region.within.clone());
    let mut times: HashMap<(String, String), usize> = HashMap::new();
    for region in regions.iter() {
        *times.entry(shown(region)).or_default() += 1;
    }
    for region in regions {
        if times[&shown(region)] > 1 {
            let name = format!("{} ({})", region.spellings[0].name, region.id);
            let fits = (Fit::Label, Fit::Word);
            region.spellings.insert(0, Spelling { keys: keys(&name), locales: 0, name, fits });
        }
    }
}

/// `regions.txt`, a line for each region, and `lines.bin`, where each line starts.
fn write_regions(out: &Path, regions: &[Region]) -> Result<(), Box<dyn Error>> {
    let (mut text, mut lines) = (String::new(), Vec::new());
    for region in regions {
        lines.extend(u32::try_from(text.len())?.to_le_bytes());
        let spellings = region.spellings.iter().map(|spelling| &spelling.name);
        let line: Vec<&str> =
            [&region.id, &region.within].into_iter().chain(spellings).map(String::as_str).collect();
        text += &line.join("\t");
        text.push('\n');
    }
    fs::write(out.join("regions.txt"), text)?;
    fs::write(out.join("lines.bin"), lines)?;
    Ok(())
}

/// `ids.fst`: the rank of each id, and of each retired one that a single living region replaced.
fn write_ids(out: &Path, ranks: &HashMap<&str, u16>) -> Result<(), Box<dyn Error>> {
    let aliases = rows("aliases.tsv")?;
    let replaced = aliases.iter().filter_map(|row| Some((row[0].as_str(), *ranks.get(row[1].as_str())?)));
    let ids: BTreeMap<&str, u16> = replaced.chain(ranks.iter().map(|(id, rank)| (*id, *rank))).collect();
    let ids = fst::Map::from_iter(ids.into_iter().map(|(id, rank)| (id, u64::from(rank))))?;
    fs::write(out.join("ids.fst"), ids.as_fst().as_bytes())?;
    Ok(())
}

/// `keys.fst`, which leads from every key to its hits, and `hits.bin`, the lists of hits.
fn write_keys(out: &Path, regions: &[Region]) -> Result<(), Box<dyn Error>> {
    let hits = hits_by_key(regions);
    // In the order of the lists, so that a smaller offset never means a worse first hit.
    let mut offsets: BTreeMap<&Vec<Hit>, u64> = hits.values().map(|list| (list, 0)).collect();
    let mut bytes = Vec::new();
    for (list, offset) in &mut offsets {
        *offset = u64::try_from(bytes.len() / Hit::SIZE)?;
        for (place, hit) in list.iter().enumerate() {
            bytes.extend(hit.to_bytes(place + 1 == list.len()));
        }
    }
    let offsets = hits.values().map(|list| offsets[list]);
    let keys = fst::Map::from_iter(shortened(&hits).into_iter().zip(offsets))?;
    fs::write(out.join("keys.fst"), keys.as_fst().as_bytes())?;
    fs::write(out.join("hits.bin"), bytes)?;
    Ok(())
}

/// Every key and the regions it leads to: each region once a key, by its best hit.
fn hits_by_key(regions: &[Region]) -> BTreeMap<String, Vec<Hit>> {
    let mut found: BTreeMap<String, BTreeSet<Hit>> = BTreeMap::new();
    for (rank, region) in (0..).zip(regions) {
        let mut add = |name: &str, keys: BTreeSet<String>, number: u16, fits: (Fit, Fit)| {
            let whole_names = readings(name);
            for key in keys {
                let whole = whole_names.contains(&key);
                let fit = if whole { fits.0 } else { fits.1 };
                let hit = Hit { fit, region: rank, spelling: number, whole };
                found.entry(key).or_default().insert(hit);
            }
        };
        for (number, spelling) in (0..).zip(&region.spellings) {
            add(&spelling.name, spelling.keys.clone(), number, spelling.fits);
        }
        let label = &region.spellings[0];
        let full_label = format!("{}, {}", label.name, region.within);
        add(&full_label, full_label_keys(&label.name, &region.within), 0, label.fits);
    }
    found.into_iter().map(|(key, hits)| (key, one_per_region(hits))).collect()
}

/// The best hit of each region, which is whole if any of the region's is.
fn one_per_region(hits: BTreeSet<Hit>) -> Vec<Hit> {
    let mut list: Vec<Hit> = Vec::new();
    for hit in hits {
        match list.iter_mut().find(|known| known.region == hit.region) {
            Some(known) => known.whole |= hit.whole,
            None => list.push(hit),
        }
    }
    list
}

/// The keys, each only as far as it takes to tell it from its neighbours.
fn shortened(hits: &BTreeMap<String, Vec<Hit>>) -> Vec<&str> {
    let keys: Vec<&str> = hits.keys().map(String::as_str).collect();
    let mut shared: Vec<usize> = keys.windows(2).map(|pair| shared_start(pair[0], pair[1])).collect();
    shared.insert(0, 0);
    shared.push(0);
    keys.iter()
        .zip(shared.windows(2))
        .map(|(key, shared)| first_chars(key, 1 + shared[0].max(shared[1])))
        .collect()
}

fn shared_start(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count()
}

fn first_chars(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}
