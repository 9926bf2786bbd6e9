//! How much somebody may still write: counted for the client, and for the user where one is logged in.

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{
    accounts::{
        budgets::{self, Budget, Subject, Usage},
        sessions::SignedIn,
    },
    domain::{Client, UserId},
    web::state::App,
};

/// Whose requests are counted.
pub struct Sender {
    /// Who is logged in.
    pub user_id: Option<UserId>,
    /// What the letters that a request causes are counted against.
    letters: (Budget, Subject),
    /// The client before the user, so that no two wait for each other.
    subjects: Vec<Subject>,
}

/// What is used up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Until when a captcha is wanted.
    pub captcha_until: Option<OffsetDateTime>,
    /// Until when nothing is taken.
    pub shut_until: Option<OffsetDateTime>,
}

impl Sender {
    /// Who asks.
    pub fn new(client: &Client, signed_in: Option<&SignedIn>) -> Self {
        let user_id = signed_in.map(|signed_in| signed_in.user_id);
        let subjects = [Some(Subject::client(client.network())), user_id.map(Subject::user)];
        Self {
            user_id,
            letters: budgets::letters_of(client),
            subjects: subjects.into_iter().flatten().collect(),
        }
    }

    /// What they have used up.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn spent(&self, app: &App, connection: &mut PgConnection) -> sqlx::Result<Spent> {
        let mut spent = Spent::default();
        for subject in &self.subjects {
            let usages = app.budgets.usage(connection, of(*subject), app.clock.now()).await?;
            spent.add(usages);
        }
        Ok(spent)
    }

    /// The same, once others who write in the same name are done.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn spent_in_line(&self, app: &App, tx: &mut PgConnection) -> sqlx::Result<Spent> {
        let mut spent = Spent::default();
        for subject in &self.subjects {
            let usages = app.budgets.usage_in_line(tx, of(*subject), app.clock.now()).await?;
            spent.add(usages);
        }
        Ok(spent)
    }

    /// Counts one more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn spend(&self, app: &App, tx: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<()> {
        let mut counted: Vec<_> = self.subjects.iter().copied().flat_map(of).collect();
        counted.push(self.letters);
        app.budgets.spend(tx, &counted, now).await
    }
}

impl Spent {
    fn add(&mut self, [requests, at_most]: [Usage; 2]) {
        self.captcha_until = self.captcha_until.max(requests.spent_until());
        self.shut_until = self.shut_until.max(at_most.spent_until());
    }
}

fn of(subject: Subject) -> [(Budget, Subject); 2] {
    [(budgets::SUPPORT_REQUESTS, subject), (budgets::SUPPORT_REQUESTS_AT_MOST, subject)]
}
