//! Where an account is: typing gives hints, and one of them is chosen. Without scripts the text
//! that was typed comes back as a list to choose from.

use std::convert::Infallible;

use axum::{
    Json, Router,
    extract::{FromRequestParts, Query},
    http::{header, request::Parts},
    response::IntoResponse,
    routing::get,
};
use serde::{Deserialize, Serialize};

use crate::{
    domain::RegionId,
    regions::{self, Hint, Languages, Region},
    web::state::App,
};

/// The region that was chosen.
///
/// `text` is what was typed and `id` what was chosen; the choice counts as long as the text leads to
/// it. `was` is the full name of a region that the form was shown with as chosen: who then types
/// another text without a script leaves the old id beside it, and chooses anew.
///
/// # Errors
/// What is wrong, as a sentence, with the regions to choose from.
pub fn choose(text: &str, id: &str, was: &str, languages: &Languages) -> Result<Region, (String, Vec<Hint>)> {
    let text = text.trim();
    let hints = regions::search(text, languages);
    if let Some(region) = RegionId::parse(id).and_then(|id| regions::by_id(&id, languages)) {
        let name = region.full_name();
        let is_left_behind = was == name && text != name;
        if !is_left_behind
            && (text.is_empty() || text == name || hints.iter().any(|hint| hint.id == region.id))
        {
            return Ok(region);
        }
    }
    let words = match (text, hints.is_empty()) {
        ("", _) => "Enter the name of your region and choose it.",
        (_, true) => "No region is called that. Try another name of it, or that of your country.",
        (_, false) => "Choose your region from the list below.",
    };
    Err((words.to_owned(), hints))
}

/// The full name of a region as these languages call it, for pages; its id where the gazetteer has lost it.
pub fn full_name(id: &RegionId, languages: &Languages) -> String {
    regions::by_id(id, languages).map_or_else(|| id.to_string(), |region| region.full_name())
}

/// `GET /regions?q=`.
pub fn routes() -> Router<App> {
    Router::new().route("/regions", get(hints))
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
}

#[derive(Serialize)]
struct Hints {
    regions: Vec<Hint>,
}

async fn hints(languages: Languages, Query(asked): Query<Asked>) -> impl IntoResponse {
    let hints = Hints { regions: regions::search(&asked.q, &languages) };
    let headers =
        [(header::CACHE_CONTROL, "public, max-age=86400"), (header::VARY, header::ACCEPT_LANGUAGE.as_str())];
    (headers, Json(hints))
}

impl<S: Send + Sync> FromRequestParts<S> for Languages {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let wished = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|header| header.to_str().ok());
        Ok(wished.map(Self::accepted).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &str, id: &str, was: &str) -> Option<String> {
        choose(text, id, was, &Languages::default()).ok().map(|region| region.id.to_string())
    }

    #[test]
    fn a_choice_counts_as_long_as_the_text_leads_to_it() {
        assert_eq!(chosen("Bavaria, Germany", "DE-BY", ""), Some("DE-BY".to_owned()));
        assert_eq!(chosen("bav", "DE-BY", ""), Some("DE-BY".to_owned()));
        assert_eq!(chosen("Georgia", "US-GA", ""), Some("US-GA".to_owned()));
        for (text, id) in [("bav", ""), ("Saxony", "DE-BY"), ("bav", "DE-XX"), ("bav", "de-by"), ("", "")] {
            assert_eq!(chosen(text, id, ""), None, "{text:?} {id:?}");
        }
    }

    #[test]
    fn an_id_that_was_left_behind_under_another_text_is_no_choice() {
        let was = "Bavaria, Germany";
        assert_eq!(chosen(was, "DE-BY", was), Some("DE-BY".to_owned()));
        assert_eq!(chosen("Germany", "DE-BY", was), None);
        assert_eq!(chosen("Saxony, Germany", "DE-SN", was), Some("DE-SN".to_owned()));
    }
}
