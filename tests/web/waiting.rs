//! `/register/letter`: what is true of the letters of this browser's registrations.

use time::Duration;

use crate::support::{Act, PASSWORD, Site, Stage};

#[tokio::test]
async fn a_browser_that_never_registered_is_offered_to() {
    let site = Site::start().await;
    let page = site.visitor().open("/register/letter").await;
    page.is(200).says("No letter is under way");
    assert_eq!(page.attributes(".ways a", "href"), ["/register", "/login"]);
}

#[tokio::test]
async fn a_letter_in_a_workers_hand_and_one_behind_it_are_told_apart() {
    let site = Site::with(&[("MAIL_WORKERS", "1")]).await;
    site.sink.always(Stage::Dot, Act::Hang);
    let (mut ann, mut bob) = (site.visitor(), site.visitor());
    ann.register("ann@example.com", PASSWORD).await;
    site.sink.command("DATA", 1).await;
    let page = bob.register("bob@example.com", PASSWORD).await;
    page.says("Queued It is the next of its kind to leave, expected at ");
    let page = site.visitor().register("eve@example.com", PASSWORD).await;
    page.says("Queued 1 letter of its kind leaves before it, expected at ");
    assert!(!page.has("[data-final]"));
    ann.open("/register/letter").await.says("On its way to our mail service");
    site.sink.drop_connections();
}

#[tokio::test]
async fn a_long_line_is_counted_up_to_a_thousand_and_says_when_none_leaves() {
    let site = Site::with(&[("MAIL_WORKERS", "1")]).await;
    site.sink.always(Stage::Dot, Act::Hang);
    let (mut ann, mut bob) = (site.visitor(), site.visitor());
    ann.register("ann@example.com", PASSWORD).await;
    site.sink.command("DATA", 1).await;
    bob.register("bob@example.com", PASSWORD).await;
    let waiting = |letters: i32| {
        format!(
            "insert into letters (id, kind, recipient, priority, created_at, due_at)
             select gen_random_uuid(), 'registration', 'x@example.com', 1, now() - interval '5 minutes',
                 now() - interval '5 minutes' from generate_series(1, {letters}) as n"
        )
    };
    site.sql(&waiting(1000)).await;
    let page = bob.open("/register/letter").await;
    page.says("Queued 1000 letters of its kind leave before it. None has left in the last minutes.");
    site.sql(&waiting(1)).await;
    bob.open("/register/letter").await.says("Queued More than 1000 letters of its kind leave before it.");
    site.sink.drop_connections();
}

#[tokio::test]
async fn the_count_does_not_tell_whose_recovery_was_asked_for() {
    let site = Site::with(&[("MAIL_WORKERS", "1")]).await;
    site.user("ann@example.com").await;
    site.hold_letters_up().await;
    let mut stranger = site.visitor();
    stranger.register("bob@example.com", PASSWORD).await.says("It is the next of its kind to leave");
    for email in ["eve@example.com", "ann@example.com"] {
        site.visitor().recover(email).await;
        stranger.open("/register/letter").await.says("It is the next of its kind to leave");
    }
    assert_eq!(site.count("letters where state = 'queued' and priority = 0").await, 1);
    site.sink.drop_connections();
}

#[tokio::test]
async fn a_letter_that_was_taken_says_when_and_for_whom() {
    let site = Site::start().await;
    let mut ann = site.registered("ann@example.com").await;
    let page = ann.open("/register/letter").await;
    page.says("Handed over to our mail service at ");
    page.says("for example.com");
    page.says("Look into the folder for unwanted mail, too.");
    page.does_not_say("Something has gone wrong");
}

#[tokio::test]
async fn a_delayed_letter_says_why_and_leaves_at_the_next_try() {
    let site = Site::start().await;
    site.sink.once(Stage::Rcpt, Act::Say("450 4.2.1 come back later"));
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    site.letters_are("ann@example.com", &["delayed"]).await;
    let page = ann.open("/register/letter").await;
    page.says("Delayed The reason: “450 4.2.1 come back later”. The next try is at ");
    site.let_pass(Duration::minutes(2)).await;
    site.letters_are("ann@example.com", &["handed_over"]).await;
    ann.open("/register/letter").await.says("Handed over to our mail service");
}

#[tokio::test]
async fn a_refused_letter_gives_the_servers_words_without_links_or_markup() {
    let site = Site::start().await;
    site.sink.once(Stage::Rcpt, Act::Say("550 5.1.1 <b>no such user</b> see https://evil.example/x"));
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    site.letters_are("ann@example.com", &["refused"]).await;
    site.let_pass(Duration::minutes(1)).await;
    let page = ann.open("/register/letter").await;
    page.says("Refused The reason: “550 5.1.1 <b>no such user</b> see”.");
    page.says("This letter does not arrive. Check the address above.");
    page.does_not_say("<b>no such");
    page.does_not_say("evil.example");
    assert!(page.has("[data-live][data-final] .notice a[href^='/register/letter/address?registration=']"));
    assert!(page.has(".notice a[href^='/support?letter=']"));
}

#[tokio::test]
async fn a_slip_is_pointed_out_also_where_the_letter_was_refused() {
    let site = Site::start().await;
    site.sink.once(Stage::Rcpt, Act::Say("550 5.1.1 no such user"));
    let mut ann = site.visitor();
    ann.register("ann@gmial.com", PASSWORD).await;
    site.letters_are("ann@gmial.com", &["refused"]).await;
    site.let_pass(Duration::minutes(2)).await;
    ann.open("/register/letter").await.says("Is there a slip in the address?");
}

