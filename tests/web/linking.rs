//! Two account types of one person: added, linked, switched between, and parted again.

use time::Duration;

use crate::support::{NEW_PASSWORD, PASSWORD, Page, Site, Visitor};

const PAGE: &str = "/profile/accounts";
const SWITCH: &str = "/profile/accounts/switch";
const UNLINK: &str = "/profile/accounts/unlink";
const LINKED: &str = "/profile/accounts?because=linked";
const LINKED_SUBJECT: &str = "Your account was linked with another one";

/// Somebody who has registered as customer and is logged in.
async fn customer(site: &Site, email: &str) -> Visitor {
    let mut visitor = site.visitor();
    visitor.register_as(email, PASSWORD, "customer").await;
    let link = site.sink.letter_to(email).await.link();
    assert_eq!(visitor.confirm(&link).await.path(), "/profile");
    visitor
}

/// Sends the form that links, without following.
async fn link(visitor: &mut Visitor, email: &str, password: &str, current_password: &str) -> Page {
    let page = visitor.open(PAGE).await;
    let form = page.forms(PAGE).remove(1);
    let form =
        form.fill("email", email).fill("password", password).fill("current_password", current_password);
    visitor.submit(form).await
}

/// Ann, an artist, whose account is linked with that of Bob, a customer.
async fn linked(site: &Site) -> Visitor {
    customer(site, "bob@example.com").await;
    let mut ann = site.user("ann@example.com").await;
    assert_eq!(
        link(&mut ann, "bob@example.com", PASSWORD, PASSWORD).await.is(303).header("location"),
        LINKED
    );
    ann
}

/// Presses the button in the header.
async fn switch(visitor: &mut Visitor) -> Page {
    let form = visitor.open("/profile").await.forms(SWITCH).remove(0);
    visitor.send(form).await
}

/// As whom the header says that one is here.
fn here(page: &Page) -> String {
    page.text("header .here a").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_other_type_is_added_with_the_details_of_the_first_and_is_a_pair_at_once() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    site.sql("update accounts set phone = '+4930901820', display_name = 'Ann'").await;
    let page = ann.open(PAGE).await;
    let form = page.forms(PAGE).remove(0);
    assert_eq!(form.value("region"), "Bavaria, Germany");
    let page = ann.submit(form.fill("region", "Saxony")).await;
    page.is(422).says("Choose your region from the list below.");
    let form = page.forms(PAGE).remove(0).choose("region_id", "DE-SN");
    for _ in 0..2 {
        let page = ann.submit(form.clone()).await;
        assert_eq!(page.is(303).header("location"), "/profile/accounts?because=added");
    }
    let page = ann.open("/profile/accounts?because=added").await;
    page.says("You have both types of accounts now");
    assert_eq!(page.texts("main h2"), ["Your artist account", "Your customer account"]);
    assert_eq!(site.count("pairs").await, 1);
    let page = switch(&mut ann).await;
    assert_eq!((page.path(), here(&page).as_str()), ("/profile", "Ann customer"));
    page.says("Saxony, Germany");
    page.says("+49 30 901820");
    ann.open("/profile/activity").await.says("Your customer account was added.");

    // At the next log in one is whom one last was.
    ann.log_out().await;
    assert_eq!(here(&ann.log_in("ann@example.com").await), "Ann customer");
    assert_eq!(here(&switch(&mut ann).await), "Ann artist");
    assert_eq!(here(&site.visitor().log_in("ann@example.com").await), "Ann artist");
}

