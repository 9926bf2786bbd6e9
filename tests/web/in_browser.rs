//! What only a browser can show.

use thirtyfour::prelude::*;

use crate::support::{Act, Browser, PASSWORD, Site, Stage, until};

/// Types the result of the captcha's task.
async fn solve(site: &Site, browser: &Browser) {
    let id = browser.value("[name=captcha_id]").await;
    browser.type_into("#captcha_answer", site.captcha_answer(&id).await).await;
}

/// Fills `/register` in, but for the region.
async fn fill_in(site: &Site, browser: &Browser) {
    browser.open("/register").await;
    browser.type_into("#email", "ann@example.com").await;
    browser.type_into("#password", PASSWORD).await;
    solve(site, browser).await;
    browser.click(".card:has([value=customer])").await;
}

/// Goes from the letter's page to the profile, out and in again.
async fn confirm_and_come_back(site: &Site, browser: &Browser) {
    let link = site.sink.letter_to("ann@example.com").await.link();
    browser.open(&link).await;
    browser.click("main button.main").await;
    browser.is_at("/profile").await;
    browser.says("main", "Bavaria, Germany").await;
    browser.click("header form button").await;
    browser.is_at("/login").await;
    browser.says("main", "You are logged out.").await;
    browser.log_in("ann@example.com", PASSWORD).await;
    browser.is_at("/profile").await;
}

#[tokio::test]
async fn the_whole_way_with_scripts_and_by_keyboard_alone_in_the_region_box() {
    let site = Site::start().await;
    let browser = site.browser("/").await;
    fill_in(&site, &browser).await;
    browser.type_into("#region", "bava").await;
    browser.says("#region-list li:first-child", "Bavaria, Germany").await;
    assert_eq!(browser.find("#region").await.attr("aria-expanded").await.unwrap().as_deref(), Some("true"));
    browser.type_into("#region", Key::Down).await;
    browser.find("#region-list li[aria-selected=true]").await;
    browser.type_into("#region", Key::Enter).await;
    assert_eq!(browser.value("[name=region_id]").await, "DE-BY");
    assert_eq!(browser.value("#region").await, "Bavaria, Germany");
    browser.click("main button.main").await;
    browser.is_at("/register/letter").await;
    confirm_and_come_back(&site, &browser).await;
    assert_eq!(site.sql("select region_id from accounts").await, ["(DE-BY)"]);
}

#[tokio::test]
async fn the_whole_way_without_scripts() {
    let site = Site::start().await;
    let browser = Browser::without_scripts(&site.url()).await;
    fill_in(&site, &browser).await;
    browser.type_into("#region", "bava").await;
    browser.click("main button.main").await;
    browser.says(".summary", "Choose your region").await;
    browser.click("fieldset.choices label:has([value=DE-BY])").await;
    browser.type_into("#password", PASSWORD).await;
    browser.click("main button.main").await;
    browser.is_at("/register/letter").await;
    confirm_and_come_back(&site, &browser).await;
}

#[tokio::test]
async fn another_address_is_asked_for_and_confirmed() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let browser = site.signed_in_browser("ann@example.com", "/profile/email").await;
    browser.says("h1", "Change your email address").await;
    browser.type_into("#email", "ann@gmial.com").await;
    browser.type_into("#current_password", PASSWORD).await;
    browser.says("#email-live button", "ann@gmail.com").await;
    browser.click("#email-live button").await;
    browser.click("main button.main").await;
    browser.says(".notice.good", "A letter goes to the new address.").await;
    browser.says(".facts", "ann@gmail.com").await;
    let link = site.sink.letter_to("ann@gmail.com").await.link();
    browser.open(&link).await;
    browser.says("main", "become ann@gmail.com instead of ann@example.com").await;
    browser.click("main button.main").await;
    browser.is_at("/profile").await;
    browser.says(".notice.good", "Your email address is changed").await;
}

