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
            let [requests, at_most] =
                app.budgets.usage(connection, of(*subject), app.clock.now()).await?.map(Usage::spent_until);
            spent.captcha_until = spent.captcha_until.max(requests);
            spent.shut_until = spent.shut_until.max(at_most);
        }
        Ok(spent)
    }

    /// The same, once others who write in the same name are done.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn spent_in_line(&self, app: &App, tx: &mut PgConnection) -> sqlx::Result<Spent> {
        app.budgets.line_up(tx, &self.counted()).await?;
        self.spent(app, tx).await
    }

    /// Counts one more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn spend(&self, app: &App, tx: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<()> {
        app.budgets.spend(tx, &[self.counted(), vec![self.letters]].concat(), now).await
    }

    fn counted(&self) -> Vec<(Budget, Subject)> {
        self.subjects.iter().copied().flat_map(of).collect()
    }
}

fn of(subject: Subject) -> [(Budget, Subject); 2] {
    [(budgets::SUPPORT_REQUESTS, subject), (budgets::SUPPORT_REQUESTS_AT_MOST, subject)]
}
