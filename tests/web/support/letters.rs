use time::Duration;
use vestibule::platform::clock::clock_time;

use super::{Act, Delivered, Site, Stage, is_generated_password, until};

/// The subject of what brings a generated password.
pub const NEW_PASSWORD: &str = "Your new password";

impl Site {
    /// Waits for a letter to an address, by its subject, beyond the first so many letters; of several
    /// the latest.
    pub async fn letter(&self, to: &str, subject: &str, beyond: usize) -> Delivered {
        until(&format!("“{subject}” to {to}"), async || {
            let mut letters = self.sink.letters().into_iter().skip(beyond);
            letters.rfind(|letter| letter.to == to && letter.subject() == subject)
        })
        .await
    }

    /// What the recovery letters to an address brought, once there are this many.
    pub async fn generated_passwords(&self, email: &str, count: usize) -> Vec<String> {
        let letters = || {
            let to_them = self.sink.letters().into_iter().filter(|letter| letter.to == email);
            to_them.filter(|letter| letter.subject() == NEW_PASSWORD).collect::<Vec<_>>()
        };
        self.sink.until(&format!("{count} generated passwords"), || letters().len() >= count).await;
        letters().iter().map(Delivered::password).collect()
    }

    /// Asks for a new password in a browser that has never been here, and waits for it.
    pub async fn recovered(&self, email: &str) -> String {
        let before = self.sink.count();
        self.visitor().recover(email).await;
        self.letter(email, NEW_PASSWORD, before).await.password()
    }

    /// Waits until every letter has left or is given up.
    pub async fn all_settled(&self) {
        until("letters to be settled", async || {
            (self.count("letters where settled_at is null").await == 0).then_some(())
        })
        .await;
    }

    /// Lets the one mail worker (`MAIL_WORKERS=1`) hang on a letter to somebody else, so that every other
    /// letter stays in the queue.
    pub async fn hold_letters_up(&self) {
        self.sink.once(Stage::Rcpt, Act::Hang);
        self.visitor().recover("nobody@example.com").await;
        self.sink.command("RCPT TO:<nobody@example.com>", 1).await;
    }

    /// Lets that worker go on, and waits until every letter has left.
    pub async fn let_letters_go(&self) {
        self.sink.drop_connections();
        self.letters_are("nobody@example.com", &["delayed"]).await;
        self.let_pass(Duration::minutes(5)).await;
        self.all_settled().await;
    }
}

/// A letter's text without what differs from one to the next.
pub fn blind(letter: &Delivered, site: &Site) -> String {
    let mut text = letter.text().replace("\r\n", "\n").replace(&site.url(), "http://localhost:3000");
    for days in 0..=8 {
        let at = site.clock.now() + Duration::days(days);
        let told = clock_time(at, at - Duration::DAY);
        text = text.replace(told.rsplit_once(',').expect("a date").0, "DATE");
    }
    let text: Vec<_> = text.split_inclusive([' ', '\n']).map(blind_word).collect();
    format!("Subject: {}\n\n{}", letter.subject(), text.concat())
}

fn blind_word(word: &str) -> String {
    let (bare, end) = word.split_at(word.trim_end().len());
    let is_clock_time = bare.len() == 5 && bare.as_bytes()[2] == b':';
    match bare.split_once("token=") {
        Some((before, token)) if token.len() == 43 => format!("{before}token=TOKEN{end}"),
        _ if is_generated_password(bare) => format!("PASSWORD{end}"),
        _ if is_clock_time => format!("HH:MM{end}"),
        _ => word.to_owned(),
    }
}
