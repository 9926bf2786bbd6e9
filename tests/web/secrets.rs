//! No table holds a secret: whoever steals the database can log in as nobody.

use crate::support::{PASSWORD, Site};

/// A secret as a table could hold it: as text, as its bytes, or as the bytes that it stands for.
fn spellings(secret: &str) -> Vec<String> {
    let mut spellings = vec![secret.to_owned(), data_encoding::HEXLOWER.encode(secret.as_bytes())];
    if let Ok(raw) = data_encoding::BASE64URL_NOPAD.decode(secret.as_bytes()) {
        spellings.push(data_encoding::HEXLOWER.encode(&raw));
    }
    spellings
}

/// What a link carries.
fn token(link: &str) -> String {
    link.rsplit_once("token=").expect("a token").1.to_owned()
}

#[tokio::test]
async fn after_everything_that_people_do_no_table_holds_a_secret() {
    let site = Site::start().await;
    let mut secrets = vec![PASSWORD.to_owned()];

    let mut ann = site.visitor();
    ann.register("ann@example.com", PASSWORD).await;
    let link = site.sink.letter_to("ann@example.com").await.link();
    secrets.push(token(&link));
    ann.confirm(&link).await;
    secrets.extend(ann.cookies.values().map(|cookie| cookie.value.clone()));

    let mut phone = site.visitor();
    for typed in ["my other password", "typed in the wrong field"] {
        phone.try_password("ann@example.com", typed).await.is(422);
        secrets.push(typed.to_owned());
    }
    phone.try_password(PASSWORD, "anything").await.is(422);
    phone.log_in("ann@example.com").await;
    secrets.extend(phone.cookies.values().map(|cookie| cookie.value.clone()));

    for asked in 1..=2 {
        phone.recover("ann@example.com").await;
        secrets.push(site.sink.letters_to("ann@example.com", 1 + asked).await[asked].password());
        // Also while both are alive.
        holds_none(&site, &secrets).await;
        site.let_pass(time::Duration::minutes(15)).await;
    }
    let generated = secrets.last().expect("a generated password").clone();
    let mut tablet = site.visitor();
    assert_eq!(tablet.try_password("ann@example.com", &generated).await.path(), "/profile");
    secrets.extend(tablet.cookies.values().map(|cookie| cookie.value.clone()));
    secrets.push(token(&site.sink.letters_to("ann@example.com", 4).await[3].link()));
    holds_none(&site, &secrets).await;

    assert_eq!(tablet.change_password(&generated, "red Giraffe 9").await.path(), "/profile");
    secrets.push("red Giraffe 9".to_owned());
    secrets.push(token(&site.sink.letters_to("ann@example.com", 5).await[4].link()));
    tablet.ask_for_email_with("ann@new.example", "red Giraffe 9").await.is(303);
    let link = site.sink.letter_to("ann@new.example").await.link();
    secrets.push(token(&link));
    holds_none(&site, &secrets).await;
    let form = tablet.open(&link).await.form("/profile/email/confirm");
    assert_eq!(tablet.send(form).await.path(), "/profile");
    let notice = site.sink.letters_to("ann@example.com", 6).await[5].link();
    secrets.push(token(&notice));
    holds_none(&site, &secrets).await;

    let mut owner = site.visitor();
    owner.press_not_me(&notice, "red Giraffe 9").await.is_disowned();
    secrets.push(site.sink.letters_to("ann@example.com", 7).await[6].password());
    let page = owner.try_password("ann@example.com", secrets.last().expect("a password")).await;
    assert_eq!(page.path(), "/profile");
    secrets.extend(owner.cookies.values().map(|cookie| cookie.value.clone()));
    holds_none(&site, &secrets).await;
}

async fn holds_none(site: &Site, secrets: &[String]) {
    let dump = site.dump().await;
    assert!(dump.contains("ann@example.com"));
    for secret in secrets {
        for spelling in spellings(secret) {
            assert!(!dump.contains(&spelling), "{secret}: {dump}");
        }
    }
}