#[tokio::test]
async fn two_users_are_linked_by_both_passwords_and_each_is_told() {
    let site = Site::start().await;
    let mut ann = linked(&site).await;
    let page = ann.open(LINKED).await;
    page.says("The two accounts are linked");
    page.says("Linked: the customer account of bob@example.com");
    for (address, other) in [("ann@example.com", "bob@example.com"), ("bob@example.com", "ann@example.com")] {
        site.letter(address, LINKED_SUBJECT, 0).await;
        let mut visitor = site.visitor();
        visitor.log_in(address).await;
        visitor
            .open("/profile/activity")
            .await
            .says(&format!("Your account was linked with that of {other}."));
    }
    assert_eq!(here(&switch(&mut ann).await), "bob@example.com customer");
    ann.open("/profile/activity").await.says("You switched here, logged in as ann@example.com.");
    assert_eq!(here(&switch(&mut ann).await), "ann@example.com artist");
}

#[tokio::test]
async fn what_is_wrong_is_said_of_ones_own_password_first_and_of_the_other_user_nothing() {
    let site = Site::start().await;
    customer(&site, "bob@example.com").await;
    site.user("eve@example.com").await;
    let mut ann = site.user("ann@example.com").await;
    let one = "The email address or the password is wrong.";
    for (email, password, current, field, words) in [
        ("", PASSWORD, PASSWORD, "email", "Enter the email address of your other account."),
        ("bob@example.com", "", PASSWORD, "password", "Enter the password of your other account."),
        ("bob@example.com", PASSWORD, "", "current_password", "Enter your current password."),
        ("bob@example.com", PASSWORD, "wrong", "current_password", "This is not your current password."),
        ("bob@example.com", "wrong", PASSWORD, "password", one),
        ("nobody@example.com", PASSWORD, PASSWORD, "password", one),
        ("no address", PASSWORD, PASSWORD, "password", one),
        ("eve@example.com", "wrong", PASSWORD, "password", one),
    ] {
        let page = link(&mut ann, email, password, current).await;
        assert_eq!(page.is(422).complaints(), [(field.to_owned(), words.to_owned())], "{email} {password}");
        assert_eq!(page.forms(PAGE).remove(1).value("email"), email);
        assert_eq!(page.forms(PAGE).remove(0).value("region"), "Bavaria, Germany");
        assert!(!page.body.contains(PASSWORD));
    }
    link(&mut ann, "Ann@example.com", PASSWORD, PASSWORD)
        .await
        .says("This is the address of the account that you are");
    let page = link(&mut ann, "eve@example.com", PASSWORD, PASSWORD).await;
    page.is(422).says("Both are artist accounts.");
    assert_eq!(site.count("pairs").await, 0);
}

#[tokio::test]
async fn a_generated_password_proves_nothing_until_it_was_used() {
    let site = Site::start().await;
    customer(&site, "bob@example.com").await;
    let mut ann = site.user("ann@example.com").await;
    let generated = site.recovered("bob@example.com").await;
    let page = link(&mut ann, "bob@example.com", &generated, PASSWORD).await;
    page.is(422).says("The email address or the password is wrong.");
    site.visitor().try_password("bob@example.com", &generated).await.is(200);
    link(&mut ann, "bob@example.com", &generated, PASSWORD).await.is(303);
}

#[tokio::test]
async fn why_it_cannot_be_is_said_once_both_passwords_were_right() {
    let site = Site::start().await;
    customer(&site, "bob@example.com").await;
    let mut ann = site.user("ann@example.com").await;
    let bob = "(select id from users where email = 'bob@example.com')";
    for (wrong, right, words) in [
        (
            "users set locked_at = '2026-01-01'",
            "users set locked_at = null",
            "You are locked out of this site.",
        ),
        (
            "users set deletion_due_at = '2100-01-01'",
            "users set deletion_due_at = null",
            "The data of that address are being deleted.",
        ),
    ] {
        site.sql(&format!("update {wrong} where id = {bob}")).await;
        link(&mut ann, "bob@example.com", PASSWORD, PASSWORD).await.is(422).says(words);
        site.sql(&format!("update {right} where id = {bob}")).await;
    }
    let mut eve = customer(&site, "eve@example.com").await;
    let form = eve.open(PAGE).await.forms(PAGE).remove(0);
    eve.submit(form).await.is(303);
    let page = link(&mut ann, "eve@example.com", PASSWORD, PASSWORD).await;
    page.is(422).says("That address has both types of accounts already.");

    let stale = ann.open(PAGE).await;
    link(&mut ann, "bob@example.com", PASSWORD, PASSWORD).await.is(303);
    let page = ann.submit(stale.forms(PAGE).remove(0)).await;
    page.is(422).says("Your account is linked with one of another address. Unlink it first.");
    let mut eva = site.user("eva@example.com").await;
    let page = link(&mut eva, "bob@example.com", PASSWORD, PASSWORD).await;
    page.is(422).says("One of the two accounts is linked already. Unlink it first.");
    assert_eq!(site.count("pairs").await, 2);
}

