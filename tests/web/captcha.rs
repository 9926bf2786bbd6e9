//! The captcha: good once, for 20 minutes, on any instance, seen five times, and dead at the third wrong
//! answer.

use std::collections::HashSet;

use time::Duration;
use tokio::task::JoinSet;

use crate::support::{PASSWORD, Request, Site};

#[tokio::test]
async fn a_wrong_answer_costs_no_other_field() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let form = ann.registration_form("ann@example.com", PASSWORD).await;
    let page = ann.send(form.forge("region_id", "DE-BY").fill("captcha_answer", "999")).await;
    let complaints = page.is(422).complaints();
    assert!(complaints.len() == 1 && complaints[0].0 == "captcha_answer", "{complaints:?}");
    let form = page.form("/register");
    assert_eq!(
        (form.value("email"), form.value("region")),
        ("ann@example.com".into(), "Bavaria, Germany".into())
    );
    assert_eq!((form.value("region_id"), form.value("account_type")), ("DE-BY".into(), "artist".into()));
    assert_eq!(form.value("captcha_answer"), "");
}

#[tokio::test]
async fn a_right_answer_holds_for_the_attempts_that_follow() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let form = ann.registration_form("ann@example.com", "").await;
    let mut page = ann.send(form).await;
    for _ in 0..3 {
        page.says("You solved the task.");
        let form = page.form("/register");
        assert!(!form.has("captcha_answer") && !page.has(".captcha"));
        page = ann.send(form).await;
    }
    let form = page.form("/register").choose("region_id", "DE-BY").fill("password", PASSWORD);
    assert_eq!(ann.send(form).await.path(), "/register/letter");
}

#[tokio::test]
async fn it_is_good_for_one_accepted_form() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let first = ann.registration_form("ann@example.com", PASSWORD).await.forge("region_id", "DE-BY");
    let (id, answer) = (first.value("captcha_id"), first.value("captcha_answer"));
    let second = ann.registration_form("bob@example.com", PASSWORD).await.forge("region_id", "DE-BY");
    let second = second.forge("captcha_id", &id).forge("captcha_answer", &answer);
    assert_eq!(ann.send(first).await.path(), "/register/letter");
    let page = ann.send(second).await;
    let complaints = page.is(422).complaints();
    assert!(complaints.len() == 1 && complaints[0].0 == "captcha_answer", "{complaints:?}");
    assert_ne!(page.form("/register").value("captcha_id"), id);
    assert_eq!(site.count("registrations").await, 1);
}

#[tokio::test]
async fn two_forms_at_once_cannot_share_one() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let first = ann.registration_form("ann@example.com", PASSWORD).await.forge("region_id", "DE-BY");
    let second = ann.registration_form("bob@example.com", PASSWORD).await.forge("region_id", "DE-BY");
    let second = second
        .forge("captcha_id", &first.value("captcha_id"))
        .forge("captcha_answer", &first.value("captcha_answer"));
    let mut again = ann.clone();
    let (one, other) = tokio::join!(ann.submit(first), again.submit(second));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 422]);
    assert_eq!(site.count("registrations").await, 1);
}

#[tokio::test]
async fn the_third_wrong_answer_brings_another_task() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let form = ann.registration_form("ann@example.com", PASSWORD).await;
    let (id, answer) = (form.value("captcha_id"), form.value("captcha_answer"));
    let mut page = ann.send(form.fill("captcha_answer", "999")).await;
    for _ in 0..2 {
        let form = page.form("/register");
        assert_eq!(form.value("captcha_id"), id);
        page = ann.send(form.fill("captcha_answer", "999")).await;
    }
    assert_ne!(page.form("/register").value("captcha_id"), id);
    ann.open(&format!("/captcha/{id}.png")).await.is(404);
    let form = page.form("/register").forge("captcha_id", &id).fill("captcha_answer", &answer);
    assert!(ann.send(form).await.complaints().iter().any(|(field, _)| field == "captcha_answer"));
}

#[tokio::test]
async fn a_picture_is_seen_five_times_and_then_the_form_has_another() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let form = ann.open("/register").await.form("/register").fill("email", "ann@example.com");
    let id = form.value("captcha_id");
    for _ in 0..4 {
        ann.get(&format!("/captcha/{id}.png")).await.is(200);
    }
    let form = ann.send(form.fill("captcha_answer", "")).await.is(422).form("/register");
    assert_eq!(form.value("captcha_id"), id);
    ann.get(&format!("/captcha/{id}.png")).await.is(200);
    ann.open(&format!("/captcha/{id}.png")).await.is(404);
    let page = ann.send(form.fill("captcha_answer", "999")).await;
    page.is(422).says("Enter the result of the new one.");
    let id = page.form("/register").value("captcha_id");
    ann.get(&format!("/captcha/{id}.png")).await.is(200);
}

#[tokio::test]
async fn a_solved_one_stays_with_the_form_when_its_picture_cannot_be_seen_again() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let form = ann.registration_form("ann@example.com", "").await;
    for _ in 0..5 {
        ann.get(&format!("/captcha/{}.png", form.value("captcha_id"))).await.is(200);
    }
    ann.send(form).await.is(422).says("You solved the task.");
}

