//! Whatever is asked is answered: requests that are made up, through the whole site. `PROPTEST_CASES` makes
//! it a long run.

use std::net::SocketAddr;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{TestCaseResult, TestRunner},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Handle,
    sync::Mutex,
    task::block_in_place,
    time::timeout,
};

use crate::{
    bad_input::{FORMS, SIGNED_IN_FORMS},
    support::{PASSWORD, PATIENCE, Site, Visitor},
};

/// Every page that is no form, and what is nearly one.
const PAGES: [&str; 37] = [
    "/",
    "//",
    "/nothing",
    "/.well-known/change-password",
    "/about-the-data",
    "/auth/check",
    "/captcha/00000000-0000-0000-0000-000000000000.png",
    "/captcha/00000000-0000-0000-0000-000000000000.wav",
    "/captcha/x",
    "/confirm",
    "/dev/mailbox",
    "/healthz",
    "/healthz/client",
    "/help",
    "/help/login",
    "/login",
    "/metrics",
    "/not-me",
    "/profile",
    "/profile/accounts",
    "/profile/activity",
    "/profile/delete",
    "/profile/details",
    "/profile/email",
    "/profile/email/confirm",
    "/profile/export",
    "/profile/password",
    "/profile/sessions",
    "/readyz",
    "/recover",
    "/recover/sent",
    "/regions",
    "/register",
    "/register/letter",
    "/static/style.css",
    "/support",
    "/support/sent",
];

/// What pages read in their addresses.
const PARAMETERS: [&str; 8] =
    ["token", "next", "because", "q", "before", "letter", "reference", "invitation"];

/// What fields and parameters may hold, beside anything.
const VALUES: [&str; 27] = [
    "",
    " ",
    "1",
    "on",
    PASSWORD,
    "another Password 8",
    "ann@example.com",
    "a@b",
    "почта@пример.рф",
    "DE-BY",
    "Bavaria",
    "artist",
    "customer",
    "account",
    "user",
    "+49 30 123456",
    "Ann",
    "/profile",
    "//evil.example",
    "/\\evil.example",
    "https://evil.example",
    "00000000-0000-0000-0000-000000000000",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "abcd-efgh-jkmn",
    "\"><script>alert(1)</script>",
    "\r\nBcc: eve@example.com\r\n",
    "\u{202e}\u{34f}👩‍👩‍👧‍👦",
];

/// Those that pages take stand there more often.
const METHODS: [&str; 11] =
    ["GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"];

/// A request, but for whose it is.
#[derive(Clone, Debug)]
struct Made {
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    /// Whether it comes with the cookies of somebody who is logged in.
    is_signed_in: bool,
    body: Vec<u8>,
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => select(&VALUES[..]).prop_map(str::to_owned),
        1 => "(?s).{0,40}",
        1 => "[a-z]{1,6}@[a-z]{1,6}\\.[a-z]{2}",
    ]
}

/// What a header may hold (RFC 9110, section 5.5).
fn header_value() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![8 => 0x21..=0x7e_u8, 1 => Just(b' '), 1 => 0x80..=0xff_u8], 0..60)
}

