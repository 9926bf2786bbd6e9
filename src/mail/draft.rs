use askama::Template;

use super::letter::Words;
use crate::domain::Password;

/// What a letter says, in the one shape that all of ours have, before it is set as text and as HTML.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Also its heading.
    pub subject: &'static str,
    /// What happened, and what can be done.
    pub paragraphs: Vec<String>,
    /// A password to type, which stands alone after the first paragraph.
    pub password: Option<Password>,
    /// The one thing to do, as its button says it.
    pub button: &'static str,
    /// Where the button leads.
    pub address: String,
    /// Why one got this letter, and what to do if one did not ask for it.
    pub why: &'static str,
}

#[derive(Template)]
#[template(path = "letter.txt")]
struct Text<'a> {
    draft: &'a Draft,
}

#[derive(Template)]
#[template(path = "letter.html")]
struct Html<'a> {
    draft: &'a Draft,
}

impl Draft {
    /// Sets it.
    pub fn words(&self) -> Words {
        let (Ok(text), Ok(html)) = (Text { draft: self }.render(), Html { draft: self }.render()) else {
            unreachable!("a template that only writes text into a string does not fail");
        };
        Words { subject: self.subject.to_owned(), text, html, reply_to: None }
    }
}
