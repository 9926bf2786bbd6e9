//! `/register/letter/address`: a registration's letter goes to another address.

use crate::support::{Act, PASSWORD, Page, Site, Stage, Visitor, until};

const ADDRESS: &str = "/register/letter/address";

/// Opens the page for the latest registration of a browser.
async fn form_of(visitor: &mut Visitor) -> Page {
    let page = visitor.open("/register/letter").await;
    let to = page.attributes("section a[href^='/register/letter/address']", "href").remove(0);
    visitor.open(&to).await
}

async fn correct(visitor: &mut Visitor, email: &str) -> Page {
    let form = form_of(visitor).await.form(ADDRESS).fill("email", email);
    visitor.submit(form).await
}

#[tokio::test]
async fn the_letter_goes_to_the_right_address_and_the_rest_stays() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    ann.register("ann@exmaple.com", PASSWORD).await;
    let old = site.sink.letter_to("ann@exmaple.com").await.link();
    assert_eq!(correct(&mut ann, "ann@example.com").await.is(303).header("location"), "/register/letter");
    let link = site.sink.letter_to("ann@example.com").await.link();
    assert_eq!(ann.open("/register/letter").await.texts("section h2"), ["ann@example.com"]);
    ann.open(&old).await.is(404);
    assert_eq!(ann.confirm(&link).await.path(), "/profile");
    ann.log_out().await;
    assert_eq!(ann.log_in("ann@example.com").await.path(), "/profile");
    assert_eq!(site.sink.letters().iter().filter(|letter| letter.to == "ann@exmaple.com").count(), 1);
}

#[tokio::test]
async fn a_letter_that_still_waits_does_not_leave_for_the_wrong_address() {
    let site = Site::start().await;
    site.sink.once(Stage::Rcpt, Act::Say("450 4.2.1 come back later"));
    let mut ann = site.visitor();
    ann.register("ann@exmaple.com", PASSWORD).await;
    site.letters_are("ann@exmaple.com", &["delayed"]).await;
    correct(&mut ann, "ann@example.com").await.is(303);
    site.letters_are("ann@exmaple.com", &[]).await;
    site.let_pass(time::Duration::hours(2)).await;
    site.letters_are("ann@example.com", &["handed_over"]).await;
    assert_eq!(site.sink.count(), 1);
}

#[tokio::test]
async fn a_letter_that_is_just_leaving_holds_a_link_that_is_dead() {
    let site = Site::with(&[("MAIL_WORKERS", "1")]).await;
    site.sink.once(Stage::Dot, Act::Slow(std::time::Duration::from_millis(500)));
    let mut ann = site.visitor();
    ann.register("ann@exmaple.com", PASSWORD).await;
    site.sink.command("DATA", 1).await;
    correct(&mut ann, "ann@example.com").await.is(303);
    let old = site.sink.letter_to("ann@exmaple.com").await.link();
    ann.open(&old).await.is(404);
    let link = site.sink.letter_to("ann@example.com").await.link();
    assert_eq!(ann.confirm(&link).await.path(), "/profile");
}

#[tokio::test]
async fn what_is_wrong_is_said_and_what_was_typed_stays() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    for (typed, said) in [
        ("ANN@example.com", "The letter goes to this address already."),
        ("nonsense", "Enter an email address like name@example.com."),
        ("a-much-longer-one@example.com", "It must have no more than 20."),
    ] {
        let page = correct(&mut ann, typed).await;
        page.is(422).says(said);
        assert_eq!(page.attributes("#email", "value"), [typed]);
    }
    assert_eq!(site.count("letters").await, 1);
}

#[tokio::test]
async fn a_registration_is_corrected_three_times() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    for email in ["a1@example.com", "a2@example.com", "a3@example.com"] {
        let page = form_of(&mut ann).await;
        let form = page.form(ADDRESS).fill("email", email);
        ann.submit(form).await.is(303);
    }
    let page = form_of(&mut ann).await;
    page.says("The address of this registration was corrected 3 times, and cannot be corrected again.");
    assert!(page.has("main a[href='/register']") && !page.has("form[action='/register/letter/address']"));
    let registration = site.value("select id from registrations").await;
    let body = format!("registration={registration}&email=a4@example.com");
    ann.post(ADDRESS, &body).await.is(422).says("cannot be corrected again");
    assert_eq!(site.count("registrations where email = 'a3@example.com'").await, 1);
}

#[tokio::test]
async fn a_form_that_is_sent_twice_corrects_once() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    ann.register("ann@exmaple.com", PASSWORD).await;
    let form = form_of(&mut ann).await.form(ADDRESS).fill("email", "ann@example.com");
    for _ in 0..2 {
        ann.submit(form.clone()).await.is(303);
    }
    assert_eq!(site.count("registrations where corrections = 1").await, 1);
}

#[tokio::test]
async fn nobody_else_corrects_it() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    let form = form_of(&mut ann).await.form(ADDRESS).fill("email", "eve@example.com");
    let mut eve = site.visitor();
    eve.open("/register").await;
    eve.submit(form).await.is(404);
    eve.get(ADDRESS).await.is(404);
    assert_eq!(site.count("registrations where email = 'ann@example.com'").await, 1);
}

