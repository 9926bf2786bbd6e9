use vestibule::accounts::deletion;

use super::{Browser, PASSWORD, Page, Site, Visitor};

/// The subject of the letter that a new address answers.
const CONFIRM_EMAIL: &str = "Confirm your new email address";

impl Visitor {
    /// Proves the password on `/profile/password` and chooses another, and follows.
    pub async fn change_password(&mut self, current: &str, new: &str) -> Page {
        let form = self.open("/profile/password").await.form("/profile/password");
        self.send(form.fill("current_password", current).fill("new_password", new)).await
    }

    /// Asks for another address on `/profile/email`, without following.
    pub async fn ask_for_email(&mut self, email: &str) -> Page {
        self.ask_for_email_with(email, PASSWORD).await
    }

    /// The same by another password.
    pub async fn ask_for_email_with(&mut self, email: &str, password: &str) -> Page {
        let form = self.open("/profile/email").await.form("/profile/email");
        let form = self.solve(form.fill("email", email).fill("current_password", password)).await;
        self.submit(form).await
    }

    /// Asks on `/profile/delete` for the deletion of everything, without following.
    pub async fn ask_for_deletion(&mut self) -> Page {
        let form = self.open("/profile/delete").await.form("/profile/delete");
        self.submit(form.fill("current_password", PASSWORD)).await
    }
}

impl Site {
    /// Everybody's address.
    pub async fn addresses(&self) -> Vec<String> {
        self.sql("select email from users order by created_at").await
    }

    /// The link in the letter to a new address, beyond the first so many letters.
    pub async fn email_link(&self, email: &str, beyond: usize) -> String {
        self.letter(email, CONFIRM_EMAIL, beyond).await.link()
    }

    /// Asks for another address and answers its letter in the same browser.
    pub async fn change_email(&self, visitor: &mut Visitor, email: &str) {
        self.change_email_with(visitor, email, PASSWORD).await;
    }

    /// The same by another password.
    pub async fn change_email_with(&self, visitor: &mut Visitor, email: &str, password: &str) {
        let before = self.sink.letters().len();
        visitor.ask_for_email_with(email, password).await.is(303);
        let link = self.email_link(email, before).await;
        let form = visitor.open(&link).await.form("/profile/email/confirm");
        let page = visitor.submit(form).await;
        assert_eq!(page.is(303).header("location"), "/profile?because=email-changed");
    }

    /// Gives a user the other type of account, so to speak a century later.
    pub async fn give_customer_account(&self, email: &str) {
        let statement = format!(
            "do $$
             declare
                 added uuid := gen_random_uuid();
             begin
                 insert into accounts (id, user_id, account_type, region_id, created_at)
                 select added, id, 'customer', 'DE-SN', '2100-01-01' from users where email = '{email}';
                 insert into pairs (customer_account_id, artist_account_id, paired_at)
                 select added, accounts.id, '2100-01-01' from accounts join users on users.id = user_id
                 where email = '{email}' and account_type = 'artist';
             end $$"
        );
        self.sql(&statement).await;
    }

    /// Deletes whoever's grace is over, as housekeeping does; returns how many users and accounts went.
    pub async fn purge_deletions(&self) -> u64 {
        let mut connection = self.database.pool().acquire().await.expect("a connection");
        deletion::purge(&mut connection, self.clock.now()).await.expect("a purge")
    }

    /// Somebody who logs in in Chromium on the way to one of their pages.
    pub async fn signed_in_browser(&self, email: &str, path: &str) -> Browser {
        let browser = self.browser(path).await;
        browser.is_at("/login").await;
        browser.log_in(email, PASSWORD).await;
        browser.is_at(path).await;
        browser
    }
}

impl Browser {
    /// Fills in the page to log in and sends it.
    pub async fn log_in(&self, email: &str, password: &str) {
        self.type_into("#email", email).await;
        self.type_into("#password", password).await;
        self.click("main button.main").await;
    }
}
