//! `/register`: five fields, all required, and one answer for known and unknown addresses.

use time::Duration;

use crate::support::{Act, PASSWORD, Page, Site, Stage, until};

#[tokio::test]
async fn everything_wrong_is_said_at_once_in_the_order_of_the_fields() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let form = ann.open("/register").await.form("/register");
    let page = ann.send(form).await;
    page.is(422);
    assert!(page.text("title").starts_with("Error: "));
    let fields: Vec<_> = page.complaints().into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["email", "password", "region", "captcha_answer", "account_type"]);
    assert_eq!(site.count("registrations").await + site.count("letters").await, 0);
}

#[tokio::test]
async fn what_was_typed_stays_except_the_password() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let form = ann.open("/register").await.form("/register");
    let form = form.fill("email", "ann").fill("password", "ab").fill("region", "Nowhereland");
    let page = ann.send(form.choose("account_type", "customer")).await;
    let fields: Vec<_> = page.complaints().into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["email", "password", "region", "captcha_answer"]);
    let form = page.is(422).form("/register");
    assert_eq!(form.value("email"), "ann");
    assert_eq!(form.value("region"), "Nowhereland");
    assert_eq!(form.value("account_type"), "customer");
    assert_eq!(form.value("password"), "");
}

#[tokio::test]
async fn the_owners_bounds_are_told_and_hold() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let page = ann.open("/register").await;
    assert!(page.text("#email-hint").contains("3 to 20 characters"));
    assert!(page.text("#password-hint").starts_with("3 to 20 characters"));
    let form = ann.registration_form("ann.long@example.comm", &"x".repeat(21)).await;
    let complaints = ann.send(form).await.complaints();
    assert!(complaints[0].1.contains("21 characters") && complaints[1].1.contains("21 characters"));
}

#[tokio::test]
async fn wider_bounds_can_be_set() {
    let site = Site::with(&[("EMAIL_MAX", "60"), ("PASSWORD_MIN", "12"), ("PASSWORD_MAX", "72")]).await;
    let email = "somebody.with.a.long.name@mail.example.com";
    let mut ann = site.visitor();
    let form = ann.registration_form(email, "short").await;
    assert_eq!(ann.send(form).await.complaints()[0].0, "password");
    site.user_with(email, &"long ".repeat(14)).await;
}

#[tokio::test]
async fn a_password_that_everybody_tries_first_is_refused_with_the_reason() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    for (password, reason) in [("Password", "tried first"), ("ANN@example.com", "your email address")] {
        let form = ann.registration_form("ann@example.com", password).await;
        let complaints = ann.send(form).await.complaints();
        assert!(complaints[0].0 == "password" && complaints[0].1.contains(reason), "{complaints:?}");
    }
}

#[tokio::test]
async fn a_slip_in_the_domain_is_pointed_out_and_may_be_ignored() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let form = ann.registration_form("ann@gmial.com", "").await;
    let page = ann.send(form).await;
    assert!(page.text("#email-live").contains("gmail.com"));
    let page = ann.register("ann@gmial.com", PASSWORD).await;
    page.says("Is there a slip in the address?");
}

#[tokio::test]
async fn without_scripts_the_region_is_chosen_from_a_list() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let form = ann.registration_form("ann@example.com", PASSWORD).await;
    let page = ann.send(form.fill("region", "georgia")).await;
    page.is(422);
    let form = page.form("/register");
    let choices = form.choices("region_id");
    assert!(choices.contains(&"GE".to_owned()) && choices.contains(&"US-GA".to_owned()), "{choices:?}");
    let page = ann.send(form.choose("region_id", "US-GA").fill("password", PASSWORD)).await;
    assert_eq!(page.path(), "/register/letter");
    assert_eq!(site.sql("select region_id from registrations").await, ["(US-GA)"]);
}

