//! `/register/letter/resend`: one more letter for a registration of this browser.

use time::Duration;

use crate::support::{Act, PASSWORD, Site, Stage, Visitor};

const RESEND: &str = "/register/letter/resend";

/// Lets the time pass that lies before the next letter, presses the button, and waits for the letter.
async fn send_again(site: &Site, visitor: &mut Visitor, minutes: i64, letters: usize) {
    site.let_pass(Duration::minutes(minutes)).await;
    let page = visitor.open("/register/letter").await;
    visitor.send(page.form(RESEND)).await.is(200);
    site.letters_are("ann@example.com", &vec!["handed_over"; letters]).await;
}

#[tokio::test]
async fn a_letter_is_sent_again_and_the_earlier_one_stays_good() {
    let site = Site::start().await;
    let mut ann = site.registered("ann@example.com").await;
    send_again(&site, &mut ann, 1, 2).await;
    let letters = site.sink.letters_to("ann@example.com", 2).await;
    assert_ne!(letters[0].link(), letters[1].link());
    ann.open(&letters[1].link()).await.is(200).says("Confirm");
    assert_eq!(ann.confirm(&letters[0].link()).await.path(), "/profile");
}

#[tokio::test]
async fn letters_are_one_five_fifteen_and_sixty_minutes_apart() {
    let site = Site::start().await;
    let mut ann = site.registered("ann@example.com").await;
    for (letters, minutes) in [(2, 1), (3, 5), (4, 15), (5, 60)] {
        let page = ann.open("/register/letter").await;
        page.says("It can be sent again ");
        assert!(!page.has(&format!("form[action='{RESEND}']")));
        site.let_pass(Duration::minutes(minutes) - Duration::seconds(30)).await;
        assert!(!ann.open("/register/letter").await.has(&format!("form[action='{RESEND}']")));
        site.let_pass(Duration::seconds(30)).await;
        send_again(&site, &mut ann, 0, letters).await;
    }
    site.let_pass(Duration::minutes(60)).await;
    let page = ann.open("/register/letter").await;
    ann.send(page.form(RESEND)).await.says("Held back 5 letters a day go to one address");
}

#[tokio::test]
async fn who_asks_too_early_hears_from_when_it_can_be_sent() {
    let site = Site::start().await;
    let mut ann = site.registered("ann@example.com").await;
    let form = format!("registration={}", site.value("select id from registrations").await);
    let page = ann.post(RESEND, &form).await;
    assert!(!page.is(429).header("retry-after").is_empty());
    assert_eq!(site.count("letters").await, 1);
}

#[tokio::test]
async fn while_one_is_under_way_none_is_added() {
    let site = Site::start().await;
    site.sink.always(Stage::Rcpt, Act::Say("450 4.2.1 come back later"));
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    site.letters_are("ann@example.com", &["delayed"]).await;
    let form = format!("registration={}", site.value("select id from registrations").await);
    assert_eq!(ann.post(RESEND, &form).await.is(303).header("location"), "/register/letter");
    assert_eq!(site.count("letters").await, 1);
}

#[tokio::test]
async fn a_button_that_is_pressed_twice_sends_one_letter() {
    let site = Site::start().await;
    let mut ann = site.registered("ann@example.com").await;
    site.let_pass(Duration::minutes(1)).await;
    let form = ann.open("/register/letter").await.form(RESEND);
    for _ in 0..2 {
        assert_eq!(ann.submit(form.clone()).await.is(303).header("location"), "/register/letter");
    }
    assert_eq!(site.count("letters").await, 2);
}

#[tokio::test]
async fn only_the_browser_that_registered_sends_again() {
    let site = Site::start().await;
    let mut ann = site.registered("ann@example.com").await;
    site.let_pass(Duration::minutes(1)).await;
    let form = ann.open("/register/letter").await.form(RESEND);
    let mut eve = site.visitor();
    eve.open("/register").await;
    eve.submit(form).await.is(404);
    eve.post(RESEND, "registration=nonsense").await.is(404);
    assert_eq!(site.count("letters").await, 1);
}

#[tokio::test]
async fn a_known_address_is_treated_alike() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut eve = site.visitor();
    eve.register("ann@example.com", PASSWORD).await;
    site.letters_are("ann@example.com", &["handed_over"; 2]).await;
    send_again(&site, &mut eve, 1, 3).await;
    eve.open("/register/letter").await.says("It can be sent again ");
}

#[tokio::test]
async fn past_the_letters_of_a_network_a_captcha_is_wanted() {
    let site = Site::start().await;
    let mut ann = site.registered("ann@example.com").await;
    for other in 0..19 {
        site.visitor().register(&format!("a{other}@example.com"), PASSWORD).await;
    }
    site.let_pass(Duration::minutes(1)).await;
    let form = ann.open("/register/letter").await.form(RESEND);
    let page = ann.submit(form).await;
    page.is(422).says("Many letters were asked for from your network.");
    assert!(page.has(".summary a[href='#captcha_answer']") && page.text("title").starts_with("Error: "));
    assert_eq!(site.count("letters where recipient = 'ann@example.com'").await, 1);
    let form = ann.solve(page.form(RESEND)).await;
    ann.submit(form).await.is(303);
    site.letters_are("ann@example.com", &["handed_over"; 2]).await;
}

#[tokio::test]
async fn where_captchas_are_off_a_network_waits_instead() {
    let site = Site::with(&[("CAPTCHA", "off")]).await;
    let mut ann = site.registered("ann@example.com").await;
    for other in 0..19 {
        site.visitor().register(&format!("a{other}@example.com"), PASSWORD).await;
    }
    site.let_pass(Duration::minutes(1)).await;
    let form = ann.open("/register/letter").await.form(RESEND);
    assert!(!ann.submit(form).await.is(429).header("retry-after").is_empty());
    assert_eq!(site.count("letters where recipient = 'ann@example.com'").await, 1);
}

#[tokio::test]
async fn the_address_itself_leads_to_the_buttons() {
    let site = Site::start().await;
    assert_eq!(site.visitor().get(RESEND).await.is(303).header("location"), "/register/letter");
}