#[tokio::test]
async fn a_corrected_address_has_a_day_of_its_own() {
    let site = Site::start().await;
    let mut ann = site.registered("ann@exmaple.com").await;
    site.let_pass(Duration::hours(25)).await;
    let page = ann.open("/register/letter").await;
    page.says("Something has gone wrong");
    let to = page.attributes("section a[href^='/register/letter/address']", "href").remove(0);
    let form = ann.open(&to).await.form("/register/letter/address").fill("email", "ann@example.com");
    ann.send(form).await.does_not_say("Something has gone wrong");
}

#[tokio::test]
async fn a_letter_that_was_tried_for_a_day_is_given_up() {
    let site = Site::start().await;
    site.sink.always(Stage::Greeting, Act::Say("421 4.3.2 not now"));
    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    site.letters_are("ann@example.com", &["delayed"]).await;
    site.let_pass(Duration::hours(25)).await;
    site.letters_are("ann@example.com", &["given_up"]).await;
    site.let_pass(Duration::minutes(1)).await;
    let page = ann.open("/register/letter").await;
    page.says("Given up It was tried for a day.");
    assert!(page.has(".notice a[href^='/support?letter=']"));
    assert!(page.has("[data-live][data-final]"));
}

#[tokio::test]
async fn five_letters_a_day_go_to_one_address_and_the_sixth_says_when_it_leaves() {
    let site = Site::with(&[("CAPTCHA", "off")]).await;
    let mut pages = Vec::new();
    for _ in 0..6 {
        pages.push(site.visitor().register("ann@example.com", PASSWORD).await);
    }
    assert!(pages[..5].iter().all(|page| !page.words().contains("Held back")));
    pages[5]
        .says("Held back 5 letters a day go to one address, and as many were asked for; the next leaves on ");
    site.letters_are(
        "ann@example.com",
        &["handed_over", "handed_over", "handed_over", "handed_over", "handed_over", "queued"],
    )
    .await;
    site.let_pass(Duration::hours(24)).await;
    site.letters_are("ann@example.com", &["handed_over"; 6]).await;
}

#[tokio::test]
async fn where_five_letters_went_and_five_wait_none_is_promised_to_the_eleventh() {
    let site = Site::with(&[("CAPTCHA", "off")]).await;
    let mut pages = Vec::new();
    for _ in 0..10 {
        pages.push(site.visitor().register("ann@example.com", PASSWORD).await);
    }
    let mut last = site.visitor();
    pages.push(last.register("ann@example.com", PASSWORD).await);
    let holding = pages.iter().map(|page| page.words().contains("Held back")).collect::<Vec<_>>();
    assert_eq!(holding, [[false; 5].as_slice(), &[true; 5], &[false]].concat());
    pages[10].says("Not sent 5 letters a day go to one address, and as many as that wait for this one.");
    assert!(pages[10].has("[data-live][data-final]"));
    assert_eq!(site.count("registrations").await, 11);
    assert_eq!(site.count("letters").await, 10);

    // It can be asked for until one of those that wait has left.
    let page = last.open("/register/letter").await;
    last.submit(page.form("/register/letter/resend")).await.is(429);
    site.let_pass(Duration::hours(25)).await;
    site.letters_are("ann@example.com", &["handed_over"; 10]).await;
    let page = last.open("/register/letter").await;
    last.send(page.form("/register/letter/resend")).await.says("Held back");
    assert_eq!(site.count("letters").await, 11);
}

#[tokio::test]
async fn the_budget_of_letters_is_the_same_for_a_known_address() {
    let site = Site::with(&[("CAPTCHA", "off")]).await;
    site.user("ann@example.com").await;
    for _ in 0..4 {
        site.visitor().register("ANN@example.com", PASSWORD).await;
    }
    site.visitor().register("ann@example.com", PASSWORD).await.says("Held back");
}

#[tokio::test]
async fn a_confirmed_registration_says_so_and_leads_to_log_in() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let page = ann.open("/register/letter").await;
    page.says("This registration was confirmed.");
    assert!(page.has("[data-live][data-final] a[href='/login']"));
}

#[tokio::test]
async fn after_a_day_it_says_that_something_has_gone_wrong_and_whom_to_write_to() {
    let site = Site::start().await;
    let mut ann = site.registered("ann@example.com").await;
    site.let_pass(Duration::hours(23)).await;
    ann.open("/register/letter").await.does_not_say("Something has gone wrong");
    site.let_pass(Duration::hours(1)).await;
    let page = ann.open("/register/letter").await;
    page.says("Something has gone wrong.");
    let to_support = page.attributes("section a[href^='/support?letter=']", "href").remove(0);
    ann.open(&to_support).await.says("Registration of ann@example.com");
}

#[tokio::test]
async fn a_browser_that_registered_twice_sees_both_and_nobody_elses() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    site.visitor().register("eve@example.com", PASSWORD).await;
    ann.register("ann@example.com", PASSWORD).await;
    let page = ann.register("bob@example.com", PASSWORD).await;
    assert_eq!(page.texts("section h2"), ["bob@example.com", "ann@example.com"]);
}

#[tokio::test]
async fn without_scripts_a_button_looks_again() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let page = ann.register("ann@example.com", PASSWORD).await;
    let page = ann.send(page.form("/register/letter")).await;
    assert_eq!(
        (page.is(200).path(), page.texts("section h2")),
        ("/register/letter", vec!["ann@example.com".to_owned()])
    );
}
