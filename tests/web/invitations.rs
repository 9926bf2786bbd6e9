//! `vestibule users invite`: a link that opens one registration without a captcha.

use time::Duration;
use vestibule::accounts::invitations;

use crate::support::{Form, PASSWORD, Site, Visitor};

const ANN: &str = "ann@example.com";
const GONE: &str = "This invitation was used already, or has run out. You can register without it.";

/// Invites somebody, and returns the link that the letter brings.
async fn invited(site: &Site, email: &str) -> String {
    let invited = site.json(&["users", "invite", email]);
    assert_eq!(invited["email"], email);
    assert!(invited["letter_id"].is_string(), "{invited}");
    site.letter(email, "Your invitation to register", 0).await.link()
}

/// The form behind such a link, filled in but for what it holds already.
async fn filled_in(visitor: &mut Visitor, link: &str) -> Form {
    let form = visitor.open(link).await.form("/register");
    form.fill("password", PASSWORD)
        .fill("region", "Bavaria")
        .forge("region_id", "DE-BY")
        .choose("account_type", "artist")
}

#[tokio::test]
async fn the_link_opens_one_registration_without_a_captcha() {
    let site = Site::start().await;
    let link = invited(&site, ANN).await;
    let token = link.split_once("invite=").expect("a token").1;
    assert!(!site.dump().await.contains(token), "it is kept hashed");
    let mut ann = site.visitor();
    let page = ann.open(&link).await;
    page.is(200);
    let form = page.form("/register");
    assert_eq!(form.value("email"), ANN);
    assert!(!form.has("captcha_answer") && site.count("captchas").await == 0);

    let form = filled_in(&mut ann, &link).await;
    let refused = ann.submit(form.fill("password", "")).await;
    refused.is(422);
    assert!(!refused.form("/register").has("captcha_answer"), "what is refused costs nothing");
    let form = refused.form("/register").fill("password", PASSWORD);
    assert_eq!(ann.submit(form).await.is(303).header("location"), "/register/letter");
    let confirm = site.letter(ANN, "Confirm your registration", 0).await.link();
    assert_eq!(site.count("users").await, 0, "it confirms nothing");
    assert_eq!(ann.confirm(&confirm).await.path(), "/profile");

    let page = site.visitor().open(&link).await;
    page.is(410).says(GONE);
    assert!(page.form("/register").has("captcha_answer") && !page.form("/register").has("invite"));
}

#[tokio::test]
async fn one_link_serves_one_form_however_many_are_sent() {
    let site = Site::start().await;
    let link = invited(&site, ANN).await;
    let mut visitors: Vec<_> = (0..5).map(|_| site.visitor()).collect();
    let mut forms = Vec::new();
    for (number, visitor) in visitors.iter_mut().enumerate() {
        forms.push(filled_in(visitor, &link).await.fill("email", &format!("ann{number}@example.com")));
    }
    let sent = visitors.iter_mut().zip(forms).map(|(visitor, form)| visitor.submit(form));
    let pages = futures_util::future::join_all(sent).await;
    assert_eq!(pages.iter().filter(|page| page.status == 303).count(), 1);
    assert_eq!(site.count("registrations").await, 1);
    for page in pages.iter().filter(|page| page.status != 303) {
        assert!(page.is(422).form("/register").has("captcha_answer"));
        assert!(!page.form("/register").has("invite"));
    }
}

#[tokio::test]
async fn a_link_that_ran_out_or_never_was_leads_to_the_form_that_everybody_gets() {
    let site = Site::start().await;
    let link = invited(&site, ANN).await;
    site.all_settled().await;
    site.let_pass(invitations::LIFETIME - Duration::minutes(1)).await;
    let mut ann = site.visitor();
    ann.open(&link).await.is(200);
    let form = filled_in(&mut ann, &link).await;
    site.let_pass(Duration::minutes(2)).await;
    let never = format!("/register?invite={}", "a".repeat(43));
    for link in [link.as_str(), &never, "/register?invite=", "/register?invite=%00%ff"] {
        let page = ann.open(link).await;
        page.is(410).says(GONE);
        assert!(page.form("/register").has("captcha_answer"));
    }
    ann.submit(form).await.is(422).says("Enter the result of the task");
    assert_eq!(site.count("registrations").await, 0);
}

#[tokio::test]
async fn who_could_not_register_is_not_invited() {
    let site = Site::start().await;
    let mut ann = site.user(ANN).await;
    site.fails(&["users", "invite", "ANN@example.com"], 1, "is a user already");
    site.change_email(&mut ann, "ann@example.org").await;
    site.fails(&["users", "invite", ANN], 1, "is kept for who gave it up lately");
    site.fails(&["users", "invite", "anns.long.address@example.com"], 1, "no more than 20");
    site.fails(&["users", "invite", "ann"], 1, "Enter an email address");
    assert_eq!(site.count("invitations").await, 0);
}
