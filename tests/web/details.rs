//! `/profile/details`: phone, region and display name, saved at once, and taken back.

use crate::support::{Form, Page, Site, Visitor};

const PATH: &str = "/profile/details";
const TAKE_BACK: &str = "/profile/details/take-back";

async fn form(visitor: &mut Visitor) -> Form {
    visitor.open(PATH).await.form(PATH)
}

/// Fills one field in and sends the form.
async fn save(visitor: &mut Visitor, field: &str, text: &str) -> Page {
    let form = form(visitor).await;
    visitor.send(form.fill(field, text)).await
}

async fn stored(site: &Site) -> Vec<String> {
    site.sql("select phone, region_id, display_name from accounts").await
}

#[track_caller]
fn lines(page: &Page) -> Vec<String> {
    page.is(200).texts(".notice.good li")
}

fn fields(page: &Page) -> Vec<String> {
    page.is(422).complaints().into_iter().map(|(field, _)| field).collect()
}

#[tokio::test]
async fn what_was_changed_is_saved_at_once_and_shown() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let page = ann.open(PATH).await;
    page.says("may confuse those users who have already noticed you");
    assert_eq!(page.form(PATH).value("region"), "Bavaria, Germany");
    let page = save(&mut ann, "phone", "030 901820").await;
    assert_eq!(page.path(), PATH);
    page.says("Saved:");
    assert_eq!(lines(&page), ["Phone none → +49 30 901820"]);
    assert_eq!(page.form(PATH).value("phone"), "+49 30 901820");
    assert_eq!(stored(&site).await, ["(+4930901820,DE-BY,)"]);
    assert_eq!(
        lines(&save(&mut ann, "phone", "+49 30 901821").await),
        ["Phone +49 30 901820 → +49 30 901821"]
    );
    assert_eq!(lines(&save(&mut ann, "phone", " ").await), ["Phone +49 30 901821 → none"]);
    assert_eq!(stored(&site).await, ["(,DE-BY,)"]);
    assert_eq!(site.count("activity where kind = 'details_changed'").await, 3);
}

#[tokio::test]
async fn the_header_follows_the_display_name_at_once() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    assert!(ann.open(PATH).await.text("header .name").contains("ann@example.com"));
    let page = save(&mut ann, "display_name", "  Ann   Łódź ").await;
    assert_eq!(lines(&page), ["Display name none → Ann Łódź"]);
    assert_eq!(page.text("header .name"), "Ann Łódź");
    assert_eq!(ann.open("/help").await.text("header .name"), "Ann Łódź");
    let page = ann.open("/profile").await;
    page.says("Ann Łódź");
    let page = save(&mut ann, "display_name", "").await;
    assert_eq!(page.text("header .name"), "ann@example.com");
}

#[tokio::test]
async fn everything_can_be_changed_at_once_and_without_scripts_the_region_is_chosen_from_a_list() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let form = form(&mut ann).await;
    let form = form.fill("region", "Scotland").fill("phone", "0131 496 0000").fill("display_name", "Ann");
    let page = ann.send(form).await;
    assert_eq!(fields(&page), ["region"]);
    assert_eq!(page.form(PATH).value("display_name"), "Ann");
    let page = ann.send(page.form(PATH).choose("region_id", "GB-SCT")).await;
    assert_eq!(
        lines(&page),
        [
            "Display name none → Ann",
            "Location Bavaria, Germany → Scotland, United Kingdom",
            "Phone none → +44 131 496 0000"
        ]
    );
    assert_eq!(stored(&site).await, ["(+441314960000,GB-SCT,Ann)"]);
    assert_eq!(site.count("activity where kind = 'details_changed'").await, 1);
    let page = ann.open("/profile").await;
    page.says("Scotland, United Kingdom");
    page.says("+44 131 496 0000");
}

