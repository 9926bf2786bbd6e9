//! `GET /regions?q=`: hints while one types. What people type and mean stands in `tests/regions/`.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;
use vestibule::regions::{Hint, Languages, search};

use crate::support::{Page, Request, Site};

const QUERIES: &str = include_str!("../regions/queries.tsv");
const NONSENSE: &str = include_str!("../regions/nonsense.tsv");

async fn answer(site: &Site, query: &str, languages: &str) -> Page {
    let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let path = format!("/regions?q={query}");
    let headers = vec![("accept-language", languages.to_owned())];
    let page = site.visitor().request(Request { method: "GET", path, headers, body: Vec::new() }).await;
    assert_eq!(page.is(200).header("content-type"), "application/json");
    page
}

async fn hints(site: &Site, query: &str) -> Vec<Value> {
    let page = answer(site, query, "en").await;
    let mut answer: Value = serde_json::from_str(&page.body).expect("JSON");
    match answer["regions"].take() {
        Value::Array(hints) => hints,
        other => panic!("no list of regions: {other}"),
    }
}

fn found(query: &str) -> Vec<Hint> {
    search(query, &Languages::default())
}

fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().skip(1).map(|row| row.split('\t').collect())
}

#[derive(Default)]
struct Rate {
    asked: usize,
    among_five: usize,
    first: usize,
}

impl Rate {
    fn percent(&self, hits: usize) -> f64 {
        100.0 * hits as f64 / self.asked as f64
    }
}

/// Prints the rate of each kind, and what was not found, where it is run with `--nocapture`.
#[test]
fn people_find_what_they_mean_however_they_type_it() {
    let mut by_kind: BTreeMap<&str, Rate> = BTreeMap::new();
    for row in rows(QUERIES) {
        let [kind, language, query, expected] = row[..] else { panic!("{row:?}") };
        let hints = found(query);
        let place = hints.iter().position(|hint| expected.split(' ').any(|id| id == hint.id.as_str()));
        for kind in [kind, "all"] {
            let rate = by_kind.entry(kind).or_default();
            rate.asked += 1;
            rate.among_five += usize::from(place.is_some_and(|place| place < 5));
            rate.first += usize::from(place == Some(0));
        }
        if place.is_none_or(|place| place >= 5) {
            println!("not found: {kind} {language} {query:?}, {expected}");
        }
    }
    let mut wrong = Vec::new();
    for (kind, rate) in &by_kind {
        let (among_five, first) = (rate.percent(rate.among_five), rate.percent(rate.first));
        println!("{kind:12} {:5}   among five {among_five:6.2} %   first {first:6.2} %", rate.asked);
        let least = if *kind == "all" { 99.5 } else { 95.0 };
        if among_five < least || *kind == "all" && first < 95.0 {
            wrong.push(kind);
        }
    }
    assert!(by_kind["all"].asked > 600 && by_kind.len() > 12, "the table is not whole");
    assert!(wrong.is_empty(), "too little is found: {wrong:?}");
}

#[test]
fn nonsense_finds_nothing() {
    let found: Vec<_> =
        rows(NONSENSE).map(|row| (row[1], found(row[1]))).filter(|(_, found)| !found.is_empty()).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_hint_comes_twice_and_no_two_look_alike() {
    for row in rows(QUERIES) {
        let hints = found(row[2]);
        let ids: HashSet<&str> = hints.iter().map(|hint| hint.id.as_str()).collect();
        let shown: HashSet<_> = hints.iter().map(|hint| (hint.name, &hint.within)).collect();
        assert!(ids.len() == hints.len() && shown.len() == hints.len(), "{}: {hints:?}", row[2]);
    }
}

#[test]
fn a_letter_that_fits_drops_no_region_that_was_first() {
    let names = rows(QUERIES).filter(|row| ["name", "accents", "city"].contains(&row[0]));
    let mut dropped = Vec::new();
    for row in names {
        let name = row[2];
        let mut first: Option<Hint> = None;
        for (end, letter) in name.char_indices() {
            let typed = &name[..end + letter.len_utf8()];
            let hints = found(typed);
            // It still fits while one of its names goes on so: the one that the whole query names does.
            let is_meant = |hint: &Hint| row[3].split(' ').any(|id| id == hint.id.as_str());
            if let Some(first) = first.filter(is_meant)
                && hints.iter().all(|hint| hint.id != first.id)
            {
                dropped.push((typed, first.id));
            }
            first = hints.into_iter().next();
        }
    }
    assert!(dropped.is_empty(), "{dropped:#?}");
}

#[tokio::test]
async fn a_region_is_found_by_the_start_of_any_of_its_names_in_any_script() {
    let site = Site::start().await;
    for (typed, id) in [
        ("bava", "DE-BY"),
        ("Bayern", "DE-BY"),
        ("бавар", "DE-BY"),
        ("BAVIÈRE", "DE-BY"),
        ("ile de fr", "FR-IDF"),
        ("日本", "JP"),
    ] {
        let hints = hints(&site, typed).await;
        assert!(hints.iter().any(|hint| hint["id"] == id), "{typed}: {hints:?}");
    }
}

#[tokio::test]
async fn a_hint_says_where_it_lies_and_there_are_eight_at_most() {
    let site = Site::start().await;
    let bavaria = &hints(&site, "bavaria").await[0];
    assert_eq!((bavaria["name"].as_str(), bavaria["within"].as_str()), (Some("Bavaria"), Some("Germany")));
    assert_eq!(hints(&site, "a").await.len(), 8);
}

#[tokio::test]
async fn a_city_leads_to_its_region_and_is_named() {
    let site = Site::start().await;
    let bavaria = &hints(&site, "munich").await[0];
    assert_eq!((bavaria["id"].as_str(), bavaria["via"].as_str()), (Some("DE-BY"), Some("Munich")));
}

#[tokio::test]
async fn a_region_is_shown_in_the_browsers_language_which_also_decides_between_two() {
    let site = Site::start().await;
    let german = answer(&site, "munich", "de-AT,de;q=0.9,en;q=0.8").await;
    assert!(
        german.body.contains(r#""name":"Bayern","within":"Deutschland","via":"Munich""#),
        "{}",
        german.body
    );
    assert_eq!(
        (german.header("vary"), german.header("cache-control")),
        ("accept-language", "public, max-age=86400")
    );
    let first = |page: Page| page.body[..40].to_owned();
    assert!(first(answer(&site, "georgia", "ka").await).contains(r#""id":"GE""#));
    assert!(first(answer(&site, "georgia", "en-US").await).contains(r#""id":"US-GA""#));
    for odd in ["", ";;q=", "xx-YY-zzzz", &"de,".repeat(2000)] {
        answer(&site, "munich", odd).await;
    }
}

#[tokio::test]
async fn nothing_and_nonsense_find_nothing() {
    let site = Site::start().await;
    for typed in ["", "   ", "qwertyuiop", "\u{0}", &"x".repeat(4000)] {
        assert_eq!(hints(&site, typed).await, Vec::<Value>::new(), "{typed:?}");
    }
}