fn encoded(pairs: Vec<(&str, String)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// What a field often holds, so that forms are also understood.
fn field(name: &'static str) -> BoxedStrategy<Option<String>> {
    let usual: &[&str] = match name {
        // Shown to nobody in particular: else it would be an old tab's.
        "account_id" => &[""],
        "email" => &["a@b", "u1@example.com", "почта@пример.рф"],
        "password" | "current_password" => &[PASSWORD],
        "new_password" => &["another Password 8"],
        "region" => &["Bavaria"],
        "region_id" => &["DE-BY"],
        "account_type" => &["artist", "customer"],
        "scope" => &["account", "user"],
        "phone" => &["+49 30 123456"],
        // The button for another task: pressed, nothing else is looked at.
        "new_captcha" => return prop_oneof![9 => Just(None), 1 => Just(Some(String::new()))].boxed(),
        _ => &VALUES,
    };
    let usual = select(usual).prop_map(str::to_owned);
    prop_oneof![8 => usual.prop_map(Some), 1 => value().prop_map(Some), 1 => Just(None)].boxed()
}

/// A form with its fields, some of them odd, and some left out.
fn form() -> impl Strategy<Value = (String, Vec<u8>)> {
    let forms: Vec<_> = FORMS.into_iter().chain(SIGNED_IN_FORMS).collect();
    select(forms).prop_flat_map(|(path, fields)| {
        let values: Vec<_> = fields.iter().map(|name| field(name)).collect();
        values.prop_map(move |values| {
            let pairs = fields.iter().zip(values).filter_map(|(name, value)| Some((*name, value?)));
            (path.to_owned(), encoded(pairs.collect()).into_bytes())
        })
    })
}

fn path() -> impl Strategy<Value = String> {
    let any_octets =
        vec(any::<u8>(), 0..12).prop_map(|octets| format!("/{}", percent_encode(&octets, NON_ALPHANUMERIC)));
    prop_oneof![
        6 => select(&PAGES[..]).prop_map(str::to_owned),
        1 => any_octets,
        1 => (select(&["/help/", "/captcha/", "/static/", "/dev/mailbox/", "/profile/"][..]), value())
            .prop_map(|(start, end)| format!("{start}{}", percent_encode(end.as_bytes(), NON_ALPHANUMERIC))),
        1 => "/[A-Za-z0-9%/._~!$&'()*+,;=:@-]{0,30}",
    ]
}

fn query() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(String::new()),
        2 => vec((select(&PARAMETERS[..]), value()), 1..3).prop_map(|pairs| format!("?{}", encoded(pairs))),
        1 => "\\?[A-Za-z0-9%/._~!$&'()*+,;=:@?-]{0,30}",
    ]
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let text = |pattern: &'static str| pattern.prop_map(String::into_bytes).boxed();
    let from_here = prop_oneof![9 => Just("same-origin"), 1 => Just("cross-site")];
    let content_types = prop_oneof![9 => Just("application/x-www-form-urlencoded"), 1 => Just("text/plain")];
    let known = |name: &'static str, values: BoxedStrategy<Vec<u8>>| {
        (Just(name), prop_oneof![4 => values, 1 => header_value().boxed()])
    };
    let odd = prop_oneof![
        known("x-forwarded-for", text("[0-9]{1,3}\\.[0-9]{1,3}\\.0\\.1(, 127\\.0\\.0\\.1)?")),
        known("forwarded", text("for=\"?\\[?[0-9a-f.:]{1,12}\\]?\"?(;proto=http)?(, for=127\\.0\\.0\\.1)?")),
        known(
            "cookie",
            text("(session|device)=[A-Za-z0-9_-]{0,43}(; (session|device)=[A-Za-z0-9_%=-]{0,43})?")
        ),
        known("accept-language", text("[a-z]{2}(-[A-Z]{2})?(;q=[01]\\.[0-9])?(, [a-z*]{1,3})?")),
        known("accept-encoding", text("gzip|br|\\*|identity;q=0")),
        known("origin", text("null|https://evil\\.example")),
        known("user-agent", text("Mozilla/5\\.0 \\(X11\\) Firefox/[0-9]{1,3}")),
        known("x-forwarded-uri", text("/[a-z]{0,9}|//evil\\.example|/\\\\evil\\.example")),
    ];
    let usual = (from_here, content_types).prop_map(|(site, kind)| {
        [("sec-fetch-site", site.as_bytes().to_vec()), ("content-type", kind.as_bytes().to_vec())]
    });
    (usual, vec(odd, 0..4)).prop_map(|(usual, odd)| usual.into_iter().chain(odd).collect())
}

fn request() -> impl Strategy<Value = Made> {
    let sent = form().prop_map(|(path, body)| ("POST", path, body));
    let bare = (select(&METHODS[..]), path(), vec(any::<u8>(), 0..80));
    let elsewhere = (path(), form()).prop_map(|(path, (_, body))| ("POST", path, body));
    (prop_oneof![4 => sent, 4 => bare, 1 => elsewhere], query(), headers(), any::<bool>()).prop_map(
        |((method, path, body), query, headers, is_signed_in)| {
            let target = format!("{path}{query}");
            Made { method, target, headers, is_signed_in, body }
        },
    )
}

/// What came back.
struct Answer {
    status: u16,
    /// In small letters, each line with its end.
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &'_ &str| line.split_once(": ").is_some_and(|(given, _)| given == name);
        self.head.lines().find(named).and_then(|line| line.split_once(": ")).map(|(_, value)| value)
    }
}

/// Sends a request as it stands, over a connection of its own.
async fn answer(address: SocketAddr, made: &Made, cookies: &str) -> Answer {
    let mut request =
        format!("{} {} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n", made.method, made.target);
    request += &format!("content-length: {}\r\n{cookies}", made.body.len());
    let mut request = request.into_bytes();
    for (name, value) in &made.headers {
        request.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    request.extend(b"\r\n");
    request.extend(&made.body);
    let mut connection = TcpStream::connect(address).await.expect("a connection");
    connection.write_all(&request).await.expect("a connection");
    let mut answer = Vec::new();
    let whole = timeout(PATIENCE, connection.read_to_end(&mut answer)).await;
    whole.expect("an answer that ends").expect("an answer that is not broken off");
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("an answer with a head");
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head, body: answer.split_off(end + 4) }
}