#[tokio::test]
async fn a_number_is_read_as_one_of_the_country_that_is_being_saved() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let form = form(&mut ann).await.fill("phone", "020 7946 0958");
    let form = form.fill("region", "England").forge("region_id", "GB-ENG");
    lines(&ann.send(form).await);
    assert_eq!(stored(&site).await, ["(+442079460958,GB-ENG,)"]);
    // The number that stands there stays what it is, wherever the account goes.
    let form = ann.open(PATH).await.form(PATH).fill("region", "Bavaria").forge("region_id", "DE-BY");
    assert_eq!(lines(&ann.send(form).await).len(), 1);
    assert_eq!(stored(&site).await, ["(+442079460958,DE-BY,)"]);
}

#[tokio::test]
async fn what_is_wrong_is_said_all_at_once_and_what_was_typed_stays() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let form = form(&mut ann).await;
    let page =
        ann.send(form.fill("phone", "12345").fill("region", "").fill("display_name", "\u{202e}nnA")).await;
    assert_eq!(fields(&page), ["display_name", "region", "phone"]);
    assert_eq!(page.form(PATH).value("phone"), "12345");
    for (field, typed, words) in [
        ("phone", "+49 30 901820 ext. 5", "Enter a phone number as it is dialled in your country"),
        ("phone", &"9".repeat(5_000), "Enter a phone number"),
        ("display_name", &"x".repeat(51), "This name has 51 characters. It must have no more than 50."),
        ("display_name", "…", "A name has at least one letter or digit."),
        ("display_name", "A\u{200b}nn", "This name holds a character that nobody sees."),
        ("region", "nowhere at all", "No region is called that."),
    ] {
        let page = save(&mut ann, field, typed).await;
        assert_eq!(fields(&page), [field]);
        page.says(words);
    }
    assert_eq!(fields(&ann.post(PATH, "").await), ["region"]);
    assert_eq!(fields(&ann.post(PATH, "region_id=DE-XX&region=x").await), ["region"]);
    assert_eq!(stored(&site).await, ["(,DE-BY,)"]);
    assert_eq!(site.count("activity where kind = 'details_changed'").await, 0);
}

#[tokio::test]
async fn a_form_that_carries_nothing_but_its_fields_is_saved_too() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let body = "phone=%2B4930901820&region=Saxony%2C+Germany&region_id=DE-SN&display_name=Ann";
    let page = ann.post(PATH, body).await;
    assert!(page.is(303).header("location").starts_with("/profile/details?saved="));
    assert_eq!(stored(&site).await, ["(+4930901820,DE-SN,Ann)"]);
}

#[tokio::test]
async fn where_nothing_was_changed_the_page_says_so() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let form = form(&mut ann).await;
    ann.send(form).await.is(200).says("Nothing was changed: what you sent is what stands here already.");
    assert_eq!(site.count("activity where kind = 'details_changed'").await, 0);
}

#[tokio::test]
async fn a_change_is_taken_back() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    save(&mut ann, "phone", "030 901820").await;
    let form = form(&mut ann).await.fill("phone", "030 901821").fill("display_name", "Ann");
    let page = ann.send(form).await;
    let page = ann.send(page.form(TAKE_BACK)).await;
    assert_eq!(page.path(), PATH);
    page.says("Taken back:");
    assert_eq!(lines(&page), ["Display name Ann → none", "Phone +49 30 901821 → +49 30 901820"]);
    assert!(!page.has(&format!("form[action='{TAKE_BACK}']")));
    assert_eq!(stored(&site).await, ["(+4930901820,DE-BY,)"]);
    assert_eq!(site.count("activity where kind = 'details_taken_back'").await, 1);
}