#[tokio::test]
async fn caps_lock_is_pointed_out() {
    let site = Site::start().await;
    let browser = site.browser("/login").await;
    browser.find("#password").await;
    // WebDriver has no Caps Lock key, so the event that a keyboard would cause is made.
    let press = "document.getElementById('password').dispatchEvent(
        new KeyboardEvent('keydown', { key: 'A', modifierCapsLock: arguments[0], bubbles: true }))";
    browser.driver().execute(press, vec![true.into()]).await.expect("a script");
    browser.says("#password-live", "Caps Lock is on.").await;
    browser.driver().execute(press, vec![false.into()]).await.expect("a script");
    until("the hint to go", async || {
        let live = browser.driver().find(By::Id("password-live")).await.ok()?;
        live.text().await.ok()?.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_password_can_be_read_and_another_script_and_spaces_are_pointed_out() {
    let site = Site::start().await;
    let browser = site.browser("/login").await;
    browser.type_into("#password", "пароль ").await;
    browser.says("#password-live", "You are typing Cyrillic letters. It ends with a space.").await;
    browser.click("button.show").await;
    assert_eq!(browser.find("#password").await.attr("type").await.unwrap().as_deref(), Some("text"));
}

#[tokio::test]
async fn the_waiting_page_keeps_itself_current() {
    let site = Site::start().await;
    site.sink.once(Stage::Rcpt, Act::Say("450 4.2.1 come back later"));
    let browser = site.browser("/").await;
    browser.hurry().await;
    fill_in(&site, &browser).await;
    browser.type_into("#region", "bava").await;
    browser.click("#region-list li:first-child").await;
    browser.click("main button.main").await;
    browser.is_at("/register/letter").await;
    assert!(browser.driver().query(By::Css("[data-look-again]")).and_not_displayed().exists().await.unwrap());
    browser.says("[data-live]", "come back later").await;
    site.let_pass(time::Duration::minutes(2)).await;
    browser.says("[data-live]", "to our mail service at").await;
    browser.is_at("/register/letter").await;
}

#[tokio::test]
async fn a_double_click_registers_once() {
    let site = Site::start().await;
    let browser = site.browser("/").await;
    fill_in(&site, &browser).await;
    browser.type_into("#region", "bava").await;
    browser.click("#region-list li:first-child").await;
    let button = browser.find("main button.main").await;
    browser.driver().action_chain().double_click_element(&button).perform().await.expect("a double click");
    browser.is_at("/register/letter").await;
    site.letters_are("ann@example.com", &["handed_over"]).await;
    assert_eq!(site.count("registrations").await, 1);
}

#[tokio::test]
async fn another_task_keeps_even_the_password() {
    let site = Site::start().await;
    let browser = site.browser("/register").await;
    browser.type_into("#password", PASSWORD).await;
    let id = browser.value("[name=captcha_id]").await;
    browser.click("button[name=new_captcha]").await;
    until("another picture", async || (browser.value("[name=captcha_id]").await != id).then_some(())).await;
    assert_eq!(browser.value("#password").await, PASSWORD);
    browser.is_at("/register").await;
}

#[tokio::test]
async fn the_task_is_played_to_its_end_and_a_new_one_too_until_it_is_gone() {
    let site = Site::start().await;
    let browser = site.browser("/register").await;
    let play = ".captcha button[type=button]";
    let count_sounds = "const play = Audio.prototype.play; window.played = 0; \
         Audio.prototype.play = function () { this.onended = () => { window.played += 1; }; return play.call(this); };";
    browser.driver().execute(count_sounds, vec![]).await.unwrap();
    let played = async |sounds: u64| {
        until("a sound's end", async || {
            let played = browser.driver().execute("return window.played;", vec![]).await.ok()?;
            (played.json().as_u64() == Some(sounds)).then_some(())
        })
        .await;
        browser.says(play, "Hear the task").await;
    };
    browser.click(play).await;
    browser.says(play, "Playing…").await;
    played(1).await;

    let id = browser.value("[name=captcha_id]").await;
    browser.click("button[name=new_captcha]").await;
    until("another task", async || (browser.value("[name=captcha_id]").await != id).then_some(())).await;
    site.sql(&format!("delete from captchas where id = '{id}'")).await;
    browser.click(play).await;
    played(2).await;

    site.sql("delete from captchas").await;
    browser.click(play).await;
    browser.says(".captcha [role=status]", "This task cannot be heard any more.").await;
    browser.says(play, "Hear the task").await;
}

#[tokio::test]
async fn details_are_saved_by_keyboard_and_taken_back() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let browser = site.signed_in_browser("ann@example.com", "/profile/details").await;
    browser.type_into("#display_name", "Ann").await;
    browser.type_into("#region", Key::Control + "a").await;
    browser.type_into("#region", "scotl").await;
    browser.says("#region-list li:first-child", "Scotland").await;
    browser.type_into("#region", Key::Down).await;
    browser.type_into("#region", Key::Enter).await;
    assert_eq!(browser.value("[name=region_id]").await, "GB-SCT");
    browser.type_into("#phone", "0131 496 0000").await;
    browser.type_into("#phone", Key::Enter).await;
    browser.says(".notice.good", "Location Bavaria, Germany → Scotland, United Kingdom").await;
    browser.says(".notice.good", "Phone none → +44 131 496 0000").await;
    browser.says("header .name", "Ann").await;
    browser.click(".notice.good button").await;
    browser.says(".notice.good", "Taken back:").await;
    browser.says("header .name", "ann@example.com").await;
    assert_eq!(site.sql("select phone, region_id, display_name from accounts").await, ["(,DE-BY,)"]);
}

#[tokio::test]
async fn a_password_is_changed_and_its_strength_is_said_while_one_types() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let browser = site.signed_in_browser("ann@example.com", "/profile/password").await;
    browser.type_into("#current_password", PASSWORD).await;
    browser.type_into("#new_password", "blue").await;
    browser.says("#new_password-live", "Strength: weak.").await;
    browser.type_into("#new_password", " Giraffe 8").await;
    browser.click("main button.main").await;
    browser.is_at("/profile").await;
    browser.says("main", "Your password is changed").await;
    site.visitor().try_password("ann@example.com", PASSWORD).await.is(422);
}

