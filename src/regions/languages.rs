use super::index;

/// More wishes than these say nothing more.
const MOST_LANGUAGES: usize = 5;

/// The languages that somebody reads, the best first, and where they are spoken: they choose the name
/// under which a region is shown, and decide between regions that fit as well.
#[derive(Clone, Debug, Default)]
pub struct Languages {
    locales: Vec<u16>,
    countries: Vec<String>,
}

impl Languages {
    /// What an `Accept-Language` header wishes (RFC 9110, section 12.5.4); nothing for what is none.
    pub fn accepted(header: &str) -> Self {
        let mut languages = Self::default();
        let tags = accept_language::parse(header).into_iter().filter(|tag| tag.is_ascii());
        for tag in tags.take(MOST_LANGUAGES) {
            let subtags: Vec<&str> = tag.split('-').collect();
            let country = subtags.iter().skip(1).find(|subtag| subtag.len() == 2);
            let country = country.map(|country| country.to_ascii_uppercase());
            for locale in locales(&subtags, country.as_deref()) {
                if let Some(locale) = index::locale(&locale)
                    && !languages.locales.contains(&locale)
                {
                    languages.locales.push(locale);
                }
            }
            languages.countries.extend(country);
        }
        languages
    }

    /// The tables' numbers of their locales, the best first.
    pub(super) fn locales(&self) -> &[u16] {
        &self.locales
    }

    /// Whether a region of this id lies where one of the languages is spoken.
    pub(super) fn are_spoken_in(&self, id: &str) -> bool {
        self.countries.iter().any(|country| id.starts_with(country.as_str()))
    }

    /// Whether this is the locale of the labels.
    pub(super) fn is_english(&self, locale: u16) -> bool {
        index::locale("en") == Some(locale)
    }
}

/// The names that the tables (CLDR) may know a language tag by, the nearest first.
fn locales(subtags: &[&str], country: Option<&str>) -> Vec<String> {
    let language = match subtags[0].to_ascii_lowercase().as_str() {
        "nb" | "nn" => "no".to_owned(),
        "iw" => "he".to_owned(),
        "in" => "id".to_owned(),
        "tl" => "fil".to_owned(),
        language => language.to_owned(),
    };
    let written = subtags.iter().skip(1).find(|subtag| subtag.len() == 4);
    let script = match (language.as_str(), written, country) {
        (_, Some(script), _) => Some(script[..1].to_ascii_uppercase() + &script[1..].to_ascii_lowercase()),
        ("zh", None, Some("TW" | "HK" | "MO")) => Some("Hant".to_owned()),
        _ => None,
    };
    let mut locales = Vec::new();
    if let Some(country) = country {
        locales.push(format!("{language}_{country}"));
    }
    locales.extend(script.map(|script| format!("{language}_{script}")));
    locales.push(language);
    locales
}