#[tokio::test]
async fn a_known_address_is_treated_alike_and_only_its_letter_tells() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut eve = site.visitor();
    eve.register("eve@example.com", PASSWORD).await;
    site.letters_are("eve@example.com", &["handed_over"]).await;
    correct(&mut eve, "ann@example.com").await.is(303);
    let letter = site.sink.letters_to("ann@example.com", 2).await.remove(1);
    assert_eq!(letter.subject(), "You are registered already");
    site.letters_are("ann@example.com", &["handed_over"; 2]).await;
    eve.open("/register/letter").await.says("Handed over to our mail service at ");
}

/// Waits until so many requests wait for a registration that the test holds.
async fn waiting(site: &Site, requests: i64) {
    let held = "pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    let enough = async || (site.count(held).await >= requests).then_some(());
    until("requests that wait", enough).await;
}

#[tokio::test]
async fn a_link_to_the_first_address_does_not_confirm_the_second_however_close_they_come() {
    for is_own in [true, false] {
        let site = Site::start().await;
        let mut ann = site.visitor();
        ann.register("ann@exmaple.com", PASSWORD).await;
        let old = site.sink.letter_to("ann@exmaple.com").await.link();
        site.letters_are("ann@exmaple.com", &["handed_over"]).await;
        let correction = form_of(&mut ann).await.form(ADDRESS).fill("email", "ann@example.com");
        let mut other = if is_own { ann.clone() } else { site.visitor() };
        let confirmation = other.open(&old).await.form("/confirm");
        let confirmation = if is_own { confirmation } else { confirmation.fill("password", PASSWORD) };
        let mut tx = site.database.pool().begin().await.expect("a transaction");
        sqlx::query("select from registrations for update").execute(&mut *tx).await.expect("a registration");
        let (corrected, confirmed, ()) = tokio::join!(
            ann.submit(correction),
            async {
                waiting(&site, 1).await;
                other.submit(confirmation).await
            },
            async {
                waiting(&site, 2).await;
                tx.commit().await.expect("a commit");
            },
        );
        corrected.is(303);
        confirmed.is(404);
        assert_eq!(site.count("users").await, 0);
        let link = site.sink.letter_to("ann@example.com").await.link();
        assert_eq!(ann.confirm(&link).await.path(), "/profile");
    }
}

#[tokio::test]
async fn one_form_id_sent_to_both_buttons_at_once_is_answered_by_both() {
    let site = Site::start().await;
    let mut ann = site.registered("ann@example.com").await;
    site.let_pass(time::Duration::minutes(1)).await;
    let again = ann.open("/register/letter").await.form("/register/letter/resend");
    let registration = site.value("select id from registrations").await;
    let letter = site.value("select id from letters").await;
    let body = format!("registration={registration}&form_id={letter}&email=b@example.com");
    let mut other = ann.clone();
    let mut tx = site.database.pool().begin().await.expect("a transaction");
    sqlx::query("select from registrations for update").execute(&mut *tx).await.expect("a registration");
    let (sent_again, corrected, ()) = tokio::join!(
        ann.submit(again),
        async {
            waiting(&site, 1).await;
            other.post(ADDRESS, &body).await
        },
        async {
            waiting(&site, 2).await;
            tx.commit().await.expect("a commit");
        },
    );
    sent_again.is(303);
    corrected.is(303);
    assert_eq!(site.count("letters").await, 2, "only one of them acts");
}

/// Ann, whose network has asked for as many letters as it may.
async fn past_the_letters_of_a_network(site: &Site) -> Visitor {
    let ann = site.registered("ann@exmaple.com").await;
    for other in 0..19 {
        site.visitor().register(&format!("a{other}@example.com"), PASSWORD).await;
    }
    ann
}

#[tokio::test]
async fn past_the_letters_of_a_network_a_captcha_is_wanted_and_all_that_is_wrong_is_said_at_once() {
    let site = Site::start().await;
    let mut ann = past_the_letters_of_a_network(&site).await;
    let form = form_of(&mut ann).await.form(ADDRESS);
    let page = ann.submit(form.fill("email", "ann").fill("captcha_answer", "1")).await;
    let fields: Vec<_> = page.is(422).complaints().into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["email", "captcha_answer"]);
    // A right answer holds while the address is still wrong.
    let form = ann.solve(page.form(ADDRESS)).await;
    let page = ann.submit(form.fill("email", "ann")).await;
    assert_eq!(page.is(422).complaints().len(), 1);
    assert!(page.has(".solved"));
    let form = page.form(ADDRESS).fill("email", "ann@example.com");
    let mut again = ann.clone();
    let (one, other) = tokio::join!(ann.submit(form.clone()), again.submit(form));
    one.is(303);
    other.is(303);
    site.letters_are("ann@example.com", &["handed_over"]).await;
}

#[tokio::test]
async fn where_captchas_are_off_a_network_waits_instead() {
    let site = Site::with(&[("CAPTCHA", "off")]).await;
    let mut ann = past_the_letters_of_a_network(&site).await;
    let page = correct(&mut ann, "ann@example.com").await;
    assert!(!page.is(429).header("retry-after").is_empty());
    assert_eq!(site.count("letters where recipient = 'ann@example.com'").await, 0);
}
