use std::{collections::BTreeMap, net::SocketAddr};

use reqwest::{Client, RequestBuilder, redirect::Policy};
use sqlx::PgPool;
use uuid::Uuid;

use super::{Form, PASSWORD, Page};

/// A person with a browser without scripts: it keeps its cookies, and sends forms as the page
/// shows them. A clone is the same browser a second time.
#[derive(Clone)]
pub struct Visitor {
    site: String,
    http: Client,
    database: Option<PgPool>,
    /// The browser's cookies, by name.
    pub cookies: BTreeMap<String, Cookie>,
    address: Option<String>,
    /// What the browser calls itself.
    pub user_agent: String,
}

/// A cookie as the browser keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// What is sent back.
    pub value: String,
    /// Whether it outlives the browser's closing.
    pub lasts: bool,
}

/// A request that no form of ours could make.
#[derive(Clone, Debug)]
pub struct Request {
    /// `POST`, …
    pub method: &'static str,
    /// Where to.
    pub path: String,
    /// All of its headers but the cookies.
    pub headers: Vec<(&'static str, String)>,
    /// What it carries.
    pub body: Vec<u8>,
}

/// More redirects than this are a circle.
const MOST_REDIRECTS: usize = 5;

impl Visitor {
    /// A new browser that has never been here.
    pub fn new(address: SocketAddr, database: Option<PgPool>) -> Self {
        let http = Client::builder().redirect(Policy::none()).no_proxy().resolve("localhost", address);
        Self {
            site: format!("http://localhost:{}", address.port()),
            http: http.build().expect("an HTTP client"),
            database,
            cookies: BTreeMap::new(),
            address: None,
            user_agent: "Mozilla/5.0 (test)".to_owned(),
        }
    }

    /// The same browser somewhere else on the network.
    pub fn at(mut self, address: &str) -> Self {
        self.address = Some(address.to_owned());
        self
    }

    /// Goes on with another instance of the site.
    pub fn go_to_instance(&mut self, address: SocketAddr) {
        let other = Self::new(address, None);
        (self.site, self.http) = (other.site, other.http);
    }

    /// Forgets what a browser forgets when it is closed.
    pub fn close_browser(&mut self) {
        self.cookies.retain(|_, cookie| cookie.lasts);
    }

    /// The value of a cookie.
    #[track_caller]
    pub fn cookie(&self, name: &str) -> String {
        let cookie = self.cookies.get(name);
        cookie.unwrap_or_else(|| panic!("there is no cookie {name}: {:?}", self.cookies)).value.clone()
    }

    /// Opens a page, by its path or by a link from a letter, and follows where it leads.
    pub async fn open(&mut self, address: &str) -> Page {
        let page = self.get(address).await;
        self.follow(page).await
    }

    /// Asks for a page and follows nothing.
    pub async fn get(&mut self, address: &str) -> Page {
        let path = path_of(address);
        let request = self.http.get(format!("{}{path}", self.site)).header("sec-fetch-site", "none");
        self.ask(request, path).await
    }

    /// Sends a form, and follows where it leads.
    pub async fn send(&mut self, form: Form) -> Page {
        let page = self.submit(form).await;
        self.follow(page).await
    }

    /// Sends a form and follows nothing.
    pub async fn submit(&mut self, form: Form) -> Page {
        if form.method.eq_ignore_ascii_case("get") {
            return self.get(&format!("{}?{}", form.action, form.encoded())).await;
        }
        self.post(&form.action, &form.encoded()).await
    }

    /// Sends a body as one of our forms would.
    pub async fn post(&mut self, path: &str, body: &str) -> Page {
        let headers = vec![
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ("sec-fetch-site", "same-origin".to_owned()),
            ("origin", self.site.clone()),
        ];
        let (path, body) = (path.to_owned(), body.as_bytes().to_vec());
        self.request(Request { method: "POST", path, headers, body }).await
    }

    /// Sends what no form of ours would.
    pub async fn request(&mut self, request: Request) -> Page {
        let Request { method, path, headers, body } = request;
        let method = method.parse().expect("a method");
        let mut built = self.http.request(method, format!("{}{path}", self.site)).body(body);
        for (name, value) in headers {
            built = built.header(name, value);
        }
        self.ask(built, path).await
    }

    /// Follows redirects, as browsers do, within the site.
    pub async fn follow(&mut self, mut page: Page) -> Page {
        for _ in 0..MOST_REDIRECTS {
            if !page.status.is_redirection() {
                return page;
            }
            let next = page.header("location").to_owned();
            assert!(next.starts_with('/') && !next.starts_with("//"), "a redirect to {next}");
            page = self.get(&next).await;
        }
        panic!("too many redirects, the last to {}", page.address);
    }

