//! `/confirm`: the answer to a letter, which alone makes a user.

use time::Duration;

use crate::support::{Delivered, PASSWORD, Site, Visitor};

#[tokio::test]
async fn the_browser_that_registered_needs_only_the_button() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    let link = site.sink.letter_to("ann@example.com").await.link();
    let page = ann.open(&link).await;
    page.says("ann@example.com");
    page.says("as artist, in Bavaria, Germany");
    let form = page.form("/confirm");
    assert!(!form.has("password"));
    let page = ann.send(form).await;
    assert_eq!(page.path(), "/profile");
    assert!(page.text("header .here").contains("ann@example.com"));
}

#[tokio::test]
async fn any_other_browser_needs_the_chosen_password_too() {
    let site = Site::start().await;
    site.visitor().register("ann@example.com", PASSWORD).await;
    let link = site.sink.letter_to("ann@example.com").await.link();
    let mut phone = site.visitor();
    let form = phone.open(&link).await.form("/confirm");
    for wrong in ["", "not the one", "GREEN ELEPHANT 7"] {
        let page = phone.send(form.clone().fill("password", wrong)).await;
        assert_eq!(page.is(422).complaints()[0].0, "password");
        assert_eq!(page.form("/confirm").value("password"), "");
    }
    assert_eq!(site.count("users").await, 0);
    let page = phone.send(form.fill("password", PASSWORD)).await;
    assert_eq!(page.path(), "/profile");
}

#[tokio::test]
async fn a_link_scanner_confirms_nothing() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    let link = site.sink.letter_to("ann@example.com").await.link();
    for _ in 0..3 {
        site.visitor().open(&link).await.is(200);
    }
    assert_eq!(site.count("users").await, 0);
    assert_eq!(ann.confirm(&link).await.path(), "/profile");
}

#[tokio::test]
async fn after_ten_wrong_passwords_a_captcha_is_wanted() {
    let site = Site::start().await;
    site.visitor().register("ann@example.com", PASSWORD).await;
    let link = site.sink.letter_to("ann@example.com").await.link();
    let mut phone = site.visitor();
    let mut page = phone.open(&link).await;
    for wrong in 1..=10 {
        assert!(!page.form("/confirm").has("captcha_id"), "{wrong}");
        page = phone.send(page.form("/confirm").fill("password", "wrong")).await;
    }
    let page = phone.send(page.form("/confirm").fill("password", PASSWORD)).await;
    assert_eq!(page.is(422).complaints()[0].0, "captcha_answer");
    assert_eq!(site.count("users").await, 0);
    let form = phone.solve(page.form("/confirm")).await;
    assert_eq!(phone.send(form.fill("password", PASSWORD)).await.path(), "/profile");
}

#[tokio::test]
async fn another_task_is_had_on_the_slowed_form_without_losing_the_link() {
    let site = Site::start().await;
    site.visitor().register("ann@example.com", PASSWORD).await;
    let link = site.sink.letter_to("ann@example.com").await.link();
    let mut phone = site.visitor();
    let mut page = phone.open(&link).await;
    for _ in 0..10 {
        page = phone.send(page.form("/confirm").fill("password", "wrong")).await;
    }
    let form = page.form("/confirm");
    let (id, token) = (form.value("captcha_id"), form.value("token"));
    let page = phone.send(form.press("new_captcha")).await;
    let form = page.is(200).form("/confirm");
    assert!(page.complaints().is_empty());
    assert_ne!(form.value("captcha_id"), id);
    assert_eq!(form.value("token"), token);
    let form = phone.solve(form).await.fill("password", PASSWORD);
    assert_eq!(phone.send(form).await.path(), "/profile");
}

#[tokio::test]
async fn one_answer_lets_one_password_through() {
    let site = Site::start().await;
    site.visitor().register("ann@example.com", PASSWORD).await;
    let link = site.sink.letter_to("ann@example.com").await.link();
    let mut phone = site.visitor();
    let mut page = phone.open(&link).await;
    for _ in 0..10 {
        page = phone.send(page.form("/confirm").fill("password", "wrong")).await;
    }
    let form = phone.solve(page.form("/confirm")).await;
    let page = phone.send(form.clone().fill("password", "wrong")).await;
    assert_eq!(page.complaints()[0].0, "password");
    let page = phone.send(form.fill("password", PASSWORD)).await;
    assert_eq!(page.is(422).complaints()[0].0, "captcha_answer");
}