#[tokio::test]
async fn sessions_are_ended_a_deletion_is_taken_back_and_a_notice_is_answered() {
    let site = Site::start().await;
    let mut first = site.user("ann@example.com").await;
    let mut second = site.visitor();
    second.log_in("ann@example.com").await;
    let browser = site.signed_in_browser("ann@example.com", "/profile/sessions").await;
    browser.click("main section button.plain").await;
    browser.says(".notice.good", "The session is ended.").await;
    assert_eq!(site.count("sessions").await, 2);
    browser.click("main button.main").await;
    browser.says(".notice.good", "You are logged out everywhere else.").await;
    for visitor in [&mut first, &mut second] {
        assert_eq!(visitor.open("/profile").await.path(), "/login");
    }

    browser.open("/profile/delete").await;
    browser.type_into("#current_password", PASSWORD).await;
    browser.click("main button.main").await;
    browser.is_at("/login").await;
    browser.says("main", "Logging in within 7 days takes it back.").await;
    browser.log_in("ann@example.com", PASSWORD).await;
    browser.is_at("/profile").await;
    browser.says("main", "By logging in you took that back").await;

    let link = site.notice("ann@example.com", "All your data here are to be deleted").await;
    browser.open(&link).await;
    browser.says(".facts", "All your data here are to be deleted").await;
    browser.click("main button.main").await;
    browser.is_at("/login").await;
    browser
        .says("main", "All sessions of that account are ended, and the old password no longer works.")
        .await;
    let mailed = site.generated_passwords("ann@example.com", 1).await.remove(0);
    browser.log_in("ann@example.com", &mailed).await;
    browser.is_at("/profile").await;
    browser.says("main", "Your password is a generated one.").await;
}

/// Logs in on the way to the accounts.
async fn open_accounts(browser: &Browser) {
    browser.open("/profile/accounts").await;
    browser.is_at("/login").await;
    browser.log_in("ann@example.com", PASSWORD).await;
    browser.is_at("/profile/accounts").await;
}

/// Presses the button in the header, and is somebody else.
async fn switch(browser: &Browser, name: &str, account_type: &str) {
    browser.click("header form[action='/profile/accounts/switch'] button").await;
    browser.is_at("/profile").await;
    browser.says("header .name", name).await;
    browser.says("header .as", account_type).await;
}

async fn add_the_other_type(browser: &Browser) {
    open_accounts(browser).await;
    assert_eq!(browser.value("#region").await, "Bavaria, Germany");
    browser.click("form:has(#region) button.main").await;
    browser.says(".notice.good", "You have both types of accounts now").await;
    switch(browser, "ann@example.com", "customer").await;
    switch(browser, "ann@example.com", "artist").await;
}

async fn link_another_user(site: &Site, browser: &Browser) {
    let mut bob = site.visitor();
    bob.register_as("bob@example.com", "another password", "customer").await;
    let link = site.sink.letter_to("bob@example.com").await.link();
    assert_eq!(bob.confirm(&link).await.path(), "/profile");
    open_accounts(browser).await;
    browser.type_into("#email", "bob@example.com").await;
    browser.type_into("#password", "another password").await;
    browser.type_into("#current_password", PASSWORD).await;
    browser.click("form:has(#email) button.main").await;
    browser.says(".notice.good", "The two accounts are linked").await;
    switch(browser, "bob@example.com", "customer").await;
    switch(browser, "ann@example.com", "artist").await;
    browser.open("/profile/accounts").await;
    browser.click("form[action='/profile/accounts/unlink'] button").await;
    browser.says(".notice.good", "The two accounts are no longer linked").await;
}

#[tokio::test]
async fn both_types_with_one_address_and_with_two() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let browser = site.browser("/").await;
    link_another_user(&site, &browser).await;
    let browser = site.browser("/").await;
    add_the_other_type(&browser).await;
}

#[tokio::test]
async fn both_types_with_one_address_and_with_two_without_scripts() {
    let site = Site::start().await;
    site.user("ann@example.com").await;
    let browser = Browser::without_scripts(&site.url()).await;
    link_another_user(&site, &browser).await;
    let browser = Browser::without_scripts(&site.url()).await;
    add_the_other_type(&browser).await;
}