#[tokio::test]
async fn a_switched_session_ends_with_either_user_and_never_outlives_the_log_in() {
    let site = Site::start().await;
    let mut ann = linked(&site).await;
    let before = site.value("select expires_at from sessions join users on users.id = user_id where email = 'ann@example.com'").await;
    let old = ann.cookie("session");
    switch(&mut ann).await;
    assert_ne!(ann.cookie("session"), old, "it is a new session");
    let own = "sessions join users on users.id = user_id where email = 'bob@example.com' and other_user_id is not null";
    assert_eq!(site.value(&format!("select expires_at from {own}")).await, before);

    // Either user's other sessions see it, and end it.
    let mut elsewhere = site.visitor();
    elsewhere.log_in("ann@example.com").await;
    let form = elsewhere.open("/profile/sessions").await.form("/profile/sessions/end-others");
    elsewhere.send(form).await;
    assert_eq!(ann.open("/profile").await.path(), "/login");

    let mut ann = elsewhere;
    switch(&mut ann).await;
    let mut bob = site.visitor();
    bob.log_in("bob@example.com").await;
    assert_eq!(bob.change_password(PASSWORD, "another one").await.path(), "/profile");
    assert_eq!(ann.open("/profile").await.path(), "/login");
}

#[tokio::test]
async fn after_a_change_of_the_password_switching_asks_it_once_on_each_device() {
    let site = Site::start().await;
    let mut ann = linked(&site).await;
    let mut bob = site.visitor();
    bob.log_in("bob@example.com").await;
    site.let_pass(Duration::minutes(1)).await;
    assert_eq!(bob.change_password(PASSWORD, "another one").await.path(), "/profile");

    let page = switch(&mut ann).await;
    page.is(422)
        .says("The password of bob@example.com was changed. Enter it once to switch there on this device.");
    let page = ann.send(page.forms(SWITCH).remove(1).fill("password", PASSWORD)).await;
    page.is(422).says("This is not the password of bob@example.com.");
    let page = ann.send(page.forms(SWITCH).remove(1).fill("password", "another one")).await;
    assert_eq!(here(&page), "bob@example.com customer");
    assert_eq!(here(&switch(&mut ann).await), "ann@example.com artist");
    assert_eq!(here(&switch(&mut ann).await), "bob@example.com customer", "once is enough");

    let mut other = site.visitor();
    other.log_in("ann@example.com").await;
    switch(&mut other).await.is(422);
}

#[tokio::test]
async fn nobody_switches_to_who_is_locked_or_being_deleted() {
    let site = Site::start().await;
    let mut ann = linked(&site).await;
    let old = ann.open("/profile").await.forms(SWITCH).remove(0);
    for (change, words) in [
        ("locked_at = '2026-01-01'", "The other account is locked"),
        ("locked_at = null, deletion_due_at = '2100-01-01'", "The other account is being deleted"),
    ] {
        site.sql(&format!("update users set {change} where email = 'bob@example.com'")).await;
        assert!(!ann.open("/profile").await.has(&format!("form[action='{SWITCH}']")));
        ann.submit(old.clone()).await.is(422).says(words);
        ann.open(PAGE).await.says(words);
    }
    assert_eq!(here(&ann.open("/profile").await), "ann@example.com artist", "the one is whole");
}

