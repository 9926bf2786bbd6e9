//! The region box as a browser shows it: by mouse, by keyboard and by input method, with answers
//! that come late or never, and in little room.

use thirtyfour::prelude::*;

use crate::support::{Browser, Site, until};

/// Questions are kept until a test answers them, even those that the box has cancelled.
const HOLD_QUESTIONS: &str = "
    window.questions = [];
    window.fetch = (address, { signal }) => new Promise((resolve, reject) =>
        questions.push({ address, signal, reject, answer: (regions) => resolve({ ok: true, json: async () => ({ regions }) }) }));";

/// Opens `/register` and lets the test answer instead of the server.
async fn with_questions_held(site: &Site) -> Browser {
    let browser = site.browser("/register").await;
    browser.find("#region[role=combobox]").await;
    run(&browser, HOLD_QUESTIONS).await;
    browser
}

/// What a script answers.
async fn run(browser: &Browser, script: &str) -> serde_json::Value {
    browser.driver().execute(script, vec![]).await.expect("a script").json().clone()
}

/// Waits until a question is asked that ends so.
async fn is_asked(browser: &Browser, end: &str) {
    let script = format!("return window.questions.at(-1)?.address.endsWith({end:?})");
    until(end, async || (run(browser, &script).await == true).then_some(())).await;
}

async fn active_hint(browser: &Browser) -> Option<String> {
    browser.find("#region").await.attr("aria-activedescendant").await.expect("an input")
}

#[tokio::test]
async fn a_region_is_chosen_by_mouse_and_typing_on_takes_it_back() {
    let site = Site::start().await;
    let browser = site.browser("/register").await;
    browser.type_into("#region", "bava").await;
    browser.click("#region-list li:first-child").await;
    assert_eq!(browser.value("[name=region_id]").await, "DE-BY");
    browser.says("#region-live", "Region chosen: Bavaria, Germany.").await;
    browser.type_into("#region", "x").await;
    assert_eq!(browser.value("[name=region_id]").await, "");
    browser.type_into("#region", Key::Escape).await;
    until("the choice to come back", async || {
        (browser.value("[name=region_id]").await == "DE-BY").then_some(())
    })
    .await;
}

#[tokio::test]
async fn enter_on_a_text_alone_leads_to_the_first_hint_and_sends_nothing() {
    let site = Site::start().await;
    let browser = site.browser("/register").await;
    browser.type_into("#region", "bava").await;
    browser.find("#region-list li").await;
    browser.type_into("#region", Key::Enter).await;
    browser.find("#region-list li[aria-selected=true]").await;
    browser.is_at("/register").await;
}

#[tokio::test]
async fn the_arrows_go_round_and_the_text_takes_the_caret_back() {
    let site = Site::start().await;
    let browser = site.browser("/register").await;
    browser.type_into("#region", "saxo").await;
    browser.says("#region-live", "3 regions found.").await;
    browser.type_into("#region", Key::Up).await;
    assert_eq!(active_hint(&browser).await.as_deref(), Some("region-option-2"));
    browser.type_into("#region", Key::Down).await;
    assert_eq!(active_hint(&browser).await.as_deref(), Some("region-option-0"));
    browser.type_into("#region", Key::Left).await;
    assert_eq!(active_hint(&browser).await, None);
    browser.type_into("#region", Key::Escape).await;
    assert_eq!(browser.find("#region").await.attr("aria-expanded").await.unwrap().as_deref(), Some("false"));
    assert_eq!(browser.value("#region").await, "saxo");
}

#[tokio::test]
async fn a_text_that_is_a_chosen_region_again_is_chosen() {
    let site = Site::start().await;
    let browser = site.browser("/register").await;
    browser.type_into("#region", "bava").await;
    browser.click("#region-list li:first-child").await;
    browser.type_into("#region", "x").await;
    assert_eq!(browser.value("[name=region_id]").await, "");
    browser.type_into("#region", Key::Backspace).await;
    assert_eq!(browser.value("[name=region_id]").await, "DE-BY");
}

#[tokio::test]
async fn an_answer_to_an_older_text_is_never_shown() {
    let site = Site::start().await;
    let browser = with_questions_held(&site).await;
    browser.type_into("#region", "s").await;
    is_asked(&browser, "q=s").await;
    browser.type_into("#region", "c").await;
    is_asked(&browser, "q=sc").await;
    assert_eq!(
        run(&browser, "return questions.map(({ signal }) => signal.aborted)").await.to_string(),
        "[true,false]"
    );
    run(&browser, "questions[1].answer([{ id: 'GB-SCT', name: 'Scotland', within: 'United Kingdom' }])")
        .await;
    browser.says("#region-list", "Scotland, United Kingdom").await;
    // What the answer sets off is done before a task that was queued after it.
    run(&browser, "questions[0].answer([{ id: 'DE-SN', name: 'Saxony', within: 'Germany' }]); return new Promise(setTimeout)").await;
    browser.says("#region-list", "Scotland, United Kingdom").await;
}

