//! What any input gets: a page with the right 4xx, or the form again. Never a 500, and nothing of
//! it unescaped.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{PASSWORD, Page, Request, Site, Visitor};

/// Every form, with the fields that it knows.
pub const FORMS: [(&str, &[&str]); 10] = [
    (
        "/register",
        &[
            "email",
            "password",
            "region",
            "region_id",
            "captcha_id",
            "captcha_answer",
            "account_type",
            "form_id",
            "new_captcha",
        ],
    ),
    ("/register/letter/resend", &["registration", "form_id", "captcha_id", "captcha_answer", "new_captcha"]),
    (
        "/register/letter/address",
        &["registration", "email", "form_id", "captcha_id", "captcha_answer", "new_captcha"],
    ),
    ("/login", &["email", "password", "remember", "next", "captcha_id", "captcha_answer", "new_captcha"]),
    ("/confirm", &["token", "password", "captcha_id", "captcha_answer", "new_captcha"]),
    ("/recover", &["email", "captcha_id", "captcha_answer", "new_captcha"]),
    (
        "/profile/email/confirm",
        &[
            "token",
            "current_password",
            "captcha_id",
            "captcha_answer",
            "form_id",
            "account_id",
            "new_captcha",
        ],
    ),
    ("/not-me", &["token", "password", "captcha_id", "captcha_answer", "form_id", "new_captcha"]),
    ("/support", &["email", "message", "letter", "form_id", "captcha_id", "captcha_answer", "new_captcha"]),
    ("/logout", &[]),
];

/// Every form of who is logged in, with the fields that it knows.
pub const SIGNED_IN_FORMS: [(&str, &[&str]); 15] = [
    ("/profile/sessions/end", &["session", "form_id", "account_id"]),
    ("/profile/sessions/end-others", &["account_id", "form_id"]),
    ("/profile/accounts/take-back", &["account_id", "form_id"]),
    ("/profile/accounts", &["region", "region_id", "region_was", "account_id", "form_id"]),
    (
        "/profile/accounts",
        &[
            "email",
            "password",
            "current_password",
            "captcha_id",
            "captcha_answer",
            "account_id",
            "form_id",
            "new_captcha",
        ],
    ),
    (
        "/profile/accounts/switch",
        &["password", "captcha_id", "captcha_answer", "account_id", "form_id", "new_captcha"],
    ),
    ("/profile/accounts/unlink", &["account_id", "form_id"]),
    (
        "/profile/details",
        &[
            "display_name",
            "display_name_was",
            "region",
            "region_id",
            "region_was",
            "saved_region_was",
            "phone",
            "phone_was",
            "counterpart",
            "form_id",
            "account_id",
        ],
    ),
    ("/profile/details/take-back", &["change", "form_id", "account_id"]),
    (
        "/profile/password",
        &[
            "current_password",
            "new_password",
            "captcha_id",
            "captcha_answer",
            "form_id",
            "account_id",
            "new_captcha",
        ],
    ),
    (
        "/profile/email",
        &[
            "email",
            "current_password",
            "captcha_id",
            "captcha_answer",
            "form_id",
            "account_id",
            "new_captcha",
        ],
    ),
    ("/profile/email/cancel", &["change", "form_id", "account_id"]),
    (
        "/profile/email/confirm",
        &[
            "token",
            "current_password",
            "captcha_id",
            "captcha_answer",
            "form_id",
            "account_id",
            "new_captcha",
        ],
    ),
    (
        "/profile/export",
        &["current_password", "captcha_id", "captcha_answer", "form_id", "account_id", "new_captcha"],
    ),
    (
        "/profile/delete",
        &[
            "scope",
            "current_password",
            "captcha_id",
            "captcha_answer",
            "form_id",
            "account_id",
            "new_captcha",
        ],
    ),
];

/// A body that every form understands, where nothing is changed in it.
fn usual(fields: &[&str], token: &str) -> Vec<(String, String)> {
    let value = |field: &str| match field {
        "token" | "registration" => token.to_owned(),
        // Shown to nobody in particular: else it would be an old tab's, and refused before it is read.
        "account_id" => String::new(),
        _ => "1".to_owned(),
    };
    let fields = fields.iter().filter(|field| **field != "new_captcha");
    fields.map(|field| ((*field).to_owned(), value(field))).collect()
}