#[tokio::test]
async fn one_button_unlinks_and_tells_both() {
    let site = Site::start().await;
    let mut ann = linked(&site).await;
    let mut elsewhere = site.visitor();
    elsewhere.log_in("ann@example.com").await;
    switch(&mut elsewhere).await;
    let form = ann.open(PAGE).await.form(UNLINK);
    for _ in 0..2 {
        let page = ann.submit(form.clone()).await;
        assert_eq!(page.is(303).header("location"), "/profile/accounts?because=unlinked");
    }
    ann.open("/profile/accounts?because=unlinked").await.says("no longer linked");
    assert_eq!(elsewhere.open("/profile").await.path(), "/login", "who had switched is logged out");
    for address in ["ann@example.com", "bob@example.com"] {
        site.letter(address, "Your account is no longer linked with another one", 0).await;
    }
    assert_eq!((site.count("pairs").await, site.count("accounts").await), (0, 2));
    assert!(!ann.open("/profile").await.has(&format!("form[action='{SWITCH}']")));
    link(&mut ann, "bob@example.com", PASSWORD, PASSWORD).await.is(303);
}

#[tokio::test]
async fn a_switch_that_is_pressed_twice_or_in_an_old_tab_leads_where_it_led() {
    let site = Site::start().await;
    let mut ann = linked(&site).await;
    let profile = ann.open("/profile").await;
    let details = ann.open("/profile/details").await.form("/profile/details");
    let form = profile.forms(SWITCH).remove(0);
    for _ in 0..2 {
        assert_eq!(ann.submit(form.clone()).await.is(303).header("location"), "/profile");
    }
    assert_eq!(here(&ann.open("/profile").await), "bob@example.com customer");
    ann.submit(details.fill("display_name", "Ann")).await.is(409);
    assert_eq!(site.count("accounts where display_name is not null").await, 0);
    assert_eq!(ann.open(SWITCH).await.path(), PAGE);
    assert_eq!(ann.open(UNLINK).await.path(), PAGE);
}

#[tokio::test]
async fn a_thief_who_linked_the_account_to_their_own_does_not_come_back_after_recovery() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut thief = customer(&site, "thief@example.com").await;
    link(&mut thief, "ann@example.com", PASSWORD, PASSWORD).await.is(303);
    assert_eq!(here(&switch(&mut thief).await), "ann@example.com artist");

    site.let_pass(Duration::minutes(1)).await;
    let generated = site.recovered("ann@example.com").await;
    let mut ann = site.visitor();
    assert_eq!(ann.try_password("ann@example.com", &generated).await.path(), "/profile");
    assert_eq!(thief.open("/profile").await.path(), "/login");
    thief.log_in("thief@example.com").await;
    let page = switch(&mut thief).await;
    page.is(422).says("Enter it once to switch there on this device.");
    let page = thief.send(page.forms(SWITCH).remove(1).fill("password", PASSWORD)).await;
    assert_eq!(here(page.is(422)), "thief@example.com customer");
    ann.open(PAGE).await.says("Linked: the customer account of thief@example.com");
}

#[tokio::test]
async fn this_was_not_me_unlinks_ends_all_sessions_and_starts_recovery() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let mut thief = customer(&site, "thief@example.com").await;
    link(&mut thief, "ann@example.com", PASSWORD, PASSWORD).await.is(303);
    switch(&mut thief).await;
    let notice = site.notice("ann@example.com", LINKED_SUBJECT).await;
    site.visitor().press_not_me(&notice, "").await.is_disowned();
    assert_eq!(site.count("pairs").await, 0);
    assert_eq!(thief.open("/profile").await.path(), "/login");
    assert_eq!(ann.open("/profile").await.path(), "/login");
    let mailed = site.letter("ann@example.com", NEW_PASSWORD, 0).await.password();
    let mut ann = site.visitor();
    assert_eq!(ann.try_password("ann@example.com", &mailed).await.path(), "/profile");
    ann.open("/profile/activity").await.says("The link with the account of thief@example.com was ended.");
    thief.log_in("thief@example.com").await;
    assert!(!thief.open("/profile").await.has(&format!("form[action='{SWITCH}']")));
}

