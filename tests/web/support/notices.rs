use super::{NEW_PASSWORD, PASSWORD, Page, Site, Visitor};

/// What the thieves of the tests choose.
pub const THIEFS_PASSWORD: &str = "the thief's own";

impl Site {
    /// A thief, who knows the password and is logged in somewhere else.
    pub async fn thief_of(&self, email: &str) -> Visitor {
        let mut thief = self.visitor().at("192.0.2.66");
        thief.user_agent = "Firefox/150.0 (Windows NT 10.0)".to_owned();
        assert_eq!(thief.log_in(email).await.path(), "/profile");
        thief
    }

    /// A thief who has changed the password already.
    pub async fn thief_with_password_of(&self, email: &str) -> Visitor {
        let mut thief = self.thief_of(email).await;
        assert_eq!(thief.change_password(PASSWORD, THIEFS_PASSWORD).await.path(), "/profile");
        thief
    }

    /// The link of the latest notice of this kind to an address.
    pub async fn notice(&self, to: &str, subject: &str) -> String {
        self.all_settled().await;
        self.letter(to, subject, 0).await.link()
    }

    /// Fails unless the owner gets in at their address with the mailed password, and nobody with another
    /// one.
    pub async fn is_the_owners_again(&self, email: &str, others: &[&str]) {
        assert_eq!(self.count("sessions").await + self.count("known_devices").await, 0);
        for password in others {
            self.visitor().try_password(email, password).await.is(422);
        }
        let mailed = self.letter(email, NEW_PASSWORD, 0).await.password();
        assert_eq!(self.visitor().try_password(email, &mailed).await.path(), "/profile");
    }
}

impl Visitor {
    /// Presses “This was not me”, after the password where it is asked, without following.
    pub async fn press_not_me(&mut self, link: &str, password: &str) -> Page {
        let form = self.open(link).await.form("/not-me");
        match form.has("password") {
            true => self.submit(form.fill("password", password)).await,
            false => self.submit(form).await,
        }
    }
}

impl Page {
    /// Fails unless “This was not me” was done.
    #[track_caller]
    pub fn is_disowned(&self) {
        assert_eq!(self.is(303).header("location"), "/login?because=not-me");
    }
}
