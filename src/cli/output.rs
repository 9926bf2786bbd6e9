use std::io::{self, Write};

use serde::Serialize;
use thiserror::Error;
use time::{OffsetDateTime, format_description::FormatItem, macros::format_description};

use crate::domain::is_unseen;

const TIME: &[FormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

/// How a command says what it has to say, on standard output.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// One JSON document, rather than text for people.
    pub json: bool,
}

/// What a command was to work on is not there: exit code 3.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct NotFound(pub String);

impl Output {
    /// Says this.
    ///
    /// # Errors
    /// Where it cannot be written; whoever stops reading has read enough, which is none.
    pub fn say(self, document: &impl Serialize, text: impl FnOnce() -> String) -> anyhow::Result<()> {
        let mut said = if self.json { escaped(&serde_json::to_string_pretty(document)?) } else { text() };
        said.push('\n');
        match io::stdout().write_all(said.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// Columns under their heads, or that there is nothing.
pub fn table<const N: usize>(heads: [&str; N], rows: Vec<[String; N]>) -> String {
    if rows.is_empty() {
        return "None.".to_owned();
    }
    let rows: Vec<_> =
        [heads.map(str::to_owned)].into_iter().chain(rows.into_iter().map(|row| row.map(one_line))).collect();
    let widths: [usize; N] =
        std::array::from_fn(|n| rows.iter().map(|row| row[n].chars().count()).max().unwrap_or_default());
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// One value a line, behind its name.
pub fn values<const N: usize>(values: [(&str, String); N]) -> String {
    let width = values.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let line = |(name, value): (&str, String)| format!("{name:width$}  {}", one_line(value));
    values.map(line).join("\n")
}

/// A time in RFC 3339, to the second, in UTC.
pub fn time(at: OffsetDateTime) -> String {
    at.format(TIME).unwrap_or_default()
}

/// The same, or a dash.
pub fn maybe_time(at: Option<OffsetDateTime>) -> String {
    at.map_or_else(|| "-".to_owned(), time)
}

/// Any other value that may be missing.
pub fn maybe(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// What somebody else wrote, as a terminal may show it: nothing in it is a command to the terminal.
pub fn harmless(text: &str) -> String {
    text.chars().filter(|c| *c == '\n' || !is_unseen(*c)).collect()
}

/// The same of a JSON document, which loses nothing: what is not seen stands there by its number (RFC 8259,
/// section 7). Outside of texts there is none of it.
fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || !is_unseen(c) {
            escaped.push(c);
        } else {
            escaped.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    escaped
}

fn one_line(text: String) -> String {
    harmless(&text.replace(['\r', '\n', '\t'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_their_heads() {
        let rows = vec![["a".to_owned(), "bär".to_owned()], ["long one".to_owned(), String::new()]];
        assert_eq!(table(["ID", "NAME"], rows), "ID        NAME\na         bär\nlong one");
        assert_eq!(table(["ID"], Vec::new()), "None.");
        assert_eq!(values([("id", "1".to_owned()), ("name", "a\nb".to_owned())]), "id    1\nname  a b");
    }

    #[test]
    fn nothing_that_somebody_wrote_commands_the_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\u{202e}c\r\nd\u{9b}1m"), "a[2Jbc\nd1m");
        let wrote = "a\u{1b}[2Jb\u{202e}c\r\nd\u{9b}1m\u{7f}é\u{e0041}\"";
        let json = escaped(&serde_json::to_string_pretty(&[wrote]).unwrap());
        assert!(!json.contains(|c| c != '\n' && is_unseen(c)), "{json}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&json).unwrap(), [wrote]);
    }
}