#[tokio::test]
async fn what_was_changed_again_since_is_not_taken_back() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let form = form(&mut ann).await.fill("phone", "030 901820").fill("display_name", "Ann");
    let old = ann.send(form).await;
    save(&mut ann, "display_name", "Anna").await;
    let page = ann.send(old.form(TAKE_BACK)).await;
    page.is(422).says("Nothing was taken back");
    assert_eq!(page.texts(".notice.wait li"), ["Display name Anna", "Phone +49 30 901820"]);
    assert_eq!(stored(&site).await, ["(+4930901820,DE-BY,Anna)"]);
    // The page is the form, too, as it stands now.
    assert_eq!(page.form(PATH).value("display_name"), "Anna");
    assert_eq!(site.count("activity where kind = 'details_taken_back'").await, 0);
}

#[tokio::test]
async fn nobody_takes_back_what_is_anothers_or_never_was() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let mut eve = site.user("eve@example.com").await;
    let anns = save(&mut ann, "phone", "030 901820").await;
    let eves = save(&mut eve, "phone", "030 901821").await.form(TAKE_BACK);
    let id = anns.form(TAKE_BACK).value("change");
    for change in [id.as_str(), "", "x", "00000000-0000-0000-0000-000000000000"] {
        eve.submit(eves.clone().forge("change", change)).await.is(404);
    }
    eve.post(TAKE_BACK, "").await.is(404);
    eve.open(&anns.address).await.is(200).does_not_say("901820");
    eve.open(&format!("{PATH}?saved=%22%3E%3Cscript%3E")).await.is(200);
    assert_eq!(site.count("accounts where phone is not null").await, 2);
}

#[tokio::test]
async fn two_pages_that_change_different_fields_do_not_undo_each_other() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let (one, other) = (form(&mut ann).await, form(&mut ann).await);
    ann.send(one.fill("phone", "030 901820")).await;
    let page = ann.send(other.fill("display_name", "Ann")).await;
    assert_eq!(lines(&page), ["Display name none → Ann"]);
    assert_eq!(stored(&site).await, ["(+4930901820,DE-BY,Ann)"]);
}

#[tokio::test]
async fn what_both_pages_changed_is_said_once_before_it_is_replaced() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let (one, other) = (form(&mut ann).await, form(&mut ann).await);
    let one = one.fill("display_name", "One").fill("region", "Saxony").forge("region_id", "DE-SN");
    ann.send(one.fill("phone", "030 901820")).await;
    let other = other.fill("display_name", "Other").fill("region", "Berlin").forge("region_id", "DE-BE");
    let page = ann.send(other).await;
    assert_eq!(
        page.is(422).complaints(),
        [
            (
                "display_name".to_owned(),
                "Meanwhile “One” was saved on another page. Save again to replace it.".to_owned()
            ),
            (
                "region".to_owned(),
                "Meanwhile “Saxony, Germany” was saved on another page. Save again to replace it.".to_owned()
            )
        ]
    );
    // What this page did not change is shown as it is by now.
    assert_eq!(page.form(PATH).value("phone"), "+49 30 901820");
    assert_eq!(page.form(PATH).value("region"), "Berlin, Germany");
    assert_eq!(stored(&site).await, ["(+4930901820,DE-SN,One)"]);
    let page = ann.send(page.form(PATH)).await;
    assert_eq!(lines(&page), ["Display name One → Other", "Location Saxony, Germany → Berlin, Germany"]);
    assert_eq!(stored(&site).await, ["(+4930901820,DE-BE,Other)"]);
}

#[tokio::test]
async fn it_is_said_again_when_yet_another_value_came_between_and_also_when_it_was_removed() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    save(&mut ann, "phone", "030 901820").await;
    let form = form(&mut ann).await.fill("phone", "030 901829");
    save(&mut ann, "phone", "").await;
    let page = ann.send(form).await;
    page.is(422).says("Meanwhile this was removed on another page.");
    save(&mut ann, "phone", "030 901825").await;
    let page = ann.send(page.form(PATH)).await;
    page.is(422).says("Meanwhile “+49 30 901825” was saved on another page.");
    lines(&ann.send(page.form(PATH)).await);
    assert_eq!(stored(&site).await, ["(+4930901829,DE-BY,)"]);
}

