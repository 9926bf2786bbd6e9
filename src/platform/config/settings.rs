//! How single settings are read: each is asked for by its name, and what is wrong is gathered.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    ops::RangeInclusive,
    path::PathBuf,
    str::FromStr,
};

use ipnet::IpNet;

use super::PREFIX;

/// More slips than these make it another name.
const MOST_SLIPS: usize = 3;

/// The values that are left to read, the names that were asked for, and the complaints about them. Names
/// are without the prefix.
#[derive(Default)]
pub(super) struct Settings {
    pub values: BTreeMap<String, String>,
    pub known: BTreeSet<String>,
    pub complaints: Vec<String>,
}

impl Settings {
    /// Complains of every value that nothing asked for.
    pub fn refuse_unknown(&mut self) {
        for unknown in self.values.keys() {
            let slips = |known: &&String| strsim::damerau_levenshtein(known, unknown);
            let nearest = self.known.iter().min_by_key(slips).filter(|known| slips(known) <= MOST_SLIPS);
            let advice = match nearest {
                Some(known) => format!("did you mean {PREFIX}{known}?"),
                None => "see .env.example".to_owned(),
            };
            self.complaints.push(format!("{PREFIX}{unknown}: no such setting; {advice}"));
        }
    }

    /// A value that may be a secret: it stands in the setting, or in the file that the setting with
    /// `_FILE` behind its name leads to. The inner `None` is where neither is set.
    pub fn secret<T: FromStr>(&mut self, name: &str, allowed: &str) -> Option<Option<T>> {
        let file_name = format!("{name}_FILE");
        if let Some(file) = self.optional::<PathBuf>(&file_name, "a file")? {
            if self.values.contains_key(name) {
                self.optional::<String>(name, allowed);
                self.complain(&file_name, &format!("nothing where {PREFIX}{name} is set"));
                return None;
            }
            // An empty one was not written yet: taken for none, it would open another database than is meant.
            let value = std::fs::read_to_string(file).ok().filter(|value| !value.trim().is_empty());
            let Some(value) = value else {
                self.known.insert(name.to_owned());
                self.complain(&file_name, "a file that can be read and is not empty");
                return None;
            };
            self.values.insert(name.to_owned(), value);
        }
        self.optional(name, allowed)
    }

    /// Notes that a setting was expected to be what is `allowed`.
    pub fn complain(&mut self, name: &str, allowed: &str) {
        // The value is not repeated: it may be a secret.
        self.complaints.push(format!("{PREFIX}{name}: expected {allowed}"));
    }

    /// A value that may be missing, which is the inner `None`; an empty one is as good as none. Here and below, the
    /// (outer) `None` is where there is something to complain about.
    pub fn optional<T: FromStr>(&mut self, name: &str, allowed: &str) -> Option<Option<T>> {
        self.known.insert(name.to_owned());
        match self.values.remove(name).as_deref().map(str::trim) {
            None | Some("") => Some(None),
            Some(value) => match value.parse() {
                Ok(value) => Some(Some(value)),
                Err(_) => {
                    self.complain(name, allowed);
                    None
                }
            },
        }
    }

    /// A value, or its default.
    pub fn or<T: FromStr>(&mut self, name: &str, default: &str, allowed: &str) -> Option<T> {
        let value = self.optional(name, allowed)?.or_else(|| default.parse().ok());
        if value.is_none() {
            // A default that is made of another setting may not fit.
            self.complain(name, allowed);
        }
        value
    }

    /// A number within these bounds, or its default.
    pub fn number<T>(&mut self, name: &str, default: T, allowed: RangeInclusive<T>) -> Option<T>
    where
        T: FromStr + PartialOrd + fmt::Display,
    {
        let words = format!("a number from {} to {}", allowed.start(), allowed.end());
        let value = self.optional(name, &words)?.unwrap_or(default);
        if !allowed.contains(&value) {
            self.complain(name, &words);
            return None;
        }
        Some(value)
    }

    /// The bounds of a length, from the settings with `_MIN` and `_MAX` behind this name, or their defaults.
    pub fn length(
        &mut self,
        name: &str,
        default: RangeInclusive<usize>,
        allowed_min: RangeInclusive<usize>,
        allowed_max: RangeInclusive<usize>,
    ) -> Option<RangeInclusive<usize>> {
        let min = self.number(&format!("{name}_MIN"), *default.start(), allowed_min);
        let max = self.number(&format!("{name}_MAX"), *default.end(), allowed_max);
        let length = min?..=max?;
        if length.is_empty() {
            self.complain(&format!("{name}_MIN"), &format!("no more than {PREFIX}{name}_MAX"));
            return None;
        }
        Some(length)
    }

    /// One of two words, the first of which is the default.
    pub fn choice(&mut self, name: &str, allowed: [&'static str; 2]) -> Option<&'static str> {
        let words = allowed.join(" or ");
        let value: String = self.or(name, allowed[0], &words)?;
        let known = allowed.into_iter().find(|known| *known == value);
        if known.is_none() {
            self.complain(name, &words);
        }
        known
    }

    /// Addresses and networks with commas between, by default none.
    pub fn networks(&mut self, name: &str, allowed: &str) -> Option<Vec<IpNet>> {
        let value: String = self.or(name, "", allowed)?;
        let networks = value
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| part.parse::<IpNet>().or_else(|_| part.parse::<IpAddr>().map(IpNet::from)));
        let networks = networks.collect::<Result<_, _>>().ok();
        if networks.is_none() {
            self.complain(name, allowed);
        }
        networks
    }
}
