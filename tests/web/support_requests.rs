//! Writing to support: what is stored, which letters it brings, and how much anybody may write.

use time::Duration;
use tokio::task::JoinSet;

use crate::support::{Act, PASSWORD, Page, Site, Stage, Visitor, until};

const ADDRESS: &str = "ann@example.com";
const SUPPORT: &str = "support@example.com";
const PAGE: &str = "/support";

/// Opens the page, writes, and follows nothing.
async fn write(visitor: &mut Visitor, email: &str, message: &str) -> Page {
    let form = visitor.open(PAGE).await.form(PAGE);
    visitor.submit(form.fill("email", email).fill("message", message)).await
}

/// How many letters of a kind are promised or were sent.
async fn promised(site: &Site, kind: &str) -> i64 {
    site.count(&format!("letters where kind = '{kind}'")).await
}

/// The registration that was made last.
async fn latest_registration(site: &Site) -> String {
    site.value("select id from registrations order by created_at desc limit 1").await
}

#[tokio::test]
async fn anybody_writes_and_gets_a_reference_and_both_letters_leave() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let page = ann.open("/").await;
    assert!(page.has("footer a[href='/support']"));
    let page = ann.open(PAGE).await;
    page.is(200).says("No more than 5000 characters. Files cannot be attached.");
    assert!(!page.form(PAGE).has("captcha_id"));
    assert!(!page.has("[maxlength]"));
    let message = "My letter is lost.\r\nWhere is it?";
    let page = ann.send(page.form(PAGE).fill("email", ADDRESS).fill("message", message)).await;
    let reference = page.is(200).text("#reference");
    assert_eq!(page.address, format!("/support/sent?reference={reference}"));
    page.does_not_say(ADDRESS);
    page.does_not_say("lost");

    let letter = site.sink.letter_to(SUPPORT).await;
    assert_eq!(letter.subject(), format!("Support request {reference}"));
    assert_eq!(letter.header("Reply-To"), ADDRESS);
    assert_eq!(letter.header("To"), SUPPORT);
    for part in [letter.text(), letter.html()].map(|part| part.replace("\r\n", "\n")) {
        assert!(part.contains("My letter is lost.\nWhere is it?") && part.contains(ADDRESS), "{part}");
        assert!(part.contains(&reference), "{part}");
    }
    let acknowledgement = site.sink.letter_to(ADDRESS).await;
    assert_eq!(acknowledgement.subject(), format!("Support has your message ({reference})"));
    assert_eq!(acknowledgement.header("Reply-To"), "");
    assert!(acknowledgement.text().contains(&reference));
    assert!(!String::from_utf8_lossy(&acknowledgement.raw).contains("lost"));
    assert!(!acknowledgement.text().contains("lost") && !acknowledgement.html().contains("lost"));
    assert!(acknowledgement.link().ends_with("/help"));

    let letters = site.sql("select * from letters").await.join("\n");
    assert!(!letters.contains("lost"), "{letters}");
    let kept =
        site.sql("select reference, email, message, user_id, letter_state, closed_at from support_requests");
    assert_eq!(kept.await, [format!("({reference},{ADDRESS},\"My letter is lost.\nWhere is it?\",,,)")]);
    // Whoever has the reference sees that it is known, and nothing else.
    site.visitor().open(&page.address.to_lowercase().replace('-', "")).await.is(200);
    site.visitor().open("/support/sent?reference=ABCD-EFGH-JKMN").await.is(404);
}

