//! What somebody reads, as their browser says it.

use super::index;

/// More wishes than these say nothing more, and more tags than these are nobody's.
const MOST_LANGUAGES: usize = 5;
const MOST_TAGS: usize = 50;

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
        for tag in wished(header).into_iter().take(MOST_LANGUAGES) {
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

/// The tags of the header, the best first; a weight of 0 refuses one (RFC 9110, section 12.4.2).
fn wished(header: &str) -> Vec<&str> {
    let weighted = |part: &'_ str| {
        let (tag, weight) = part.split_once(';').unwrap_or((part, "q=1"));
        let weight: f32 = weight.trim().strip_prefix("q=")?.parse().ok()?;
        // NaN is no more than 0 either.
        (weight > 0.0 && tag.is_ascii()).then_some(weight)
    };
    let parts = header.split(',').take(MOST_TAGS);
    let mut wished: Vec<(&str, f32)> = parts.filter_map(|part| Some((part, weighted(part)?))).collect();
    wished.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    wished.into_iter().map(|(part, _)| part.split(';').next().unwrap_or_default().trim()).collect()
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
        (_, Some(script), _) => {
            Some(format!("{}{}", script[..1].to_ascii_uppercase(), script[1..].to_ascii_lowercase()))
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_comes_first_and_what_is_refused_not_at_all() {
        assert_eq!(wished("fr;q=0.8, de-AT ,en;q=0, it;q=0.9"), ["de-AT", "it", "fr"]);
        for odd in ["", ";;q=", "de;q=NaN", "é", ",,,", "de;q=-1"] {
            assert_eq!(wished(odd).into_iter().filter(|tag| !tag.is_empty()).count(), 0, "{odd}");
        }
    }

    #[test]
    fn no_weight_is_too_odd() {
        let header: Vec<String> =
            (0..60).map(|tag| format!("a{tag};q={}", ["NaN", "0.5", "1", "inf"][tag % 4])).collect();
        assert_eq!(wished(&header.join(",")).len(), 37);
    }

    #[test]
    fn a_tag_is_known_by_what_the_tables_call_it() {
        for (tag, best) in [("nb-NO", "no"), ("zh-TW", "zh_Hant"), ("pt-PT", "pt_PT"), ("sr-Latn", "sr_Latn")]
        {
            assert_eq!(Languages::accepted(tag).locales().first().copied(), index::locale(best), "{tag}");
        }
    }
}
