//! One try at a password, on any form that asks for one.

use tracing::Instrument;

use super::{client_address::Client, error::PageError, state::App};
use crate::{
    accounts::budgets::{Budget, Subject, Try},
    domain::{Password, PasswordHash},
    platform::password_hasher::Verdict,
};

/// Compares a password with what is stored, by one hash, and counts a wrong one against `counted`. It
/// goes on to its end when the person hangs up: they have tried as well.
///
/// # Errors
/// [`PageError::Busy`] when too many passwords wait; and when the database fails.
pub async fn prove(
    app: &App,
    client: &Client,
    under_way: Try,
    counted: Vec<(Budget, Subject)>,
    password: &Password,
    stored: Option<&PasswordHash>,
) -> Result<Verdict, PageError> {
    let (app, network, password, stored) = (app.clone(), client.network(), password.clone(), stored.cloned());
    let proof = async move {
        let verdict = app.hasher.verify(network, &password, stored.as_ref()).await?;
        if verdict == Verdict::Wrong {
            let mut connection = app.database.acquire().await?;
            app.budgets.spend(&mut connection, &counted, app.clock.now()).await?;
        }
        // Only now that it is counted it is no longer under way.
        drop(under_way);
        Ok(verdict)
    };
    tokio::spawn(proof.in_current_span()).await.map_err(|error| PageError::Internal(error.into()))?
}
