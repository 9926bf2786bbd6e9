//! The help: the owner's five entries, each with a page that goes further.

use std::collections::BTreeSet;

use crate::support::{PASSWORD, Site};

const ENTRIES: [(&str, &str); 5] = [
    ("change-data", "Can I change my data after registration?"),
    ("recover-password", "How do I recover my password?"),
    ("letter", "The letter is not coming!"),
    ("log-in", "I can’t log in to my account."),
    ("registration", "Registration"),
];

#[tokio::test]
async fn the_five_entries_stand_in_order_each_with_more_detailed() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let page = ann.open("/help").await;
    assert_eq!(page.is(200).text("h1"), "Authorization and password");
    assert_eq!(page.texts("details summary"), ENTRIES.map(|(_, question)| question));
    for (slug, question) in ENTRIES {
        assert!(page.text(&format!("#{slug} a[href='/help/{slug}']")).starts_with("More detailed"));
        let page = ann.open(&format!("/help/{slug}")).await;
        assert_eq!(page.is(200).text("h1"), question);
        assert!(page.has("main a.main.button"), "{slug} leads to its form");
    }
    ann.open("/help/nonsense").await.is(404);
}

#[tokio::test]
async fn the_owners_words_are_there() {
    let site = Site::start().await;
    let page = site.visitor().open("/help").await;
    for words in [
        "Yes, it can be done! But keep in mind that this may confuse those users who have already noticed you.",
        "Try to use this feature only in extreme cases, when the data has become irrelevant: loss of the phone, change of email, or something similar.",
        "feel free to click on the button “Have you forgotten your password?”",
        "the system will generate a new password and send it to this address",
        "it can take up to a day",
        "something has definitely gone wrong",
        "whether the ill-fated Caps Lock is enabled – the system is case-sensitive",
        "no shorter than 3 and no longer than 20 characters",
        "You can choose from two types: the customer and the artist.",
    ] {
        page.says(words);
    }
}

#[tokio::test]
async fn the_numbers_are_those_of_the_settings() {
    let site =
        Site::with(&[("PASSWORD_MIN", "8"), ("PASSWORD_MAX", "72"), ("THROTTLE", "off"), ("CAPTCHA", "off")])
            .await;
    let mut ann = site.visitor();
    ann.open("/help").await.says("The password must be no shorter than 8 and no longer than 72 characters.");
    ann.open("/help/registration").await.says("8 to 72 characters");
    ann.open("/help/change-data").await.says("a new one of 8 to 72 characters");
    ann.open("/help/registration").await.does_not_say("The image shows");
    ann.open("/help/log-in").await.does_not_say("wrong passwords from one internet connection");
}

#[tokio::test]
async fn how_data_is_changed_is_told_whole() {
    let site = Site::start().await;
    let page = site.visitor().open("/help/change-data").await;
    for words in [
        "may confuse those users who have already noticed you",
        "with a button Take back",
        "up to 50 characters",
        "can be undone within 7 days",
        "“This was not me”, good for 7 days",
        "can be taken back for 7 days",
    ] {
        page.says(words);
    }
    for form in ["details", "email", "password", "export", "delete"] {
        assert!(page.has(&format!("main a[href='/profile/{form}']")), "{form}");
    }
}

#[tokio::test]
async fn every_link_of_the_site_leads_somewhere() {
    let site = Site::start().await;
    for mut visitor in [site.visitor(), site.user("ann@example.com").await] {
        let mut seen = BTreeSet::new();
        let mut ahead = vec!["/".to_owned(), "/help".to_owned(), "/register/letter".to_owned()];
        while let Some(path) = ahead.pop() {
            if !seen.insert(path.clone()) {
                continue;
            }
            let page = visitor.open(&path).await;
            page.is(200);
            if !page.header("content-type").starts_with("text/html") {
                continue;
            }
            for (css, name) in [("a", "href"), ("link", "href"), ("script", "src"), ("img", "src")] {
                let found = page.attributes(css, name);
                for target in found.into_iter().filter(|target| !target.starts_with("mailto:")) {
                    match target.strip_prefix('#') {
                        Some(id) => assert!(page.has(&format!("[id='{id}']")), "{path} has no {target}"),
                        None if target.starts_with("https://") => assert_eq!(path, "/about-the-data"),
                        None => ahead.push(target.split('#').next().unwrap_or_default().to_owned()),
                    }
                }
            }
        }
        assert!(seen.len() > 15, "{seen:?}");
    }
}

#[tokio::test]
async fn the_sources_of_the_regions_are_named() {
    let site = Site::start().await;
    let page = site.visitor().open("/about-the-data").await;
    for words in ["Unicode CLDR", "Unicode License v3", "GeoNames", "CC BY 4.0"] {
        page.says(words);
    }
}

#[tokio::test]
async fn the_help_says_within_how_long_letters_leave_at_present() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    for path in ["/help", "/help/letter"] {
        ann.open(path).await.does_not_say("t present letters leave within");
    }
    ann.register("ann@example.com", PASSWORD).await;
    site.letters_are("ann@example.com", &["handed_over"]).await;
    for path in ["/help", "/help/letter"] {
        ann.open(path).await.says("t present letters leave within a minute");
    }
    site.sql("update letters set settled_at = due_at + interval '7 minutes'").await;
    site.let_pass(time::Duration::minutes(8)).await;
    ann.open("/help").await.says("at present letters leave within 7 minutes");
    site.let_pass(time::Duration::days(1)).await;
    ann.open("/help").await.does_not_say("letters leave within");
}
