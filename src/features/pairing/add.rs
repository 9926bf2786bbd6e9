use axum::response::{IntoResponse, Redirect, Response};

use super::{
    PAGE,
    form::{AccountsForm, Field},
    page::AccountsPage,
};
use crate::{
    accounts::{
        pairs::{self, NotAdded},
        sessions::{self, SignedIn},
        users,
    },
    domain::{Client, OwnPath},
    web::{
        device::Device,
        error::PageError,
        fields::region,
        page::{Frame, Page},
        state::App,
    },
};

const ADDED: &str = "/profile/accounts?because=added";

/// Adds the account that somebody lacks.
pub async fn submit(
    app: &App,
    frame: Frame,
    signed_in: &SignedIn,
    client: &Client,
    device: Device,
    mut form: AccountsForm,
) -> Result<Response, PageError> {
    let region = match region::choose(&form.region, &form.region_id, &form.region_was, &frame.languages) {
        Ok(region) => region.id,
        Err((words, choices)) => {
            form.complaints.add(Field::Region, words);
            form.choices = choices;
            form.region_id.clear();
            let page = AccountsPage::new(app, frame, signed_in, device).await?;
            return Ok(page.with_form(form).unprocessable());
        }
    };
    let (now, account_type) = (app.clock.now(), signed_in.account_type.other());
    let mut tx = app.database.begin().await?;
    users::hold(&mut tx, &[signed_in.user_id]).await?;
    if !sessions::is_live(&mut tx, signed_in.session).await? {
        return Err(PageError::NothingSaved(OwnPath::parse(PAGE)));
    }
    if !form.shown_to.accept(&mut tx, ADDED, now).await? {
        return Ok(Redirect::to(ADDED).into_response());
    }
    match pairs::add_account(&mut tx, signed_in.user_id, account_type, &region, client, now).await? {
        Ok(_) => {
            tx.commit().await?;
            Ok(Redirect::to(ADDED).into_response())
        }
        Err(why) => {
            drop(tx);
            let mut page = AccountsPage::new(app, frame, signed_in, device).await?;
            page.problem = Some(match why {
                NotAdded::Held => format!(
                    "You have {} account already. If it is being deleted, take that back above.",
                    account_type.with_article()
                ),
                NotAdded::Linked => {
                    "Your account is linked with one of another address. Unlink it first.".to_owned()
                }
            });
            Ok(page.with_form(form).unprocessable())
        }
    }
}