#[tokio::test]
async fn a_notice_of_something_later_leaves_an_older_link_alone() {
    let site = Site::start().await;
    let mut ann = linked(&site).await;
    site.let_pass(Duration::minutes(1)).await;
    assert_eq!(ann.change_password(PASSWORD, "another one").await.path(), "/profile");
    let notice = site.notice("ann@example.com", "Your password was changed").await;
    site.visitor().press_not_me(&notice, "").await.is_disowned();
    assert_eq!(site.count("pairs").await, 1);
}

#[tokio::test]
async fn guesses_through_the_link_form_count_like_any_other() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let mut thief = customer(&site, "thief@example.com").await;
    for _ in 0..10 {
        link(&mut thief, "ann@example.com", "a guess", PASSWORD).await.is(422);
    }
    let page = link(&mut thief, "ann@example.com", PASSWORD, PASSWORD).await;
    page.is(422).says("Many wrong passwords were tried here.");
    let form = thief.solve(page.forms(PAGE).remove(1)).await;
    let form = form.fill("password", PASSWORD).fill("current_password", PASSWORD);
    thief.submit(form).await.is(303);
}

#[tokio::test]
async fn one_solved_captcha_serves_both_passwords() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    customer(&site, "bob@example.com").await;
    let mut eve = site.visitor().at("192.0.2.66");
    for email in ["ann@example.com", "bob@example.com"] {
        for _ in 0..10 {
            eve.try_password(email, "a guess").await;
        }
    }
    // Ann's own device is one that is known; a new cookie makes it a stranger's.
    site.sql("delete from known_devices").await;
    let page = link(&mut ann, "bob@example.com", PASSWORD, PASSWORD).await;
    let form = ann.solve(page.is(422).forms(PAGE).remove(1)).await;
    let form = form.fill("password", PASSWORD).fill("current_password", PASSWORD);
    ann.submit(form).await.is(303);
}

#[tokio::test]
async fn many_attempts_at_once_to_link_the_same_account_make_one_pair() {
    let site = Site::with(&[("THROTTLE", "off")]).await;
    customer(&site, "bob@example.com").await;
    let bob = site.value("select accounts.id from accounts").await;
    let user = site.value("select id from users").await;
    site.sql(
        "insert into users (id, email, email_key, password_hash, created_at)
         select gen_random_uuid(), n, n, 'x', '2026-01-01' from generate_series(1, 50) as n",
    )
    .await;
    site.sql(
        "insert into accounts (id, user_id, account_type, region_id, created_at)
         select gen_random_uuid(), id, 'artist', 'DE-BY', '2026-01-01' from users where password_hash = 'x'",
    )
    .await;
    let mut attempts = tokio::task::JoinSet::new();
    for row in site.sql("select id, user_id from accounts where account_type = 'artist'").await {
        let ids: Vec<uuid::Uuid> =
            row.trim_matches(['(', ')']).split(',').map(|id| id.parse().expect("an id")).collect();
        let (pool, bob, user) =
            (site.database.pool(), bob.parse().expect("an id"), user.parse().expect("an id"));
        let now = site.clock.now();
        attempts.spawn(async move {
            use vestibule::{
                accounts::{pairs, users},
                domain::{AccountId, AccountType, UserId},
            };
            let mut tx = pool.begin().await.expect("a transaction");
            users::hold(&mut tx, &[UserId(ids[1]), UserId(user)]).await.expect("users");
            let one = (AccountId(ids[0]), AccountType::Artist);
            let linked = pairs::insert(&mut tx, one, AccountId(bob), now).await.expect("an answer");
            if linked {
                tx.commit().await.expect("a commit");
            }
            linked
        });
    }
    let linked = attempts.join_all().await.into_iter().filter(|linked| *linked).count();
    assert_eq!((linked, site.count("pairs").await), (1, 1));
}