#[tokio::test]
async fn only_a_chosen_region_is_accepted() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    for (text, id) in
        [("", ""), ("Bavaria", ""), ("Bavaria", "XX-YY"), ("Bavaria", "FR"), ("Qwertyland", "DE-QQ")]
    {
        let form = ann.registration_form("ann@example.com", PASSWORD).await;
        let page = ann.send(form.fill("region", text).forge("region_id", id)).await;
        let complaints = page.is(422).complaints();
        assert!(complaints.len() == 1 && complaints[0].0 == "region", "{text} {id}: {complaints:?}");
    }
}

#[tokio::test]
async fn only_the_two_account_types_are_accepted() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let form = ann.registration_form("ann@example.com", PASSWORD).await;
    let page = ann.send(form.forge("region_id", "DE-BY").forge("account_type", "admin")).await;
    assert_eq!(page.is(422).complaints()[0].0, "account_type");
}

#[tokio::test]
async fn known_and_unknown_addresses_get_the_same_pages_and_different_letters() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let (mut stranger, mut bob) = (site.visitor(), site.visitor());
    let known = stranger.register("ann@example.com", "another password").await;
    let unknown = bob.register("bob@example.com", "another password").await;
    assert_eq!(known.status, unknown.status);
    site.letters_are("ann@example.com", &["handed_over"; 2]).await;
    site.letters_are("bob@example.com", &["handed_over"]).await;
    let known = stranger.open("/register/letter").await;
    let unknown = bob.open("/register/letter").await;
    known.says("Handed over");
    assert_eq!(blind(&known), blind(&unknown));

    let letter = site.sink.letters_to("ann@example.com", 2).await.remove(1);
    assert_eq!(letter.subject(), "You are registered already");
    assert!(!letter.text().contains("token=") && !letter.html().contains("token="));
    let letter = site.sink.letter_to("bob@example.com").await;
    assert_eq!(letter.subject(), "Confirm your registration");
}

#[tokio::test]
async fn a_refused_form_tells_nothing_about_the_address_either() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut pages = Vec::new();
    for email in ["ann@example.com", "bob@example.com"] {
        let mut visitor = site.visitor();
        let form = visitor.registration_form(email, "").await;
        pages.push(blind(&visitor.send(form).await));
    }
    assert_eq!(pages[0], pages[1]);
}

/// A page without its ids, times and the address that it is about.
fn blind(page: &Page) -> String {
    let mut words = Vec::new();
    for line in page.body.replace("ann@example.com", "EMAIL").replace("bob@example.com", "EMAIL").lines() {
        let is_id = |part: &str| part.len() == 36 && part.matches('-').count() == 4;
        let parts = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let mut line = line.to_owned();
        for part in parts.filter(|part| is_id(part)) {
            line = line.replace(part, "ID");
        }
        let mut line = line.as_str();
        // <time datetime="…">…</time>, and the picture's id behind a name.
        while let Some((before, rest)) = line.split_once("<time") {
            words.push(before.to_owned());
            line = rest.split_once("</time>").expect("a whole element").1;
        }
        let line = line.split("letter-").next().unwrap_or_default();
        words.push(line.to_owned());
    }
    words.join("\n")
}

#[tokio::test]
async fn the_letter_to_a_user_goes_to_the_stored_address() {
    let site = Site::start().await;
    site.user("Ann@example.com").await;
    site.visitor().register("aNN@EXAMPLE.com", PASSWORD).await;
    assert_eq!(site.sink.letters_to("Ann@example.com", 2).await[1].subject(), "You are registered already");
}

#[tokio::test]
async fn a_form_that_is_sent_twice_makes_one_registration_and_one_letter() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let form = ann.registration_form("ann@example.com", PASSWORD).await.forge("region_id", "DE-BY");
    for _ in 0..3 {
        let page = ann.submit(form.clone()).await;
        assert_eq!((page.is(303).header("location"), page.status.as_u16()), ("/register/letter", 303));
    }
    site.letters_are("ann@example.com", &["handed_over"]).await;
    assert_eq!(site.count("registrations").await, 1);
}