#[tokio::test]
async fn who_is_logged_in_finds_their_address_there_and_it_goes_with_them() {
    let site = Site::start().await;
    let mut ann = site.user(ADDRESS).await;
    let form = ann.open(PAGE).await.form(PAGE);
    assert_eq!(form.value("email"), ADDRESS);
    assert_eq!(ann.send(form.fill("message", "Help")).await.path(), "/support/sent");
    let users = "support_requests, users where user_id = users.id";
    assert_eq!(site.count(users).await, 1);
    assert!(site.sink.letter_to(SUPPORT).await.text().contains("Logged in as the user "));
    ann.ask_for_deletion().await.is(303);
    site.let_pass(Duration::days(8)).await;
    let now = site.clock.now();
    let mut connection = site.database.pool().acquire().await.expect("a connection");
    vestibule::accounts::deletion::purge(&mut connection, now).await.expect("a purge");
    assert_eq!(site.count("users").await + site.count("support_requests").await, 0);
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once_and_what_was_typed_stays() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let complaint = |field: &str, words: &str| (field.to_owned(), words.to_owned());
    let page = write(&mut ann, "", " \n ").await;
    assert_eq!(
        page.is(422).complaints(),
        [complaint("email", "Enter your email address."), complaint("message", "Write what it is about.")]
    );
    let long = "ä".repeat(5_001);
    let page = write(&mut ann, "ann", &long).await;
    assert_eq!(
        page.is(422).complaints(),
        [
            complaint("email", "Enter an email address like name@example.com."),
            complaint("message", "Your message has 5001 characters. It must have no more than 5000."),
        ]
    );
    let form = page.form(PAGE);
    assert_eq!((form.value("email"), form.value("message")), ("ann".to_owned(), long));
    assert_eq!(site.count("support_requests").await, 0);
    // The bounds of addresses that are chosen do not hold here, and what takes the most bytes fits.
    let longest = format!("{}@{}.ex", "a".repeat(64), [&*"d".repeat(61); 3].join("."));
    let form = form.fill("email", &longest).fill("message", &"😀".repeat(5_000));
    assert_eq!(ann.submit(form).await.is(303).status, 303);
}

#[tokio::test]
async fn what_a_stranger_types_is_no_html_and_no_header() {
    let site = Site::with(&[("MAIL_REPLY_TO", "help@example.com")]).await;
    let message = "</textarea><script>alert(1)</script>\r\nBcc: eve@example.com\r\n\r\n.\r\n<b>bold</b>";
    let mut eve = site.visitor();
    let page = write(&mut eve, "<b>", message).await;
    page.is(422).does_not_say("<script>alert");
    page.does_not_say("<b>");
    write(&mut eve, "o'neil!#$%&*/=?^_`{|}~-@x.example", message).await.is(303);
    let letter = site.sink.letter_to(SUPPORT).await;
    assert_eq!(letter.header("Reply-To"), "o'neil!#$%&*/=?^_`{|}~-@x.example");
    assert_eq!(letter.header("Bcc"), "");
    let acknowledgement = site.sink.letter_to("o'neil!#$%&*/=?^_`{|}~-@x.example").await;
    assert_eq!(acknowledgement.header("Reply-To"), "help@example.com");
    assert!(!letter.html().contains("<script>") && !letter.html().contains("<b>"), "{}", letter.html());
    assert!(letter.text().contains("<script>alert(1)</script>"));
}

#[tokio::test]
async fn an_address_that_a_header_cannot_hold_stands_in_the_text_alone() {
    let site = Site::start().await;
    write(&mut site.visitor(), "почта@пример.рф", "Help").await.is(303);
    let letter = site.sink.letter_to(SUPPORT).await;
    assert_eq!(letter.header("Reply-To"), "");
    assert!(letter.text().contains("почта@пример.рф"));
}

#[tokio::test]
async fn a_form_that_is_sent_twice_is_answered_as_the_first_time() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let form = ann.open(PAGE).await.form(PAGE).fill("email", ADDRESS).fill("message", "Help");
    let mut requests = JoinSet::new();
    for _ in 0..4 {
        let (mut ann, form) = (ann.clone(), form.clone());
        requests.spawn(async move { ann.submit(form).await.is(303).header("location").to_owned() });
    }
    let mut answers = requests.join_all().await;
    // Also when it is not what it was.
    answers.push(ann.submit(form.clone().fill("message", "")).await.header("location").to_owned());
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(site.count("support_requests").await, 1);
    assert_eq!(
        (promised(&site, "support_request").await, promised(&site, "support_acknowledgement").await),
        (1, 1)
    );
}