#[tokio::test]
async fn without_captchas_the_eleventh_waits_and_the_own_browser_never_does() {
    let site = Site::with(&[("CAPTCHA", "off")]).await;
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    let link = site.sink.letter_to("ann@example.com").await.link();
    let mut stranger = site.visitor().at("192.0.2.1");
    let form = stranger.open(&link).await.form("/confirm");
    for _ in 0..10 {
        stranger.send(form.clone().fill("password", "wrong")).await.is(422);
    }
    let page = stranger.send(form.clone().fill("password", PASSWORD)).await;
    assert!(!page.is(429).header("retry-after").is_empty());
    assert_eq!(ann.confirm(&link).await.path(), "/profile");
}

#[tokio::test]
async fn a_used_link_leads_its_user_to_the_profile_and_others_to_log_in_with_a_sentence() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    let link = site.sink.letter_to("ann@example.com").await.link();
    ann.confirm(&link).await;
    let page = ann.open(&link).await;
    assert_eq!(page.path(), "/profile");
    page.says("confirmed before");
    let page = site.visitor().open(&link).await;
    assert_eq!(page.path(), "/login");
    page.says("confirmed before");
    let page = site.user("bob@example.com").await.open(&link).await;
    assert_eq!(page.path(), "/profile", "who is logged in is led on from log in");
    assert!(page.text("header .here").contains("bob@example.com"));
}

#[tokio::test]
async fn who_logged_out_is_not_logged_in_again_by_the_same_button() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    let link = site.sink.letter_to("ann@example.com").await.link();
    let form = ann.open(&link).await.form("/confirm");
    assert_eq!(ann.send(form.clone()).await.path(), "/profile");
    ann.log_out().await;
    site.let_pass(Duration::seconds(5)).await;
    let page = ann.submit(form).await;
    assert_eq!(page.is(303).header("location"), "/login?because=already-confirmed");
    assert!(!ann.cookies.contains_key("session"));
    assert_eq!(site.count("sessions").await, 0);
}

#[tokio::test]
async fn a_used_link_does_not_make_a_deleted_user_again() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    let link = site.sink.letter_to("ann@example.com").await.link();
    let form = ann.open(&link).await.form("/confirm");
    ann.send(form.clone()).await;
    site.sql("update users set deletion_due_at = created_at").await;
    site.sql("delete from users").await;
    ann.open(&link).await.is(404).says("This link is not good");
    ann.send(form).await.is(404);
    assert_eq!(site.count("users").await, 0);
}

#[tokio::test]
async fn what_never_was_a_link_is_a_page_with_ways_on() {
    let site = Site::start().await;
    let never = "A".repeat(43);
    for link in ["/confirm".to_owned(), "/confirm?token=abc".to_owned(), format!("/confirm?token={never}")] {
        let page = site.visitor().open(&link).await;
        page.is(404).says("This link is not good");
        assert_eq!(page.attributes(".ways a", "href"), ["/register", "/login"]);
    }
    site.visitor().post("/confirm", &format!("token={never}")).await.is(404);
}

#[tokio::test]
async fn who_is_logged_in_as_somebody_else_is_told_before_the_button() {
    let site = Site::start().await;
    let mut bob = site.user("bob@example.com").await;
    let before = bob.clone();
    bob.register("ann@example.com", PASSWORD).await;
    let link = site.sink.letter_to("ann@example.com").await.link();
    let page = bob.open(&link).await;
    page.says("You are logged in here as bob@example.com.");
    let page = bob.send(page.form("/confirm")).await;
    assert!(page.text("header .here").contains("ann@example.com"));
    assert_eq!(before.clone().open("/profile").await.path(), "/login", "the other's session is over");
}