#[tokio::test]
async fn the_database_allows_no_state_that_must_not_be() {
    let site = Site::start().await;
    for email in ["ann@example.com", "eve@example.com"] {
        site.user(email).await;
    }
    customer(&site, "bob@example.com").await;
    customer(&site, "cy@example.com").await;
    let account = |name: &str| {
        format!(
            "(select accounts.id from accounts join users on users.id = user_id where email = '{name}@example.com')"
        )
    };
    let pair = |customer: &str, artist: &str| {
        let (customer, artist) = (account(customer), account(artist));
        format!(
            "insert into pairs (customer_account_id, artist_account_id, paired_at) values ({customer}, {artist}, now())"
        )
    };
    let second = |name: &str, account_type: &str| {
        format!(
            "insert into accounts (id, user_id, account_type, region_id, created_at)
             select gen_random_uuid(), id, '{account_type}', 'DE-BY', now() from users where email = '{name}@example.com'"
        )
    };
    let pool = site.database.pool();
    let refused = async |statement: &str, why: &str| {
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&pool).await;
        let error = done.expect_err(statement).to_string();
        assert!(error.contains(why), "{statement}: {error}");
    };
    refused(&pair("ann", "bob"), "pairs_customer").await;
    refused(&pair("ann", "ann"), "pairs_customer").await;
    refused(&pair("bob", "bob"), "pairs_artist").await;
    refused(&pair("bob", "cy"), "pairs_artist").await;
    refused(&pair("bob", "nobody"), "null value").await;
    refused(&pair("nobody", "ann"), "null value").await;
    refused(&second("ann", "customer"), "two accounts of one user are a pair").await;
    refused(&second("ann", "artist"), "accounts_one_of_each_type").await;
    site.sql(&pair("bob", "ann")).await;
    refused(&pair("bob", "eve"), "pairs_customer_once").await;
    refused(&pair("cy", "ann"), "pairs_artist_once").await;
    refused(&second("ann", "customer"), "two accounts of one user are a pair").await;
    let type_of_ann = format!("update accounts set account_type = 'customer' where id = {}", account("ann"));
    refused(&type_of_ann, "pairs_artist").await;
    site.give_customer_account("eve@example.com").await;
    refused("delete from pairs where paired_at > '2099-01-01'", "two accounts of one user are a pair").await;
    let elsewhere = format!(
        "update accounts set user_id = (select id from users where email = 'cy@example.com') where id = {}",
        account("ann")
    );
    refused(&elsewhere, "two accounts of one user are a pair").await;
}

#[tokio::test]
async fn a_change_of_details_is_made_to_the_counterpart_too_and_taken_back_from_both() {
    let site = Site::start().await;
    let mut ann = linked(&site).await;
    site.sql("update accounts set display_name = account_type::text").await;
    let form = ann.open("/profile/details").await.form("/profile/details");
    let form = form.fill("display_name", "Ann").fill("phone", "+4930901820").tick("counterpart");
    let page = ann.send(form).await;
    page.says("Your customer account was changed as well.");
    assert_eq!(site.count("accounts where display_name = 'Ann' and phone = '+4930901820'").await, 2);
    let take_back = page.form("/profile/details/take-back");
    let mut bob = site.visitor();
    bob.log_in("bob@example.com").await;
    bob.open("/profile/activity").await.says("Saved: display name customer → Ann");

    ann.send(take_back).await.says("Your customer account has back what it had.");
    assert_eq!(site.count("accounts where display_name = account_type::text and phone is null").await, 2);
}