#[tokio::test]
async fn enter_before_the_answer_waits_for_its_hints() {
    let site = Site::start().await;
    let browser = with_questions_held(&site).await;
    browser.type_into("#region", "sc").await;
    is_asked(&browser, "q=sc").await;
    browser.type_into("#region", Key::Enter).await;
    browser.is_at("/register").await;
    run(&browser, "questions.at(-1).answer([{ id: 'GB-SCT', name: 'Scotland', within: 'United Kingdom' }])")
        .await;
    browser.find("#region-list li[aria-selected=true]").await;
    browser.type_into("#region", Key::Enter).await;
    assert_eq!(browser.value("[name=region_id]").await, "GB-SCT");
}

#[tokio::test]
async fn without_an_answer_the_text_stays_and_the_form_goes_on() {
    let site = Site::start().await;
    let browser = with_questions_held(&site).await;
    browser.type_into("#region", "bava").await;
    is_asked(&browser, "q=bava").await;
    run(&browser, "questions.at(-1).reject(new TypeError('offline'))").await;
    browser.says("#region-live", "There are no hints at the moment.").await;
    assert_eq!(browser.value("#region").await, "bava");
    browser.click("main button.main").await;
    browser.find("fieldset.choices label:has([value=DE-BY])").await;
}

#[tokio::test]
async fn an_input_method_asks_at_half_a_syllable_and_keeps_its_keys() {
    let site = Site::start().await;
    let browser = site.browser("/register").await;
    browser.click("#region").await;
    let compose = serde_json::json!({ "text": "도", "selectionStart": 1, "selectionEnd": 1 });
    browser.driver().cdp().send_raw("Input.imeSetComposition", compose).await.expect("an input method");
    browser.says("#region-list", "독일").await;
    let enter = "document.getElementById('region').dispatchEvent(
        new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true }))";
    run(&browser, enter).await;
    assert_eq!(active_hint(&browser).await, None);
    browser.click("#region-list li:has(small)").await;
    assert_eq!(browser.value("[name=region_id]").await, "DE");
    assert_eq!(browser.value("#region").await, "Germany");
}

#[tokio::test]
async fn what_was_typed_is_marked_and_nothing_else() {
    let site = Site::start().await;
    let browser = with_questions_held(&site).await;
    let hints = "[
        { id: 'DE-BY', name: 'Bavaria', within: 'Germany', via: 'Munich' },
        { id: 'PL-10', name: 'Łódź', within: 'Poland' },
        { id: 'DE', name: '독일' },
        { id: 'IN-BR', name: 'बिहार', within: 'भारत' },
    ]";
    for (typed, marked) in [
        ("muni", "Bavaria, Germany — [Muni]ch"),
        ("germany bav", "[Bav]aria, [Germany] — Munich"),
        ("avaria", "Bavaria, Germany — Munich"),
        ("bvaaria", "Bavaria, Germany — Munich"),
        ("lodz", "[Łódź], Poland"),
        ("도", "[독]일"),
        ("бав", "독일"),
        ("बि", "[बि]हार, भारत"),
        ("!", "Łódź, Poland"),
    ] {
        browser.find("#region").await.clear().await.expect("a field to clear");
        browser.type_into("#region", typed).await;
        until(typed, async || {
            let is_asked = "return decodeURIComponent(questions.at(-1)?.address ?? '').split('q=')[1]";
            (run(&browser, is_asked).await == typed).then_some(())
        })
        .await;
        run(&browser, &format!("questions.at(-1).answer({hints})")).await;
        let shown = "return [...document.querySelectorAll('#region-list li')].map(({ innerHTML }) =>
            innerHTML.replaceAll('<mark>', '[').replaceAll('</mark>', ']').replaceAll(/<[^>]*>/g, ''))";
        until(marked, async || {
            let shown = run(&browser, shown).await;
            shown.as_array()?.iter().any(|hint| hint == marked).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn the_list_hangs_below_the_field_and_both_are_in_sight() {
    let site = Site::start().await;
    let browser = site.browser("/register").await;
    for height in [1000, 700, 450] {
        browser.driver().set_window_rect(0, 0, 500, height).await.expect("a window");
        browser.open("/register").await;
        run(&browser, "document.getElementById('region').scrollIntoView({ block: 'end' })").await;
        browser.type_into("#region", "n").await;
        browser.says("#region-live", "8 regions found.").await;
        let places = "const { top, bottom } = document.getElementById('region').getBoundingClientRect();
            const list = document.getElementById('region-list').getBoundingClientRect();
            return [0, top, bottom, list.top, list.bottom, innerHeight]";
        let places = run(&browser, places).await;
        let places: Vec<f64> = serde_json::from_value(places).expect("numbers");
        assert!(places.is_sorted(), "{height}: {places:?}");
    }
}