fn encoded(pairs: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// A page for people, with a status that says whose mistake it was.
#[track_caller]
fn is_a_page(page: &Page, what: &str) {
    let status = page.status.as_u16();
    assert!((400..500).contains(&status) || status == 200 || status == 303, "{what}: {status} {}", page.body);
    if status != 303 {
        assert!(page.header("content-type").starts_with("text/html"), "{what}: {}", page.body);
        assert!(page.has("h1"), "{what}: {}", page.body);
    }
    assert!(!page.body.contains("<script>alert"), "{what}: {}", page.body);
}

#[track_caller]
fn is_refused(page: &Page, status: u16, what: &str) {
    is_a_page(page, what);
    assert_eq!(page.status.as_u16(), status, "{what}: {}", page.body);
    assert_eq!(page.text("main code"), page.header("x-request-id"), "{what}");
}

/// Sends every form with every field as it should not be; `token` is what a letter's link carries.
async fn send_anything(visitor: &mut Visitor, forms: &[(&str, &[&str])], token: &str) {
    let long = "x".repeat(14_000);
    let accents = "e\u{301}".repeat(200);
    let values = [
        "",
        " ",
        &long,
        &accents,
        "\"><script>alert(1)</script>",
        "'; drop table users; --",
        "{{7*7}}${7*7}%s%n",
        "\u{202e}\u{feff}\u{200b}",
        "\r\nBcc: eve@example.com\r\n",
        "00000000-0000-0000-0000-000000000000",
        "-1",
        "99999999999999999999",
        "👩‍👩‍👧‍👦@例え.jp",
    ];
    for (form, fields) in forms {
        for field in *fields {
            for value in values {
                let mut pairs = usual(fields, token);
                pairs.retain(|(name, _)| name != field);
                pairs.push(((*field).to_owned(), value.to_owned()));
                let page = visitor.post(form, &encoded(&pairs)).await;
                is_a_page(&page, &format!("{form} {field}={value:.40}"));
            }
        }
    }
}

#[tokio::test]
async fn every_field_of_every_form_takes_anything() {
    let site = Site::with(&[("THROTTLE", "off")]).await;
    send_anything(&mut site.visitor(), &FORMS, "1").await;
    assert_eq!(site.count("registrations").await + site.count("users").await, 0);
}

#[tokio::test]
async fn every_field_of_every_form_of_who_is_logged_in_takes_anything_and_changes_nothing() {
    let site = Site::with(&[("THROTTLE", "off")]).await;
    let mut ann = site.user("ann@example.com").await;
    let changed = "select * from users, accounts, activity order by activity.id";
    let before = site.sql(changed).await;
    send_anything(&mut ann, &SIGNED_IN_FORMS, "1").await;
    assert_eq!(site.sql(changed).await, before);
}

#[tokio::test]
async fn every_field_of_a_form_that_a_link_leads_to_takes_anything_and_leaves_the_link_good() {
    let site = Site::with(&[("THROTTLE", "off")]).await;
    site.visitor().register("eve@example.com", PASSWORD).await;
    let registration = site.sink.letter_to("eve@example.com").await.link();
    let mut ann = site.user("ann@example.com").await;
    site.change_email(&mut ann, "ann@new.example").await;
    let notice = site.letter("ann@example.com", "Your email address was changed", 0).await.link();
    ann.ask_for_email("ann@other.example").await.is(303);
    let change = site.email_link("ann@other.example", 0).await;
    let mut stranger = site.visitor();
    for (path, link) in [("/confirm", registration), ("/profile/email/confirm", change), ("/not-me", notice)]
    {
        let form: Vec<_> = FORMS.into_iter().filter(|(form, _)| *form == path).collect();
        send_anything(&mut stranger, &form, link.rsplit_once('=').expect("a token").1).await;
        stranger.open(&link).await.is(200);
    }
    assert_eq!(site.sql("select email from users").await, ["(ann@new.example)"]);
}

/// Sends every form as no page of ours would.
async fn send_what_no_page_could(visitor: &mut Visitor, forms: &[(&str, &[&str])]) {
    for (form, fields) in forms {
        // Log out reads nothing, so nothing in it can be wrong.
        let Some(first) = fields.first() else { continue };
        let body = encoded(&usual(fields, "1"));
        for (wrong, what) in [
            (format!("{body}&{first}=a%00b"), "NUL"),
            (format!("{body}&{first}=%ff%fe"), "bad UTF-8"),
            (format!("{body}&{first}=a"), "a repeated field"),
        ] {
            is_refused(&visitor.post(form, &wrong).await, 400, &format!("{form}: {what}"));
        }
        let huge = format!("{first}={}", "x".repeat(if *form == "/support" { 64 } else { 16 } * 1024));
        is_refused(&visitor.post(form, &huge).await, 413, &format!("{form}: a huge body"));
        for content_type in ["text/plain", "application/json", "multipart/form-data; boundary=x", ""] {
            let mut headers = vec![("sec-fetch-site", "same-origin".to_owned())];
            if !content_type.is_empty() {
                headers.push(("content-type", content_type.to_owned()));
            }
            let request = Request {
                method: "POST",
                path: (*form).to_owned(),
                headers,
                body: body.clone().into_bytes(),
            };
            is_refused(&visitor.request(request).await, 415, &format!("{form}: {content_type:?}"));
        }
    }
}

#[tokio::test]
async fn what_no_page_of_ours_could_have_sent_is_refused() {
    let site = Site::start().await;
    send_what_no_page_could(&mut site.visitor(), &FORMS).await;
    send_what_no_page_could(&mut site.user("ann@example.com").await, &SIGNED_IN_FORMS).await;
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused_also_when_they_come_bare() {
    let site = Site::start().await;
    let mut visitor = site.visitor();
    let headers = vec![
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ("sec-fetch-site", "same-origin".to_owned()),
    ];
    for body in [&b"email=\xff\xfe&password=x"[..], b"email=\0&password=x", b"\0\0\0", b"%", b"%zz=%zz&&==&"]
    {
        let request = Request {
            method: "POST",
            path: "/login".to_owned(),
            headers: headers.clone(),
            body: body.to_vec(),
        };
        let page = visitor.request(request).await;
        is_a_page(&page, &format!("{body:?}"));
        assert!(page.status == 400 || page.status == 422, "{body:?}: {}", page.status);
    }
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let form = ann.registration_form("ann@example.com", PASSWORD).await.forge("region_id", "DE-BY");
    let form = form.forge("is_admin", "true").forge("complaints", "x").forge("hints", "x");
    assert_eq!(ann.send(form).await.path(), "/register/letter");
}

#[tokio::test]
async fn every_address_takes_any_query_and_path() {
    let site = Site::start().await;
    let mut visitor = site.user("ann@example.com").await;
    let mut strangers = site.visitor();
    for path in [
        "/confirm?token=%ff",
        "/confirm?token=a%00b",
        "/confirm?token=a&token=b",
        "/confirm?token=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/login?next=%00",
        "/login?next=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/login?next=/a&next=/b",
        "/login?because=nonsense",
        "/profile?because=nonsense",
        "/profile?because=",
        "/profile/sessions?because=nonsense",
        "/profile/sessions?before=%ff",
        "/profile/sessions?before=a&before=b",
        "/profile/activity?before=%00",
        "/profile/activity?before=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/profile/accounts?because=nonsense",
        "/help/%ff",
        "/help/%00",
        "/help/..%2f..%2fetc%2fpasswd",
        "/captcha/%ff.png",
        "/captcha/x.png",
        "/captcha/00000000-0000-0000-0000-000000000000.png",
        "/captcha/00000000-0000-0000-0000-000000000000.wav",
        "/static/%2e%2e%2fCargo.toml",
        "/static/%ff",
        "/regions?q=a&q=b",
        "/support?letter=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/support?letter=%ff",
        "/support?letter=a&letter=b",
        "/support/sent",
        "/support/sent?reference=%00",
        "/support/sent?reference=ABCD-EFGH-JKMN",
        "/dev/mailbox",
        "/%00",
        "/%",
        "//evil.example",
    ] {
        for visitor in [&mut visitor, &mut strangers] {
            is_a_page(&visitor.get(path).await, path);
        }
    }
    strangers.get("/regions?q=%ff").await.is(200);
    let long = format!("/confirm?token={}", "x".repeat(12_000));
    is_a_page(&strangers.get(&long).await, "a long token");
}

#[tokio::test]
async fn nonsense_in_cookies_is_like_none() {
    let site = Site::start().await;
    for value in ["", "x", "%00", "\"", "AAAAAAAAAAAAAAAAAAAAAA", &"x".repeat(4000), "a=b=c"] {
        let headers = |path: &str| Request {
            method: "GET",
            path: path.to_owned(),
            headers: vec![("cookie", format!("session={value}; device={value}; ;;=; session={value}"))],
            body: Vec::new(),
        };
        let mut visitor = site.visitor();
        visitor.request(headers("/register/letter")).await.is(200);
        visitor.request(headers("/profile")).await.is(303);
        visitor.request(headers("/register")).await.is(200);
    }
}

#[tokio::test]
async fn nobody_is_shown_what_is_anothers() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    let mut eve = site.visitor();
    eve.open("/register").await;
    for device in [eve.cookie("device"), "A".repeat(43)] {
        eve.cookies.get_mut("device").expect("a device").value = device;
        eve.open("/register/letter").await.does_not_say("ann@example.com");
    }
}

#[tokio::test]
async fn a_method_that_an_address_does_not_know_is_refused() {
    let site = Site::start().await;
    let mut visitor = site.visitor();
    for (method, path) in
        [("DELETE", "/login"), ("PUT", "/register"), ("POST", "/help"), ("PATCH", "/profile"), ("POST", "/")]
    {
        is_refused(&send(&mut visitor, method, path).await, 405, &format!("{method} {path}"));
    }
}

async fn send(visitor: &mut Visitor, method: &'static str, path: &str) -> Page {
    let headers = vec![("sec-fetch-site", "same-origin".to_owned())];
    visitor.request(Request { method, path: path.to_owned(), headers, body: Vec::new() }).await
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_and_nobody_else_notices() {
    let site = Site::start().await;
    let cookie = format!("GET / HTTP/1.1\r\nhost: localhost\r\ncookie: a={}\r\n\r\n", "b".repeat(20_000));
    let lines = format!("GET / HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "a: b\r\n".repeat(2_000));
    for head in [cookie, lines] {
        let mut stream = TcpStream::connect(site.address()).await.expect("a connection");
        // The answer may come before all is sent.
        let _ = stream.write_all(head.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
        site.visitor().open("/login").await.is(200);
    }
    let fits = format!(
        "GET /login HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncookie: a={}\r\n\r\n",
        "b".repeat(12_000)
    );
    let mut stream = TcpStream::connect(site.address()).await.expect("a connection");
    stream.write_all(fits.as_bytes()).await.expect("it is taken");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
}