#[tokio::test]
async fn a_wrong_value_does_not_hide_that_another_page_was_faster() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let form = form(&mut ann).await.fill("phone", "12345");
    save(&mut ann, "phone", "030 901820").await;
    let page = ann.send(form).await;
    page.is(422).says("Enter a phone number");
    let page = ann.send(page.form(PATH).fill("phone", "030 901821")).await;
    page.is(422).says("Meanwhile “+49 30 901820” was saved on another page.");
}

#[tokio::test]
async fn a_form_that_is_sent_twice_is_answered_as_the_first_time_also_at_once() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let form = form(&mut ann).await.fill("phone", "030 901820");
    let (mut one, mut other) = (ann.clone(), ann.clone());
    let (one, other) = tokio::join!(one.submit(form.clone()), other.submit(form.clone()));
    let location = one.is(303).header("location");
    assert_eq!(location, other.is(303).header("location"));
    assert_eq!(ann.submit(form).await.is(303).header("location"), location);
    assert_eq!(site.count("activity where kind = 'details_changed'").await, 1);
    let form = ann.open(location).await.form(TAKE_BACK);
    let (mut one, mut other) = (ann.clone(), ann.clone());
    let (one, other) = tokio::join!(one.submit(form.clone()), other.submit(form));
    assert_eq!(one.is(303).header("location"), other.is(303).header("location"));
    assert_eq!(site.count("activity where kind = 'details_taken_back'").await, 1);
}

#[tokio::test]
async fn an_old_tab_of_somebody_else_changes_nothing() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    site.user("eve@example.com").await;
    let page = save(&mut ann, "phone", "030 901820").await;
    ann.log_out().await;
    ann.log_in("eve@example.com").await;
    ann.send(page.form(PATH).fill("phone", "030 901829")).await.is(409).says("Nothing was changed");
    ann.send(page.form(TAKE_BACK)).await.is(409);
    assert_eq!(site.count("accounts where phone is not null").await, 1);
    assert_eq!(site.count("activity where kind like 'details%'").await, 1);
}

#[tokio::test]
async fn who_logged_out_meanwhile_logs_in_and_comes_back_to_the_form() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let page = save(&mut ann, "phone", "030 901820").await;
    ann.log_out().await;
    for (action, next) in [(PATH, "%2Fprofile%2Fdetails"), (TAKE_BACK, "%2Fprofile%2Fdetails%2Ftake-back")] {
        let page = ann.submit(page.form(action)).await;
        let to_log_in = format!("/login?because=nothing-saved&next={next}");
        assert_eq!(page.is(303).header("location"), to_log_in);
    }
    ann.log_in("ann@example.com").await;
    assert_eq!(ann.open(TAKE_BACK).await.path(), PATH);
}

#[tokio::test]
async fn sixty_changes_an_hour_are_enough() {
    let site = Site::start().await;
    let mut ann = site.user("ann@example.com").await;
    let form = ann.open("/profile/details").await.form("/profile/details");
    let already = site.clock.now() - time::Duration::minutes(30);
    site.sql(&format!(
        "insert into activity (id, user_id, happened_at, kind, client_address, user_agent)
         select gen_random_uuid(), id, '{already}', 'details_changed', '192.0.2.1', ''
         from users, generate_series(1, 58)"
    ))
    .await;
    ann.submit(form.clone().fill("display_name", "Ann")).await.is(303);
    let form = ann.open("/profile/details").await.form("/profile/details").fill("display_name", "Bob");
    let page = ann.submit(form.clone()).await;
    page.is(429).says("You can try again at ");
    assert_eq!(site.sql("select display_name from accounts").await, ["(Ann)"]);
    site.let_pass(time::Duration::minutes(30)).await;
    ann.submit(form).await.is(303);
}