/// What holds of every answer.
fn is_fit(site: &Site, made: &Made, answer: &Answer) -> TestCaseResult {
    let Answer { status, head, body } = answer;
    prop_assert!(*status < 500 || (*status == 503 && answer.header("retry-after").is_some()), "{}", head);
    let is_whole = match (answer.header("content-length"), answer.header("transfer-encoding")) {
        (Some(length), None) => length.parse() == Ok(body.len()),
        (None, Some("chunked")) => body.ends_with(b"0\r\n\r\n"),
        _ => body.is_empty(),
    };
    prop_assert!(is_whole || made.method == "HEAD", "{}", head);
    let policy = answer.header("content-security-policy").unwrap_or_default();
    prop_assert!(policy.contains("default-src 'none'"), "{}", head);
    prop_assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    prop_assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
    prop_assert_eq!(answer.header("cross-origin-opener-policy"), Some("same-origin"));
    prop_assert!(
        answer.header("cache-control").is_some() && answer.header("x-request-id").is_some(),
        "{}",
        head
    );
    if let Some(location) = answer.header("location") {
        let is_path = location.starts_with('/') && !location[1..].starts_with(['/', '\\']);
        prop_assert!(is_path || location.starts_with(&format!("{}/", site.url())), "{}", location);
    }
    prop_assert!(!String::from_utf8_lossy(body).contains("<script>alert"), "unescaped");
    Ok(())
}

/// The cookies of somebody who is logged in: of somebody new where the last one was logged out, or is gone.
async fn signed_in_cookies(site: &Site, somebody: &mut Option<Visitor>, users: &mut usize) -> String {
    if site.count("sessions").await == 0 || somebody.is_none() {
        *users += 1;
        *somebody = Some(site.user(&format!("u{users}@example.com")).await);
    }
    let visitor = somebody.as_ref().expect("somebody");
    format!("cookie: session={}; device={}\r\n", visitor.cookie("session"), visitor.cookie("device"))
}

/// Asks about what is made up, one after the other.
fn of_all<S: Strategy>(made_up: &S, question: impl AsyncFn(S::Value) -> TestCaseResult) {
    let runtime = Handle::current();
    // What a request has changed stays, so that only the first steps to a simpler one tell something.
    let config =
        ProptestConfig { failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() };
    let asked =
        TestRunner::new(config).run(made_up, |made| block_in_place(|| runtime.block_on(question(made))));
    asked.unwrap_or_else(|error| panic!("{error}"));
}

async fn ask_anything(settings: &[(&str, &str)]) {
    let site = Site::with(settings).await;
    let somebody = Mutex::new((None, 0));
    of_all(&request(), async |made| {
        let (visitor, users) = &mut *somebody.lock().await;
        let cookies = match made.is_signed_in {
            true => signed_in_cookies(&site, visitor, users).await,
            false => String::new(),
        };
        is_fit(&site, &made, &answer(site.address(), &made, &cookies).await)
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_is_answered() {
    ask_anything(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_is_answered_where_nothing_is_held_back() {
    ask_anything(&[("THROTTLE", "off"), ("CAPTCHA", "off")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_cookie_holds_it_is_a_session_or_none() {
    let site = Site::start().await;
    let own = site.user("ann@example.com").await.cookie("session");
    let nearly = (0..own.len(), "[A-Za-z0-9_-]").prop_map({
        let own = own.clone();
        move |(at, other)| format!("session={}{other}{}", &own[..at], &own[at + 1..]).into_bytes()
    });
    let any_value = (select(&["session=", "device=", ""][..]), header_value())
        .prop_map(|(name, value)| [name.as_bytes(), &value].concat());
    let cookie = prop_oneof![
        2 => any_value,
        2 => nearly,
        1 => Just(format!("session={own}").into_bytes()),
    ];
    of_all(&vec(cookie, 1..4), async |cookies| {
        let whole = cookies.join(&b"; "[..]);
        let is_own = String::from_utf8_lossy(&whole).contains(&own);
        let get = |path: &str| Made {
            method: "GET",
            target: path.to_owned(),
            headers: vec![("cookie", whole.clone())],
            is_signed_in: false,
            body: Vec::new(),
        };
        for (path, nobodys) in [("/profile", 303), ("/register/letter", 200)] {
            let answer = answer(site.address(), &get(path), "").await;
            is_fit(&site, &get(path), &answer)?;
            prop_assert!(answer.status == nobodys || (answer.status == 200 && is_own), "{}", answer.head);
        }
        Ok(())
    });
}