#[tokio::test]
async fn the_others_go_on_looking_the_same_when_one_of_several_has_become_a_user() {
    let site = Site::start().await;
    let (mut ann, mut stranger) = (site.visitor(), site.visitor());
    stranger.register("ann@example.com", "a stranger's one").await;
    let first = site.sink.letter_to("ann@example.com").await.link();
    ann.register("ann@example.com", PASSWORD).await;
    let second = site.sink.letters_to("ann@example.com", 2).await[1].link();
    ann.confirm(&second).await;
    assert!(stranger.open("/register/letter").await.words().contains("Handed over"));
    let page = stranger.open(&first).await;
    page.is(410).says("You have this account already");
    assert!(page.has(".ways a[href='/login']"));
    let token = first.rsplit_once('=').expect("a token").1;
    stranger.post("/confirm", &format!("token={token}")).await.is(410);
    assert_eq!(site.count("users").await, 1);
}

#[tokio::test]
async fn each_letter_of_several_answers_its_own_registration() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    ann.register("ann@example.com", "the first one").await;
    let first = site.sink.letter_to("ann@example.com").await.link();
    ann.register("ann@example.com", "the second one").await;
    site.sink.letters_to("ann@example.com", 2).await;
    ann.confirm(&first).await;
    let page = site.visitor().try_password("ann@example.com", "the first one").await;
    assert_eq!(page.path(), "/profile");
}

#[tokio::test]
async fn a_confirmation_that_is_sent_twice_is_answered_as_the_first_time() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    let link = site.sink.letter_to("ann@example.com").await.link();
    let form = ann.open(&link).await.form("/confirm");
    let mut again = ann.clone();
    let (one, other) = tokio::join!(ann.submit(form.clone()), again.submit(form.clone()));
    for page in [one, other, ann.submit(form).await] {
        assert_eq!(page.is(303).header("location"), "/profile");
    }
    assert_eq!(site.count("users").await + site.count("accounts").await, 2);
}

#[tokio::test]
async fn two_registrations_of_one_address_confirmed_at_once_make_one_user() {
    let site = Site::start().await;
    let (mut ann, mut other) = (site.visitor(), site.visitor());
    ann.register("ann@example.com", PASSWORD).await;
    other.register("ann@example.com", "another one").await;
    let letters = site.sink.letters_to("ann@example.com", 2).await;
    let mut links = letters.iter().map(Delivered::link);
    let (one, two) = (links.next().expect("a link"), links.next().expect("a link"));
    // Which link is whose is unknown: the page asks for the password in the other's browser.
    let pages = tokio::join!(confirm_own(&mut ann, &one, &two), confirm_own(&mut other, &one, &two));
    let mut statuses = [pages.0, pages.1];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 410]);
    assert_eq!(site.count("users").await, 1);
}

/// Confirms the one of two links that this browser made, and says the status.
async fn confirm_own(visitor: &mut Visitor, one: &str, two: &str) -> u16 {
    for link in [one, two] {
        let page = visitor.open(link).await;
        if page.status == 200 && !page.form("/confirm").has("password") {
            return visitor.submit(page.form("/confirm")).await.status.as_u16();
        }
        if page.status == 410 {
            return 410;
        }
    }
    panic!("neither link is this browser's")
}

#[tokio::test]
async fn a_link_that_ran_out_says_so() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    let link = site.sink.letter_to("ann@example.com").await.link();
    site.letters_are("ann@example.com", &["handed_over"]).await;
    let form = ann.open(&link).await.form("/confirm");
    site.let_pass(Duration::days(7)).await;
    ann.send(form).await.is(404).says("a registration waits 7 days");
    assert_eq!(site.count("users").await, 0);
}

/// Registers once more with an address that has an artist, as customer, and returns the letter's link.
async fn second_registration(site: &Site, visitor: &mut Visitor) -> String {
    visitor.register_as("ann@example.com", "another password", "customer").await;
    let letter = site.letter("ann@example.com", "You are registered already", 0).await;
    assert!(letter.text().contains("You are registered already as artist"), "{}", letter.text());
    letter.link()
}