#[tokio::test]
async fn without_the_box_and_without_the_password_the_counterpart_stays() {
    let site = Site::start().await;
    let mut ann = linked(&site).await;
    let form = ann.open("/profile/details").await.form("/profile/details").fill("display_name", "Ann");
    ann.send(form).await.does_not_say("was changed as well");
    assert_eq!(site.count("accounts where display_name = 'Ann'").await, 1);

    let form = ann.open("/profile/details").await.form("/profile/details").tick("counterpart");
    let mut bob = site.visitor();
    bob.log_in("bob@example.com").await;
    site.let_pass(Duration::minutes(1)).await;
    bob.change_password(PASSWORD, "another one").await;
    assert!(!ann.open("/profile/details").await.has("[name='counterpart']"));
    ann.send(form.fill("display_name", "Eve")).await.does_not_say("was changed as well");
    assert_eq!(site.count("accounts where display_name = 'Eve'").await, 1);
}

#[tokio::test]
async fn who_is_deleted_leaves_the_other_whole() {
    let site = Site::start().await;
    let mut ann = linked(&site).await;
    site.sql("update users set deletion_due_at = '2020-01-01' where email = 'bob@example.com'").await;
    assert_eq!(site.purge_deletions().await, 1);
    assert_eq!((site.count("pairs").await, site.count("accounts").await), (0, 1));
    let page = ann.open(PAGE).await;
    assert_eq!(page.texts("main h2")[1], "Add a customer account");
}

#[tokio::test]
async fn a_browser_that_is_switched_is_seen_and_ended_by_both() {
    let site = Site::start().await;
    let mut ann = linked(&site).await;
    switch(&mut ann).await;
    for email in ["ann@example.com", "bob@example.com"] {
        let mut elsewhere = site.visitor();
        elsewhere.log_in(email).await;
        elsewhere.open("/profile/sessions").await.says("it was switched between linked accounts");
    }
    let mut bob = site.visitor();
    bob.log_in("bob@example.com").await;
    let form = bob.open("/profile/sessions").await.form("/profile/sessions/end-others");
    bob.send(form).await;
    assert_eq!(ann.open("/profile").await.path(), "/login");
}

#[tokio::test]
async fn who_is_locked_is_logged_out_where_they_have_switched_as_well() {
    let site = Site::start().await;
    let mut ann = linked(&site).await;
    switch(&mut ann).await;
    site.sql("update users set locked_at = '2026-01-01' where email = 'ann@example.com'").await;
    ann.get("/auth/check").await.is(401);
    assert_eq!(ann.open("/profile").await.path(), "/login");
}

#[tokio::test]
async fn who_unlinks_after_a_switch_stays_and_still_belongs_to_both() {
    let site = Site::start().await;
    let mut ann = linked(&site).await;
    switch(&mut ann).await;
    let form = ann.open(PAGE).await.form(UNLINK);
    let page = ann.send(form).await;
    assert_eq!(here(&page), "bob@example.com customer");
    let mut elsewhere = site.visitor();
    elsewhere.log_in("ann@example.com").await;
    let form = elsewhere.open("/profile/sessions").await.form("/profile/sessions/end-others");
    elsewhere.send(form).await;
    assert_eq!(ann.open("/profile").await.path(), "/login");
}

#[tokio::test]
async fn a_generated_password_that_must_be_changed_is_switched_to_and_linked_by_nobody() {
    let site = Site::with(&[("GENERATED_PASSWORD_MUST_CHANGE", "true")]).await;
    let mut ann = linked(&site).await;
    site.let_pass(Duration::minutes(1)).await;
    let generated = site.recovered("bob@example.com").await;
    site.visitor().try_password("bob@example.com", &generated).await;
    switch(&mut ann).await.is(422).says("The password of the other account is a generated one.");
    let form = ann.open(PAGE).await.form(UNLINK);
    ann.send(form).await;
    let page = link(&mut ann, "bob@example.com", &generated, PASSWORD).await;
    page.is(422).says("The password of that address is a generated one.");
}