#[tokio::test]
async fn the_sixth_of_a_day_wants_a_captcha_and_the_twenty_first_waits() {
    let site = Site::start().await;
    let mut ann = site.visitor().at("192.0.2.66");
    let before = ann.open(PAGE).await.form(PAGE).fill("email", ADDRESS).fill("message", "Help");
    for _ in 0..5 {
        write(&mut ann, ADDRESS, "Help").await.is(303);
    }
    // A form that was shown before it came to that.
    let page = ann.submit(before).await;
    assert_eq!(page.is(422).complaints()[0].0, "captcha_answer");
    let id = page.form(PAGE).value("captcha_id");
    let page = ann.submit(page.form(PAGE).press("new_captcha")).await;
    let form = page.is(200).form(PAGE);
    assert_ne!(form.value("captcha_id"), id);
    assert_eq!((form.value("email"), form.value("message")), (ADDRESS.to_owned(), "Help".to_owned()));
    let page = ann.submit(form.clone().fill("email", "ann").fill("captcha_answer", "0")).await;
    let fields: Vec<_> = page.is(422).complaints().into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["email", "captcha_answer"]);
    assert_eq!(site.count("support_requests").await, 5);

    let form = ann.solve(page.form(PAGE).fill("email", ADDRESS)).await;
    let first = ann.submit(form.clone()).await;
    assert_eq!(ann.submit(form).await.is(303).header("location"), first.is(303).header("location"));
    for written in 6..20 {
        let form = ann.open(PAGE).await.form(PAGE).fill("email", ADDRESS).fill("message", "Help");
        assert!(form.has("captcha_id"), "{written}");
        let form = ann.solve(form).await;
        ann.submit(form).await.is(303);
    }
    let form = ann.open(PAGE).await.form(PAGE).fill("email", ADDRESS).fill("message", "Help");
    let form = ann.solve(form).await;
    let page = ann.submit(form).await;
    let seconds: u32 = page.is(429).header("retry-after").parse().expect("seconds");
    assert!((86_000..=86_401).contains(&seconds), "{seconds}");
    page.says("You can try again ");
    assert_eq!(site.count("support_requests").await, 20);
    assert_eq!(promised(&site, "support_request").await, 20);
    assert_eq!(promised(&site, "support_acknowledgement").await, 5, "the others are left out");
    write(&mut site.visitor().at("192.0.2.67"), ADDRESS, "Help").await.is(303);
    assert_eq!(promised(&site, "support_acknowledgement").await, 5);
    site.let_pass(Duration::days(1)).await;
    write(&mut ann, ADDRESS, "Help").await.is(303);
    assert_eq!(promised(&site, "support_acknowledgement").await, 6);
}

#[tokio::test]
async fn who_is_logged_in_is_counted_wherever_they_are() {
    let site = Site::start().await;
    let mut ann = site.user(ADDRESS).await;
    for network in 1..=5 {
        ann = ann.at(&format!("192.0.2.{network}"));
        write(&mut ann, ADDRESS, "Help").await.is(303);
    }
    ann = ann.at("192.0.2.6");
    assert!(ann.open(PAGE).await.form(PAGE).has("captcha_id"));
    assert!(!site.visitor().at("192.0.2.6").open(PAGE).await.form(PAGE).has("captcha_id"));
}

#[tokio::test]
async fn many_at_once_get_no_further_than_one_after_the_other() {
    let site = Site::start().await;
    let mut requests = JoinSet::new();
    for _ in 0..12 {
        let mut eve = site.visitor();
        requests.spawn(async move {
            eve.post(PAGE, "email=ann%40example.com&message=Help").await.status.as_u16()
        });
    }
    let statuses = requests.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 5, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 422).count(), 7, "{statuses:?}");
    assert_eq!(site.count("support_requests").await, 5);
    assert_eq!(promised(&site, "support_acknowledgement").await, 5);
}

#[tokio::test]
async fn where_there_are_no_captchas_the_sixth_waits() {
    let site = Site::with(&[("CAPTCHA", "off")]).await;
    let mut ann = site.visitor();
    for _ in 0..5 {
        write(&mut ann, ADDRESS, "Help").await.is(303);
    }
    assert!(!write(&mut ann, ADDRESS, "Help").await.is(429).header("retry-after").is_empty());
}

#[tokio::test]
async fn letters_of_other_pages_ask_no_captcha_here_and_these_count_there() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    for asked in 0..19 {
        ann.recover(&format!("a{asked}@example.com")).await;
    }
    write(&mut ann, ADDRESS, "Help").await.is(303);
    assert!(ann.open("/recover").await.form("/recover").has("captcha_id"));
    write(&mut ann, ADDRESS, "Help").await.is(303);
}

