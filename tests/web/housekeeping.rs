//! What has run out is thrown away by any instance, and nothing else.

use time::Duration;
use vestibule::{
    accounts::{
        accepted_forms, budgets, deletion, devices, email_changes, generated_passwords, invitations, notices,
        registrations, sessions, support_requests,
    },
    captcha, mail,
};

use crate::support::{PASSWORD, Site, until};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";
const OF_ANN: &str = "users where email_key = 'ann@example.com'";

/// What is kept, and for how long. The longest come last, as rows of the shorter ones are among them.
const KEPT: [(&str, Duration); 15] = [
    ("accepted_forms", accepted_forms::REMEMBERED),
    ("captchas", captcha::store::LIFETIME),
    ("generated_passwords", generated_passwords::LIFETIME),
    ("sessions where not remember", sessions::NOT_REMEMBERED),
    ("budget_events where budget = 'recovery_letters'", budgets::RECOVERY_LETTERS.window),
    ("registrations", registrations::LIFETIME),
    ("email_changes", email_changes::LIFETIME),
    ("notices", notices::LIFETIME),
    ("invitations", invitations::LIFETIME),
    (OF_ANN, deletion::GRACE),
    ("letters", mail::KEPT),
    ("sessions", sessions::REMEMBERED),
    ("support_requests", support_requests::KEPT),
    ("budget_events", budgets::ADDRESS_FAILURES_IN_A_ROW.window),
    ("devices", devices::LIFETIME),
];

/// Uses the site until each table has something: Bob stays, and Ann goes.
async fn fill(site: &Site) {
    let mut bob = site.user(BOB).await;
    site.visitor().submit_password(BOB, "wrong").await.is(422);
    let mut phone = site.visitor();
    let form = phone.open("/login").await.form("/login").tick("remember");
    phone.submit(form.fill("email", BOB).fill("password", PASSWORD)).await.is(303);
    bob.change_password(PASSWORD, "blue Giraffe 8").await.is(200);
    let form = phone.open("/login").await.form("/login").tick("remember");
    phone.submit(form.fill("email", BOB).fill("password", "blue Giraffe 8")).await.is(303);
    bob.ask_for_email_with("bob@new.example", "blue Giraffe 8").await.is(303);
    site.recovered(BOB).await;
    site.visitor().submit_password("nobody@example.com", "wrong").await.is(422);
    site.user(ANN).await.ask_for_deletion().await.is(303);
    site.visitor().open("/register").await.is(200);
    site.visitor().post("/support", "email=nobody%40example.com&message=Help").await.is(303);
    site.says(&["users", "invite", "eve@example.com"]);
    site.all_settled().await;
}

/// Starts the site anew, and waits until its first housekeeping is done.
async fn keep_house(site: &mut Site) {
    // What it throws away last.
    site.sql(
        "insert into letters (id, kind, recipient, priority, state, created_at, due_at, settled_at)
         values (gen_random_uuid(), 'old', 'old@example.com', 0, 'handed_over', '2000-01-01', '2000-01-01', '2000-01-01')",
    )
    .await;
    site.restart_with(&[]).await;
    until("housekeeping", async || (site.count("letters where kind = 'old'").await == 0).then_some(())).await;
}

#[tokio::test]
async fn everything_goes_when_its_time_is_over_and_not_before() {
    let mut site = Site::start().await;
    fill(&site).await;
    let stays = "select users.id, accounts.id, activity.id from users, accounts, activity
                 where email_key = 'bob@example.com' and accounts.user_id = users.id and activity.user_id = users.id
                 order by activity.id";
    let bobs = site.sql(stays).await;
    assert!(!bobs.is_empty());
    let mut passed = Duration::ZERO;
    for (rows, lasts) in KEPT {
        // How exact a device's last use is known.
        let exact = if rows == "devices" { Duration::DAY } else { Duration::ZERO };
        for (time, remains) in [(lasts - exact - Duration::MINUTE, true), (lasts + Duration::MINUTE, false)] {
            // Several have the same time, and what has passed does not come back.
            if time > passed {
                site.let_pass(time - passed).await;
                passed = time;
                keep_house(&mut site).await;
            }
            if time == passed {
                assert_eq!(site.count(rows).await > 0, remains, "{rows} after {time}");
            }
        }
    }
    assert_eq!(site.sql(stays).await, bobs);
    assert_eq!(site.count("users").await, 1);
}

#[tokio::test]
async fn who_dies_in_the_middle_loses_nothing_and_another_instance_does_it() {
    let mut site = Site::start().await;
    fill(&site).await;
    let over = deletion::GRACE + Duration::MINUTE;
    site.clock.advance(over);
    let now = site.clock.now();
    let mut dying = site.database.pool().begin().await.expect("a transaction");
    assert!(registrations::purge(&mut dying, now).await.expect("a purge") > 0);
    assert_eq!(deletion::purge(&mut dying, now).await.expect("a purge"), 1);
    assert!(notices::purge(&mut dying, now).await.expect("a purge") > 0);
    site.start_server().await;
    for rows in ["registrations", "notices", OF_ANN] {
        assert!(site.count(rows).await > 0, "{rows}");
    }
    drop(dying);
    until("the other instance", async || {
        let left = site.count("registrations").await + site.count("notices").await;
        (left == 0).then_some(())
    })
    .await;
    // Whom the dying one held was not waited for; the next round finds them.
    keep_house(&mut site).await;
    assert_eq!(site.count(OF_ANN).await, 0);
    assert_eq!(site.count("users").await, 1);
}