#[tokio::test]
async fn a_form_that_is_sent_twice_at_once_to_two_instances_makes_one_registration() {
    let mut site = Site::start().await;
    let mut ann = site.visitor();
    let form = ann.registration_form("ann@example.com", PASSWORD).await.forge("region_id", "DE-BY");
    let mut again = ann.clone();
    site.start_server().await;
    again.go_to_instance(site.address());
    let (one, other) = tokio::join!(ann.submit(form.clone()), again.submit(form));
    assert_eq!(
        (one.is(303).header("location"), other.is(303).header("location")),
        ("/register/letter", "/register/letter")
    );
    site.letters_are("ann@example.com", &["handed_over"]).await;
    assert_eq!(site.count("registrations").await, 1);
    assert_eq!(site.sink.count(), 1);
}

#[tokio::test]
async fn a_registration_reserves_nothing_and_is_no_user() {
    let site = Site::start().await;
    site.visitor().register("ann@example.com", "a stranger's one").await;
    site.sink.letter_to("ann@example.com").await;
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    let link = site.sink.letters_to("ann@example.com", 2).await[1].link();
    assert_eq!(ann.confirm(&link).await.path(), "/profile");
    let page = site.visitor().try_password("ann@example.com", "a stranger's one").await;
    page.is(422).says("The email address or the password is wrong.");
}

#[tokio::test]
async fn a_registration_runs_out_seven_days_after_its_letter_left() {
    let mut site = Site::start().await;
    let mut ann = site.visitor();
    site.sink.always(Stage::Rcpt, Act::Say("450 later"));
    ann.register("ann@example.com", PASSWORD).await;
    site.letters_are("ann@example.com", &["delayed"]).await;
    site.sink.behave();
    site.let_pass(Duration::hours(20)).await;
    let link = site.sink.letter_to("ann@example.com").await.link();
    site.letters_are("ann@example.com", &["handed_over"]).await;

    site.let_pass(Duration::days(7) - Duration::minutes(1)).await;
    ann.open(&link).await.is(200);
    assert!(ann.open("/register/letter").await.has("[data-live]"));
    site.let_pass(Duration::minutes(2)).await;
    ann.open(&link).await.is(404).says("This link is not good");
    ann.open("/register/letter").await.says("No letter is under way");
    site.restart_with(&[]).await;
    until("the registration to be forgotten", async || {
        (site.count("registrations").await + site.count("confirmation_tokens").await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_closed_network_can_do_without_captchas() {
    let site = Site::with(&[("CAPTCHA", "off")]).await;
    let mut ann = site.visitor();
    let form = ann.open("/register").await.form("/register");
    assert!(!form.has("captcha_id") && !form.has("captcha_answer"));
    ann.register("ann@example.com", PASSWORD).await;
}

#[tokio::test]
async fn a_registration_without_a_letter_runs_out_seven_days_after_it_was_made() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    let link = site.sink.letter_to("ann@example.com").await.link();
    site.letters_are("ann@example.com", &["handed_over"]).await;
    site.sql("delete from letters").await;
    site.let_pass(Duration::days(7) - Duration::minutes(1)).await;
    ann.open(&link).await.is(200);
    site.let_pass(Duration::minutes(2)).await;
    ann.open(&link).await.is(404);
}

#[tokio::test]
async fn where_there_are_no_captchas_a_client_causes_twenty_letters_an_hour() {
    let site = Site::with(&[("CAPTCHA", "off")]).await;
    let mut eve = site.visitor().at("192.0.2.1");
    for number in 1..=20 {
        let form = eve.registration_form(&format!("a{number}@example.com"), PASSWORD).await;
        eve.submit(form.forge("region_id", "DE-BY")).await.is(303);
    }
    let form = eve.registration_form("ann@example.com", PASSWORD).await.forge("region_id", "DE-BY");
    let page = eve.submit(form.clone()).await;
    let seconds: u32 = page.is(429).header("retry-after").parse().expect("seconds");
    assert!((1..=3601).contains(&seconds), "{seconds}");
    assert_eq!(site.count("registrations").await, 20);
    site.visitor().at("192.0.2.2").register("ann@example.com", PASSWORD).await;
    site.let_pass(Duration::hours(1)).await;
    eve.submit(form).await.is(303);
}