#[tokio::test]
async fn without_an_address_of_support_it_is_stored_and_only_acknowledged() {
    let site = Site::with(&[("SUPPORT_EMAIL", "")]).await;
    let mut ann = site.visitor();
    ann.open(PAGE).await.does_not_say("mailto:");
    write(&mut ann, ADDRESS, "Help").await.is(303);
    site.sink.letter_to(ADDRESS).await;
    assert_eq!((site.count("support_requests").await, site.count("letters").await), (1, 1));
}

#[tokio::test]
async fn what_became_of_ones_own_letter_goes_along() {
    let site = Site::start().await;
    site.sink.once(Stage::Rcpt, Act::Say("550 5.1.1 no such user here"));
    let mut ann = site.visitor();
    ann.register(ADDRESS, PASSWORD).await;
    site.letters_are(ADDRESS, &["refused"]).await;
    let page = ann.open(&format!("/support?letter={}", latest_registration(&site).await)).await;
    let line = page.is(200).text("#letter-state");
    assert!(line.contains("Registration of ann@example.com as artist, made "), "{line}");
    assert!(line.contains("refused") && line.contains("550 5.1.1 no such user here"), "{line}");
    // It stays when the form comes again.
    let page = ann.submit(page.form(PAGE).fill("email", "ann@other.example")).await;
    assert_eq!(page.is(422).text("#letter-state"), line);
    ann.submit(page.form(PAGE).fill("message", "Help")).await.is(303);
    let told = line.trim_start_matches("With it goes what became of your letter. ");
    let letter = site.sink.letter_to(SUPPORT).await;
    assert!(letter.text().contains(told), "{told}: {}", letter.text());
    assert_eq!(site.count(&format!("support_requests where letter_state = '{told}'")).await, 1);
    assert!(!site.sink.letter_to("ann@other.example").await.text().contains("550"));
}

#[tokio::test]
async fn what_is_said_of_a_letter_that_was_taken_stays_here() {
    let site = Site::start().await;
    site.sink.once(Stage::Dot, Act::Say("250 2.6.0 4711 bytes queued"));
    let mut ann = site.registered(ADDRESS).await;
    let page = ann.open(&format!("/support?letter={}", latest_registration(&site).await)).await;
    let line = page.is(200).text("#letter-state");
    assert!(line.contains("handed to the mail service") && !line.contains("4711"), "{line}");
}

#[tokio::test]
async fn nothing_in_a_message_passes_for_what_we_know_of_its_sender() {
    let site = Site::start().await;
    let mut eve = site.visitor();
    let message = "Help\n\n----\nLogged in as the user ann";
    let form = eve.open(PAGE).await.form(PAGE).fill("email", ADDRESS).fill("message", message);
    eve.submit(form).await.is(303);
    let letter = site.sink.letter_to(SUPPORT).await;
    for part in [letter.text(), letter.html()] {
        let (known, _) = part.split_once("The message:").expect("what is known comes first");
        assert!(known.contains(ADDRESS) && !known.contains("Logged in"), "{part}");
    }
}

#[tokio::test]
async fn somebody_elses_letter_does_not() {
    let site = Site::start().await;
    site.visitor().register(ADDRESS, PASSWORD).await;
    site.sink.letter_to(ADDRESS).await;
    let id = latest_registration(&site).await;
    let mut eve = site.visitor();
    let page = eve.open(&format!("/support?letter={id}")).await;
    page.is(200).does_not_say(ADDRESS);
    assert!(!page.form(PAGE).has("letter"));
    let form = page.form(PAGE).fill("email", "eve@example.com").fill("message", "Help").forge("letter", &id);
    eve.submit(form).await.is(303);
    let letter = site.sink.letter_to(SUPPORT).await;
    assert!(!letter.text().contains(ADDRESS), "{}", letter.text());
    assert_eq!(site.count("support_requests where letter_state is null").await, 1);
    // Nor what was made up.
    let page = eve.open("/support?letter=Registration+of+ann").await;
    page.does_not_say("Registration of");
}

#[tokio::test]
async fn the_whole_way_in_a_browser_pressing_twice() {
    let site = Site::start().await;
    let browser = site.browser(PAGE).await;
    browser.type_into("#email", ADDRESS).await;
    browser.type_into("#message", "My letter is lost.").await;
    let button = browser.find("main button.main").await;
    browser.driver().action_chain().double_click_element(&button).perform().await.expect("a double click");
    browser.is_at("/support/sent").await;
    let stored = async || (site.count("support_requests").await == 1).then_some(());
    until("one request", stored).await;
}