#[tokio::test]
async fn a_known_address_adds_the_other_type_by_the_button_logged_in_as_its_user() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let link = second_registration(&site, &mut ann).await;
    let page = ann.open(&link).await;
    page.is(200).says("Add a customer account");
    assert_eq!(page.text("main button"), "Add the customer account in Bavaria, Germany");
    assert!(!page.has("#password"), "the chosen password is dropped");
    for _ in 0..2 {
        let page = ann.submit(page.form("/confirm")).await;
        assert_eq!(page.is(303).header("location"), "/profile/accounts?because=added");
    }
    assert_eq!((site.count("accounts").await, site.count("pairs").await), (2, 1));
    site.visitor().try_password("ann@example.com", "another password").await.is(422);
    assert_eq!(ann.open(&link).await.address, "/profile?because=already-confirmed");
    ann.log_out().await;
    assert_eq!(ann.open(&link).await.address, "/login?because=already-confirmed");
}

#[tokio::test]
async fn anybody_else_logs_in_first_and_comes_back() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut stranger = site.visitor();
    let link = second_registration(&site, &mut stranger).await;
    let page = stranger.get(&link).await;
    assert!(
        page.is(303).header("location").starts_with("/login?because=log-in-first&next=%2Fconfirm%3Ftoken%3D")
    );
    let page = stranger.follow(page).await;
    let form = page.form("/login").fill("email", "ann@example.com").fill("password", PASSWORD);
    stranger.send(form).await.says("Add a customer account");

    let mut bob = site.user("bob@example.com").await;
    let page = bob.open(&link).await;
    page.is(410).says("Log in to add the account");
    assert!(page.has("main form[action='/logout']"));
    let token = link.rsplit_once('=').expect("a token").1;
    bob.post("/confirm", &format!("token={token}")).await.is(410);
    assert_eq!(site.count("accounts").await, 2);
}

#[tokio::test]
async fn what_is_held_or_linked_already_is_said_with_what_can_be_done() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let link = second_registration(&site, &mut ann).await;
    site.give_customer_account("ann@example.com").await;
    let page = ann.open(&link).await;
    page.is(410).says("You have this account already");
    assert!(page.has("a[href='/profile/accounts']") && page.has("a[href='/login']"));

    let mut bob = site.user("bob@example.com").await;
    site.sql("update users set email = 'eve@example.com', email_key = 'eve@example.com' where email = 'ann@example.com'").await;
    let letters = site.sink.count();
    let mut cy = site.visitor();
    cy.register_as("cy@example.com", PASSWORD, "customer").await;
    let link = site.letter("cy@example.com", "Confirm your registration", letters).await.link();
    cy.confirm(&link).await;
    let form = bob.open("/profile/accounts").await.forms("/profile/accounts").remove(1);
    let form =
        form.fill("email", "cy@example.com").fill("password", PASSWORD).fill("current_password", PASSWORD);
    bob.submit(form).await.is(303);
    bob.register_as("bob@example.com", PASSWORD, "customer").await;
    let letter = site.letter("bob@example.com", "You are registered already", 0).await;
    assert!(letter.text().contains("unlink them first"), "{}", letter.text());
    assert!(!letter.text().contains("token="), "nothing can be confirmed");
}

#[tokio::test]
async fn a_second_registration_confirmed_while_logged_in_offers_to_link_right_there() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    ann.register_as("bob@example.com", "another password", "customer").await;
    let link = site.letter("bob@example.com", "Confirm your registration", 0).await.link();
    let page = ann.confirm(&link).await;
    assert_eq!(page.path(), "/profile/accounts");
    let form = page.forms("/profile/accounts").remove(1);
    assert_eq!(form.value("email"), "ann@example.com");
    let form = form.fill("password", PASSWORD).fill("current_password", "another password");
    assert_eq!(ann.submit(form).await.is(303).header("location"), "/profile/accounts?because=linked");

    // Nobody reads another's address by way of it.
    let id = site.value("select id from users where email = 'ann@example.com'").await;
    let mut eve = site.user("eve@example.com").await;
    let page = eve.open(&format!("/profile/accounts?other={id}")).await;
    assert_eq!(page.forms("/profile/accounts").remove(1).value("email"), "");
}
