//! `GET /regions?q=`: hints while one types.

use serde_json::Value;

use crate::support::Site;

async fn hints(site: &Site, query: &str) -> Vec<Value> {
    let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let page = site.visitor().open(&format!("/regions?q={query}")).await;
    assert_eq!(page.is(200).header("content-type"), "application/json");
    let mut answer: Value = serde_json::from_str(&page.body).expect("JSON");
    match answer["regions"].take() {
        Value::Array(hints) => hints,
        other => panic!("no list of regions: {other}"),
    }
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
async fn nothing_and_nonsense_find_nothing() {
    let site = Site::start().await;
    for typed in ["", "   ", "qwertyuiop", "\u{0}", &"x".repeat(4000)] {
        assert_eq!(hints(&site, typed).await, Vec::<Value>::new(), "{typed:?}");
    }
}