#[tokio::test]
async fn another_task_is_had_without_losing_the_form_or_hearing_complaints() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let form = ann.open("/register").await.form("/register").fill("email", "ann@example.com");
    let id = form.value("captcha_id");
    let page = ann.send(form.fill("region", "Bava").fill("password", PASSWORD).press("new_captcha")).await;
    let form = page.is(200).form("/register");
    assert!(page.complaints().is_empty());
    assert_eq!((form.value("email"), form.value("region")), ("ann@example.com".into(), "Bava".into()));
    assert_eq!(form.value("password"), "");
    assert_ne!(form.value("captcha_id"), id);
}

#[tokio::test]
async fn it_runs_out_after_twenty_minutes_also_when_it_was_solved() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let form = ann.registration_form("ann@example.com", "").await;
    let page = ann.send(form).await;
    page.says("You solved the task.");
    site.let_pass(Duration::minutes(20)).await;
    let form = page.form("/register").choose("region_id", "DE-BY").fill("password", PASSWORD);
    let page = ann.send(form).await;
    assert_eq!(page.is(422).complaints()[0].0, "captcha_answer");
    assert!(page.form("/register").has("captcha_answer"));
}

#[tokio::test]
async fn any_instance_can_draw_it_and_check_it() {
    let mut site = Site::start().await;
    let mut ann = site.visitor();
    let form = ann.registration_form("ann@example.com", PASSWORD).await.forge("region_id", "DE-BY");
    site.start_server().await;
    ann.go_to_instance(site.address());
    let picture = ann.get(&format!("/captcha/{}.png", form.value("captcha_id"))).await;
    assert_eq!(
        (picture.is(200).header("content-type"), picture.header("cache-control")),
        ("image/png", "no-store")
    );
    assert!(picture.body.contains("PNG"));
    assert_eq!(ann.send(form).await.path(), "/register/letter");
}

#[tokio::test]
async fn it_is_heard_five_times_each_in_another_way() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let page = ann.open("/register").await;
    let address = page.attribute(".captcha a[download]", "href");
    assert_eq!(address, format!("/captcha/{}.wav", page.form("/register").value("captcha_id")));
    let mut sounds = HashSet::new();
    for _ in 0..5 {
        let heard = ann.get(&address).await;
        assert_eq!(heard.is(200).header("content-type"), "audio/wav");
        assert_eq!(heard.header("cache-control"), "no-store");
        assert!(heard.body.starts_with("RIFF") && heard.body.contains("WAVEfmt "));
        let length: usize = heard.header("content-length").parse().unwrap();
        assert!((50_000..200_000).contains(&length), "{length} bytes");
        sounds.insert(heard.body);
    }
    assert_eq!(sounds.len(), 5);
    ann.get(&address).await.is(404);
    ann.get(&address.replace(".wav", ".png")).await.is(200);
}

#[tokio::test]
async fn what_is_no_captcha_is_neither_seen_nor_heard() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let form = ann.registration_form("ann@example.com", PASSWORD).await.forge("region_id", "DE-BY");
    let id = form.value("captcha_id");
    assert_eq!(ann.send(form).await.path(), "/register/letter");
    for file in [&format!("{id}.wav"), &format!("{id}.png"), &format!("{id}.mp3"), &id, "1.wav", ".wav"] {
        ann.open(&format!("/captcha/{file}")).await.is(404);
    }
}

#[tokio::test]
async fn to_ask_what_is_there_costs_no_look_and_no_hearing() {
    let site = Site::start().await;
    let mut ann = site.visitor();
    let id = ann.open("/register").await.form("/register").value("captcha_id");
    for (kind, content_type) in [("png", "image/png"), ("wav", "audio/wav")] {
        let path = format!("/captcha/{id}.{kind}");
        for _ in 0..10 {
            let head = Request { method: "HEAD", path: path.clone(), headers: vec![], body: vec![] };
            assert_eq!(ann.request(head).await.is(200).header("content-type"), content_type);
        }
        assert_eq!(ann.get(&path).await.is(200).header("accept-ranges"), "none");
    }
}

#[tokio::test]
async fn help_stands_beside_it_for_who_cannot_see_it() {
    let site = Site::start().await;
    let page = site.visitor().open("/register").await;
    assert_eq!(page.attribute("#captcha_answer-live a", "href"), "mailto:support@example.com");
    assert!(!page.attribute(".captcha img", "alt").is_empty());

    let site = Site::with(&[("SUPPORT_EMAIL", "")]).await;
    let page = site.visitor().open("/register").await;
    assert_eq!(page.attribute("#captcha_answer-live a", "href"), "/support");
}

#[tokio::test]
async fn however_many_ask_for_a_picture_at_once_each_gets_it_or_is_told_to_wait() {
    let site = Site::start().await;
    let mut asking = JoinSet::new();
    for _ in 0..13 {
        let id = site.visitor().open("/register").await.form("/register").value("captcha_id");
        for _ in 0..5 {
            let (mut asker, path) = (site.visitor(), format!("/captcha/{id}.png"));
            asking.spawn(async move { asker.get(&path).await });
        }
    }
    let pages = asking.join_all().await;
    assert!(pages.iter().any(|page| page.status == 200));
    for page in pages.iter().filter(|page| page.status != 200) {
        assert!(!page.is(503).header("retry-after").is_empty());
    }
}
