use reqwest::{
    StatusCode,
    header::{HeaderMap, HeaderName},
};
use scraper::{ElementRef, Html, Selector};

/// An answer, read as a page. Whoever asks for what is not there gets the page as the failure.
#[derive(Clone, Debug)]
pub struct Page {
    /// The path and query that it was found at, after redirects.
    pub address: String,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its text.
    pub body: String,
}

impl Page {
    /// Its path, without the query.
    pub fn path(&self) -> &str {
        self.address.split('?').next().unwrap_or_default()
    }

    /// A header, or an empty text.
    pub fn header(&self, name: impl AsRef<str>) -> &str {
        let name: HeaderName = name.as_ref().parse().expect("a header's name");
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header in ASCII"))
    }

    /// The cookies that it sets, as they were sent.
    pub fn set_cookies(&self) -> Vec<String> {
        let values = self.headers.get_all("set-cookie");
        values.iter().map(|value| value.to_str().expect("a cookie in ASCII").to_owned()).collect()
    }

    /// The text of the one element that is meant, its white space as it is shown.
    pub fn text(&self, css: &str) -> String {
        let mut texts = self.texts(css);
        assert_eq!(texts.len(), 1, "there should be one {css}, not {texts:?}, in {}", self.shown());
        texts.remove(0)
    }

    /// The texts of all elements that are meant.
    pub fn texts(&self, css: &str) -> Vec<String> {
        self.select(css, |element| shown(&element))
    }

    /// Whether there is such an element.
    pub fn has(&self, css: &str) -> bool {
        !self.texts(css).is_empty()
    }

    /// An attribute of the first element that is meant.
    pub fn attribute(&self, css: &str, name: &str) -> String {
        let found = self.select(css, |element| element.value().attr(name).map(str::to_owned));
        let value = found.into_iter().flatten().next();
        value.unwrap_or_else(|| panic!("there is no {css} with {name} in {}", self.shown()))
    }

    /// An attribute of every element that is meant and has it.
    pub fn attributes(&self, css: &str, name: &str) -> Vec<String> {
        self.select(css, |element| element.value().attr(name).map(str::to_owned))
            .into_iter()
            .flatten()
            .collect()
    }

    /// All words of the page's main part, as they are shown.
    pub fn words(&self) -> String {
        self.text("main")
    }

    /// Fails unless the main part says this.
    #[track_caller]
    pub fn says(&self, words: &str) {
        assert!(self.words().contains(words), "it should say {words:?}: {}", self.shown());
    }

    /// Fails if the page says this anywhere.
    #[track_caller]
    pub fn does_not_say(&self, words: &str) {
        assert!(!self.body.contains(words), "it should not say {words:?}: {}", self.shown());
    }

    /// Fails unless it has this status.
    #[track_caller]
    pub fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.shown());
        self
    }

    /// What is wrong with the form, each with the name of its field, as the summary says it; each
    /// complaint must stand beside its field, too.
    #[track_caller]
    pub fn complaints(&self) -> Vec<(String, String)> {
        let fields = self.attributes(".summary a", "href");
        let complaints = fields.into_iter().zip(self.texts(".summary a"));
        let complaints: Vec<_> =
            complaints.map(|(href, words)| (href.trim_start_matches('#').to_owned(), words)).collect();
        for (field, words) in &complaints {
            assert!(self.has(&format!("#{field}")), "the summary leads to #{field}: {}", self.shown());
            assert_eq!(&self.text(&format!("#{field}-complaint")), &format!("Error: {words}"));
        }
        complaints
    }

    /// The form that sends to this address.
    #[track_caller]
    pub fn form(&self, action: &str) -> Form {
        let mut forms = self.forms(action);
        assert_eq!(forms.len(), 1, "there should be one form for {action} in {}", self.shown());
        forms.remove(0)
    }

    /// All forms that send to this address.
    pub fn forms(&self, action: &str) -> Vec<Form> {
        self.select(&format!("form[action='{action}']"), |form| Form::read(&form))
    }

    fn select<T>(&self, css: &str, read: impl Fn(ElementRef<'_>) -> T) -> Vec<T> {
        let selector = Selector::parse(css).unwrap_or_else(|error| panic!("{css}: {error}"));
        Html::parse_document(&self.body).select(&selector).map(read).collect()
    }

    fn shown(&self) -> String {
        format!("{} {}\n{}", self.status, self.address, self.body)
    }
}