    /// The result of the captcha's task of a form.
    pub async fn captcha_answer(&self, form: &Form) -> String {
        let id: Uuid = form.value("captcha_id").parse().expect("a captcha's id");
        let answer: i16 = sqlx::query_scalar("select answer from captchas where id = $1")
            .bind(id)
            .fetch_one(self.database.as_ref().expect("a database to look into"))
            .await
            .expect("a captcha that lives");
        answer.to_string()
    }

    /// Types the result of the captcha's task, where the form shows one.
    pub async fn solve(&self, form: Form) -> Form {
        if !form.has("captcha_answer") {
            return form;
        }
        let answer = self.captcha_answer(&form).await;
        form.fill("captcha_answer", &answer)
    }

    /// The form of `/register`, filled in; the region without scripts, so it may have to be chosen
    /// from the list.
    pub async fn registration_form(&mut self, email: &str, password: &str) -> Form {
        let form = self.open("/register").await.form("/register");
        let form = form.fill("email", email).fill("password", password).fill("region", "Bavaria");
        self.solve(form.choose("account_type", "artist")).await
    }

    /// Registers, chooses the region from the list, and arrives on the page about the letter.
    pub async fn register(&mut self, email: &str, password: &str) -> Page {
        self.register_as(email, password, "artist").await
    }

    /// The same for an account type.
    pub async fn register_as(&mut self, email: &str, password: &str, account_type: &str) -> Page {
        let form = self.registration_form(email, password).await.choose("account_type", account_type);
        let page = self.send(form).await;
        let form = page.form("/register").choose("region_id", "DE-BY").fill("password", password);
        let page = self.send(form).await;
        assert_eq!(page.path(), "/register/letter", "{}", page.body);
        page
    }

    /// Opens the link of a letter and presses its button, in the browser that registered.
    pub async fn confirm(&mut self, link: &str) -> Page {
        let form = self.open(link).await.form("/confirm");
        self.send(form).await
    }

    /// Sends the form to log in without having opened its page, and follows nothing.
    pub async fn submit_password(&mut self, email: &str, password: &str) -> Page {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("email", email), ("password", password)])
            .finish();
        self.post("/login", &body).await
    }

    /// Opens the page to log in and does.
    pub async fn log_in(&mut self, email: &str) -> Page {
        self.try_password(email, PASSWORD).await
    }

    /// Opens the page to log in and tries a password.
    pub async fn try_password(&mut self, email: &str, password: &str) -> Page {
        let form = self.open("/login").await.form("/login");
        self.send(form.fill("email", email).fill("password", password)).await
    }

    /// Opens `/recover` and asks for a new password, and arrives on the page that says what comes.
    pub async fn recover(&mut self, email: &str) -> Page {
        let page = self.ask_for_recovery(email).await;
        assert_eq!(page.path(), "/recover/sent", "{}", page.body);
        page
    }

    /// Opens `/recover` and sends its form, whatever comes of it.
    pub async fn ask_for_recovery(&mut self, email: &str) -> Page {
        let form = self.open("/recover").await.form("/recover");
        self.send(form.fill("email", email)).await
    }

    /// Presses the button in the header.
    pub async fn log_out(&mut self) -> Page {
        let form = self.open("/profile").await.form("/logout");
        self.send(form).await
    }

    async fn ask(&mut self, request: RequestBuilder, path: String) -> Page {
        let cookies: Vec<_> =
            self.cookies.iter().map(|(name, cookie)| format!("{name}={}", cookie.value)).collect();
        let mut request = request.header("user-agent", &self.user_agent);
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        if let Some(address) = &self.address {
            request = request.header("x-forwarded-for", address);
        }
        let answer = request.send().await.expect("an answer");
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = answer.bytes().await.expect("a whole answer");
        let body = String::from_utf8_lossy(&bytes).into_owned();
        let page = Page { address: path, status, headers, body };
        page.set_cookies().iter().for_each(|cookie| self.keep(cookie));
        page
    }

    fn keep(&mut self, set_cookie: &str) {
        let mut parts = set_cookie.split("; ");
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a cookie");
        let attributes: Vec<_> = parts.map(str::to_ascii_lowercase).collect();
        if attributes.iter().any(|attribute| attribute == "max-age=0") {
            self.cookies.remove(name);
            return;
        }
        let lasts =
            attributes.iter().any(|part| part.starts_with("max-age=") || part.starts_with("expires="));
        self.cookies.insert(name.to_owned(), Cookie { value: value.to_owned(), lasts });
    }
}

/// A link from a letter leads to this site, whatever its public address.
fn path_of(address: &str) -> String {
    match address.split_once("://") {
        Some((scheme, rest)) if !scheme.starts_with('/') => {
            rest.find('/').map_or("/", |slash| &rest[slash..]).to_owned()
        }
        _ => address.to_owned(),
    }
}
