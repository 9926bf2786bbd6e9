//! What operators run: `vestibule users`, `registrations`, `letters`, `support` beside a site.

use nix::sys::signal::Signal;
use serde_json::Value;
use time::Duration;
use vestibule::accounts::deletion;

use crate::support::{Act, PASSWORD, Program, ScratchFolder, Sink, Site, Stage, TestDatabase};

const ANN: &str = "ann@example.com";
const NOBODY: &str = "0199c1de-8a4b-7c1e-9c1d-1c1e8a4b7c1e";

/// Every command that needs something to work on, and is given what is not there.
const ON_NOBODY: [&[&str]; 12] = [
    &["users", "find", "nobody"],
    &["users", "show", "nobody@example.com"],
    &["users", "show", NOBODY],
    &["users", "lock", "nobody@example.com"],
    &["users", "unlock", NOBODY],
    &["users", "end-sessions", NOBODY],
    &["users", "delete", NOBODY],
    &["users", "delete", "--now", "nobody@example.com"],
    &["letters", "show", NOBODY],
    &["letters", "retry", NOBODY],
    &["letters", "drop", NOBODY],
    &["support", "close", "K7QM-2XHD-9TRW"],
];

/// The names of a JSON object's members.
fn members(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[tokio::test]
async fn users_are_found_by_a_part_of_the_address_or_by_an_id() {
    let site = Site::start().await;
    site.user("Ann@example.com").await;
    site.user("bob@example.org").await;
    let (user, account) = (
        site.value("select user_id from accounts limit 1").await,
        site.value("select id from accounts limit 1").await,
    );
    let emails = |text: &str| {
        let found = site.json(&["users", "find", text]);
        let emails = found.as_array().expect("a list").iter().map(|user| user["email"].clone());
        emails.map(|email| email.as_str().expect("a text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(emails("aNN@EX"), ["Ann@example.com"]);
    assert_eq!(emails("@example"), ["Ann@example.com", "bob@example.org"]);
    assert_eq!(emails(&user), emails(&account));
    assert_eq!(site.json(&["users", "find", "--limit", "1", "@"]).as_array().map(Vec::len), Some(1));
    let found = site.json(&["users", "find", "bob"]);
    assert_eq!(
        members(&found[0]),
        ["id", "email", "created_at", "password_changed_at", "locked_at", "deletion_due_at"]
    );
    let text = site.says(&["users", "find", "@example"]);
    assert!(text.starts_with("ID ") && text.contains("  bob@example.org  20"), "{text}");
    assert_eq!(site.command(&["--json", "users", "find", "nobody"]).stdout, b"[]\n");
}

#[tokio::test]
async fn what_is_known_of_a_user_is_shown_without_a_secret() {
    let site = Site::start().await;
    site.user(ANN).await;
    site.give_customer_account(ANN).await;
    let shown = site.json(&["users", "show", ANN]);
    assert_eq!(members(&shown), ["user", "accounts", "sessions", "letters", "activity"]);
    assert_eq!(shown["user"]["email"], ANN);
    assert_eq!(shown["accounts"][1]["counterpart_id"], shown["accounts"][0]["id"]);
    assert_eq!(shown["accounts"][1]["counterpart_user_id"], shown["user"]["id"]);
    assert_eq!(shown["sessions"][0]["client"]["address"], "127.0.0.1");
    let first = shown["activity"].as_array().and_then(|entries| entries.last()).expect("an entry");
    assert_eq!((&first["kind"], &first["details"]["account_type"]), (&"registered".into(), &"artist".into()));
    assert_eq!(shown["letters"][0]["kind"], "registration");
    let id = shown["user"]["id"].as_str().expect("an id");
    let text = site.says(&["users", "show", id]);
    for words in [ANN, id, "registered", "registration", "DE-BY"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let session = site.value("select encode(id_hash, 'hex') from sessions").await;
    for said in [text, shown.to_string()] {
        assert!(!said.contains("argon2") && !said.contains(&session), "{said}");
    }
}

#[tokio::test]
async fn whoever_is_locked_is_logged_out_and_told_after_the_right_password() {
    let site = Site::start().await;
    let mut ann = site.user(ANN).await;
    let locked = site.json(&["users", "lock", "ANN@example.com"]);
    assert!(locked["locked_at"].is_string(), "{locked}");
    assert_eq!(site.count("sessions").await, 0);
    assert_eq!(ann.open("/profile").await.path(), "/login");
    ann.try_password(ANN, PASSWORD).await.is(422).says("You are locked out of this site.");
    assert_eq!(site.json(&["users", "lock", ANN]), locked, "once is enough");
    assert!(site.says(&["users", "unlock", ANN]).contains("ann@example.com is not locked."));
    assert_eq!(site.json(&["users", "unlock", ANN])["locked_at"], Value::Null);
    ann.log_in(ANN).await;
    let page = ann.open("/profile/activity").await;
    page.says("The operators of this site locked your account, and all sessions ended.");
    page.says("The operators of this site unlocked your account.");
    assert_eq!(site.count("activity where kind like '%locked_by_operators'").await, 2);
}

#[tokio::test]
async fn all_sessions_of_a_user_end() {
    let site = Site::start().await;
    let mut ann = site.user(ANN).await;
    site.visitor().log_in(ANN).await;
    let mut bob = site.user("bob@example.com").await;
    let done = site.json(&["users", "end-sessions", ANN]);
    assert_eq!((&done["ended"], &done["user"]["email"]), (&Value::from(2), &Value::from(ANN)));
    assert_eq!(ann.open("/profile").await.path(), "/login");
    assert_eq!(bob.open("/profile").await.path(), "/profile");
    ann.log_in(ANN).await;
    ann.open("/profile/activity").await.says("The operators of this site ended all your sessions.");
    assert!(site.says(&["users", "end-sessions", ANN]).contains("One session of ann@example.com ended."));
}

#[tokio::test]
async fn a_deletion_by_operators_can_be_taken_back_for_7_days_and_a_letter_tells() {
    let site = Site::start().await;
    let mut ann = site.user(ANN).await;
    let asked = site.json(&["users", "delete", ANN]);
    assert!(asked["deletion_due_at"].is_string(), "{asked}");
    assert_eq!(site.json(&["users", "delete", ANN]), asked, "no grace begins anew");
    let letter = site.letter(ANN, "All your data here are to be deleted", 1).await.text();
    assert!(letter.contains("The operators of Vestibule have asked"), "{letter}");
    assert!(letter.contains("take that back by logging in") && !letter.contains("token="), "{letter}");
    assert_eq!(ann.open("/profile").await.path(), "/login");
    assert_eq!(ann.log_in(ANN).await.address, "/profile?because=deletion-taken-back");
    ann.open("/profile/activity").await.says("The operators of this site asked for the deletion");

    let said = site.says(&["users", "delete", ANN]);
    assert!(said.starts_with("ann@example.com is being deleted; the deletion is due at 2"), "{said}");
    site.says(&["users", "lock", ANN]);
    ann.try_password(ANN, PASSWORD).await.is(422).says("You are locked out");
    assert_eq!(
        site.count("users where deletion_due_at is not null").await,
        1,
        "who is locked takes nothing back"
    );
    site.let_pass(deletion::GRACE + Duration::minutes(1)).await;
    assert_eq!(site.purge_deletions().await, 1);
    assert_eq!(site.count("users").await, 0);
}

#[tokio::test]
async fn who_is_locked_is_not_told_to_take_a_deletion_back_by_logging_in() {
    let site = Site::start().await;
    site.user(ANN).await;
    site.says(&["users", "lock", ANN]);
    site.says(&["users", "delete", ANN]);
    let letter = site.letter(ANN, "All your data here are to be deleted", 0).await.text();
    assert!(letter.contains("are locked out of the site") && !letter.contains("by logging in"), "{letter}");
    assert!(letter.contains("/support") && !letter.contains("/login"), "{letter}");
}

#[tokio::test]
async fn a_user_is_deleted_at_once_with_everything_and_a_letter_tells() {
    let site = Site::start().await;
    let mut ann = site.user(ANN).await;
    // The address that was given up is kept for them, which a deletion with its grace waits for.
    site.change_email(&mut ann, "ann@example.org").await;
    let gone = site.json(&["users", "delete", "--now", "ann@example.org"]);
    assert_eq!(gone["email"], "ann@example.org");
    for rows in ["users", "accounts", "sessions", "activity", "notices", "registrations"] {
        assert_eq!(site.count(rows).await, 0, "{rows}");
    }
    let letter = site.letter("ann@example.org", "All your data here were deleted", 0).await.text();
    assert!(letter.contains("have deleted all your data there"), "{letter}");
    assert_eq!(ann.open("/profile").await.path(), "/login");
    site.fails(&["users", "delete", "--now", "ann@example.org"], 3, "there is no user ann@example.org");
}

#[tokio::test]
async fn registrations_are_listed_with_their_letters() {
    let site = Site::start().await;
    site.user(ANN).await;
    site.registered("bob@example.com").await;
    let listed = site.json(&["registrations", "list"]);
    assert_eq!(listed[0]["email"], "bob@example.com");
    assert_eq!(listed[0]["letter_state"], "handed_over");
    assert_eq!(listed[0]["confirmed_at"], Value::Null);
    assert!(listed[0]["runs_out_at"].is_string() && listed[1]["confirmed_at"].is_string(), "{listed}");
    assert_eq!(site.json(&["registrations", "list", "--email", "Ann@example.com"])[0], listed[1]);
    assert_eq!(
        site.json(&["registrations", "list", "--email", "nobody@example.com"]),
        Value::Array(Vec::new())
    );
    let text = site.says(&["registrations", "list"]);
    assert!(text.contains("bob@example.com  artist  DE-BY"), "{text}");
    assert!(!text.contains("argon2") && !listed.to_string().contains("argon2"));
}

#[tokio::test]
async fn a_refused_letter_is_found_and_sent_again() {
    let site = Site::start().await;
    site.sink.once(Stage::Rcpt, Act::Say("550 5.1.1 no such user"));
    let mut ann = site.visitor();
    ann.register(ANN, PASSWORD).await;
    site.letters_are(ANN, &["refused"]).await;
    let listed = site.json(&["letters", "list", "--state", "refused", "--to", "ANN@example.com"]);
    let id = listed[0]["id"].as_str().expect("an id");
    assert_eq!(listed[0]["answer"], "550 5.1.1 no such user");
    assert_eq!(site.json(&["letters", "list", "--state", "queued"]), Value::Array(Vec::new()));
    assert_eq!(site.json(&["letters", "show", id]), listed[0]);
    assert!(site.says(&["letters", "show", id]).contains("550 5.1.1 no such user"));
    assert!(site.says(&["letters", "list"]).contains("refused"));

    let again = site.json(&["letters", "retry", id]);
    assert_eq!((&again["state"], &again["settled_at"]), (&Value::from("queued"), &Value::Null));
    site.letters_are(ANN, &["handed_over"]).await;
    let link = site.sink.letter_to(ANN).await.link();
    assert_eq!(ann.confirm(&link).await.path(), "/profile");
    site.fails(&["letters", "retry", id], 1, "is handed_over: it cannot be sent again");
    site.fails(&["letters", "drop", id], 1, "is handed_over: only one that waits can be dropped");
}

#[tokio::test]
async fn a_letter_that_waits_is_dropped() {
    let site = Site::start().await;
    site.sink.once(Stage::Rcpt, Act::Say("450 4.2.1 later"));
    site.visitor().register(ANN, PASSWORD).await;
    site.letters_are(ANN, &["delayed"]).await;
    let id = site.value("select id from letters").await;
    assert_eq!(site.json(&["letters", "drop", &id])["recipient"], ANN);
    assert_eq!(site.count("letters").await, 0);
    site.fails(&["letters", "drop", &id], 3, "there is no letter");
}

#[tokio::test]
async fn support_requests_are_listed_shown_and_closed() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let form = ann.open("/support").await.form("/support");
    let message = "My letter is lost.\r\nWhere is it? \u{1b}[2J";
    let page = ann.send(form.fill("email", ANN).fill("message", message)).await;
    let reference = page.text("#reference");
    let listed = site.json(&["support", "list"]);
    assert_eq!((&listed[0]["email"], &listed[0]["closed_at"]), (&Value::from(ANN), &Value::Null));
    assert!(site.says(&["support", "list"]).contains(&reference));
    let text = site.says(&["support", "show", &reference.to_lowercase()]);
    assert!(text.contains("My letter is lost.\nWhere is it? ") && !text.contains('\u{1b}'), "{text}");

    let closed = site.json(&["support", "close", &reference]);
    assert!(closed["closed_at"].is_string(), "{closed}");
    assert_eq!(site.json(&["support", "close", &reference]), closed, "once is enough");
    assert_eq!(site.json(&["support", "list"]), Value::Array(Vec::new()));
    assert_eq!(site.json(&["support", "list", "--all"])[0], closed);
    assert_eq!(site.json(&["support", "show", &reference]), closed);
}

#[tokio::test]
async fn what_is_not_there_is_told_from_what_makes_no_sense() {
    let site = Site::start().await;
    for arguments in ON_NOBODY {
        site.fails(arguments, 3, "");
    }
    for (arguments, why) in [
        (&["users", "show", "ann"][..], "neither an email address nor a user's id"),
        (&["users", "confirm", ANN], "unrecognized subcommand"),
        (&["registrations", "confirm", ANN], "unrecognized subcommand"),
        (&["letters", "show", "1"], "invalid value"),
        (&["letters", "list", "--state", "lost"], "possible values"),
        (&["letters", "list", "--limit", "0"], "invalid value"),
        (&["support", "show", "1"], "no reference"),
    ] {
        site.fails(arguments, 2, why);
    }
    let wrong = [("DATABASE_URL", "postgres://127.0.0.1:1/x")];
    let folder = ScratchFolder::new();
    let failed = Program::run(folder.path(), &["letters", "list"], &wrong);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
}

#[tokio::test]
async fn every_command_says_how_it_is_used() {
    let folder = ScratchFolder::new();
    let (mut names, mut commands) = (vec![String::new()], Vec::new());
    while let Some(name) = names.pop() {
        let arguments: Vec<_> = name.split_whitespace().chain(["--help"]).collect();
        let output = Program::run(folder.path(), &arguments, &[]);
        let said = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(said.contains("--json"), "{name}: {said}");
        let Some((_, inside)) = said.split_once("Commands:") else {
            assert!(said.contains("Example"), "{name}: {said}");
            commands.push(name);
            continue;
        };
        let (inside, rest) = inside.split_once("Options:").expect("options");
        assert!(rest.contains("Exit codes:"), "{name}: {rest}");
        let inside = inside.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        let inside = inside.filter(|inside| !inside.is_empty() && *inside != "help");
        names.extend(inside.map(|inside| format!("{name} {inside}")));
    }
    for known in [" serve", " users lock", " letters bounced"] {
        assert!(commands.iter().any(|command| command == known), "{known}: {commands:?}");
    }
}

#[tokio::test]
async fn commands_find_the_database_that_a_site_with_nothing_configured_runs() {
    let (folder, sink) = (ScratchFolder::new(), Sink::start().await);
    let url = sink.url();
    let settings = [("CAPTCHA", "off"), ("SMTP_URL", &url)];
    let program = Program::serve(folder.path(), &settings).await;
    program.visitor().register(ANN, PASSWORD).await;
    // In hand, it would be waited for: the mail service stands still while a program is run to its end.
    sink.letter_to(ANN).await;
    let listed = Program::run(folder.path(), &["registrations", "list"], &settings);
    assert!(String::from_utf8_lossy(&listed.stdout).contains(ANN), "{listed:?}");
    assert!(program.end(Signal::SIGTERM).success());
    let gone = Program::run(folder.path(), &["registrations", "list"], &settings);
    assert_eq!(gone.status.code(), Some(1), "nobody serves: {gone:?}");
}

#[tokio::test]
async fn migrate_says_so_to_programs_too() {
    let database = TestDatabase::new().await;
    let (folder, url) = (ScratchFolder::new(), database.url());
    let done = Program::run(folder.path(), &["migrate", "--json"], &[("DATABASE_URL", &url)]);
    let said: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(said["is_up_to_date"], true);
}