fn shown(element: &ElementRef<'_>) -> String {
    element.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A form as the page shows it. Only what it has can be filled in, and only that is sent.
#[derive(Clone, Debug)]
pub struct Form {
    /// `get` or `post`.
    pub method: String,
    /// Where it sends to.
    pub action: String,
    controls: Vec<Control>,
    forged: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
struct Control {
    kind: Kind,
    name: String,
    value: String,
    /// Whether it is sent: always for a text, else when it is chosen.
    on: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Hidden,
    Radio,
    Checkbox,
    Button,
}

impl Form {
    fn read(form: &ElementRef<'_>) -> Self {
        let selector =
            Selector::parse("input:not([disabled]), textarea:not([disabled]), button:not([disabled])")
                .expect("a selector");
        let attribute = |name: &str, usual: &str| form.value().attr(name).unwrap_or(usual).to_owned();
        Self {
            method: attribute("method", "get"),
            action: attribute("action", ""),
            controls: form.select(&selector).filter_map(|element| Control::read(&element)).collect(),
            forged: Vec::new(),
        }
    }

    /// Types a text into a field.
    #[track_caller]
    pub fn fill(mut self, name: &str, text: &str) -> Self {
        self.control(name, |control| control.kind == Kind::Text).value = text.to_owned();
        self
    }

    /// Chooses one of several.
    #[track_caller]
    pub fn choose(mut self, name: &str, value: &str) -> Self {
        self.control(name, |control| control.kind == Kind::Radio && control.value == value);
        for control in self.controls.iter_mut().filter(|control| control.name == name) {
            control.on = control.value == value;
        }
        self
    }

    /// Ticks a box.
    #[track_caller]
    pub fn tick(mut self, name: &str) -> Self {
        self.control(name, |control| control.kind == Kind::Checkbox).on = true;
        self
    }

    /// Presses a button that has a name, instead of the main one.
    #[track_caller]
    pub fn press(mut self, name: &str) -> Self {
        self.control(name, |control| control.kind == Kind::Button).on = true;
        self
    }

    /// Sends another value than the page offers, as only somebody with tools can.
    pub fn forge(mut self, name: &str, value: &str) -> Self {
        self.controls.retain(|control| control.name != name);
        self.forged.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Whether it has such a field or button.
    pub fn has(&self, name: &str) -> bool {
        self.controls.iter().any(|control| control.name == name)
    }

    /// What would be sent of a field.
    #[track_caller]
    pub fn value(&self, name: &str) -> String {
        let mut sent = self.entries().into_iter().filter(|(sent, _)| sent == name);
        sent.next().unwrap_or_else(|| panic!("nothing is sent as {name}: {:?}", self.entries())).1
    }

    /// The values that one can choose from.
    pub fn choices(&self, name: &str) -> Vec<String> {
        let named = self.controls.iter().filter(|control| control.name == name);
        named.map(|control| control.value.clone()).collect()
    }

    /// What is sent, in the order of the page.
    pub fn entries(&self) -> Vec<(String, String)> {
        let sent = self.controls.iter().filter(|control| control.on);
        sent.map(|control| (control.name.clone(), control.value.clone())).chain(self.forged.clone()).collect()
    }

    /// What is sent, as a browser writes it.
    pub fn encoded(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(self.entries()).finish()
    }

    #[track_caller]
    fn control(&mut self, name: &str, fits: impl Fn(&Control) -> bool) -> &mut Control {
        let place = self.controls.iter().position(|control| control.name == name && fits(control));
        let Some(place) = place else { panic!("the form has no such field as {name}: {:?}", self.controls) };
        &mut self.controls[place]
    }
}

impl Control {
    /// Nothing for what is never sent.
    fn read(element: &ElementRef<'_>) -> Option<Self> {
        let attribute = |name: &str| element.value().attr(name);
        let usual = if element.value().name() == "button" { "submit" } else { "text" };
        let is_long = element.value().name() == "textarea";
        let kind = match attribute("type").unwrap_or(usual) {
            "hidden" => Kind::Hidden,
            "radio" => Kind::Radio,
            "checkbox" => Kind::Checkbox,
            "submit" => Kind::Button,
            "button" | "reset" => return None,
            _ => Kind::Text,
        };
        let usual = if kind == Kind::Checkbox { "on" } else { "" };
        let written = is_long.then(|| element.text().collect::<String>());
        Some(Self {
            kind,
            name: attribute("name").filter(|name| !name.is_empty())?.to_owned(),
            value: written.unwrap_or_else(|| attribute("value").unwrap_or(usual).to_owned()),
            on: matches!(kind, Kind::Text | Kind::Hidden) || attribute("checked").is_some(),
        })
    }
}
