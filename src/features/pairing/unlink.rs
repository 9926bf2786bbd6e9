use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};

use super::PAGE;
use crate::{
    accounts::{
        notices::NoticeKind,
        pairs,
        sessions::{self, SignedIn},
        users,
    },
    domain::{Client, OwnPath},
    web::{device::Device, error::PageError, form::Form, signed_in_form::ShownTo, state::App},
};

const UNLINKED: &str = "/profile/accounts?because=unlinked";

/// `POST /profile/accounts/unlink`: parts an account from another user's, and tells both.
pub async fn submit(
    State(app): State<App>,
    signed_in: SignedIn,
    client: Client,
    device: Device,
    Form(shown_to): Form<ShownTo>,
) -> Result<Response, PageError> {
    let now = app.clock.now();
    let mut tx = app.database.begin().await?;
    if let Some(answer) = shown_to.answered(&app, &mut tx, &signed_in).await? {
        return Ok(answer);
    }
    let counterpart = pairs::counterpart(&mut tx, signed_in.account_id, device.0, false).await?;
    let Some(other) = counterpart.filter(|other| other.user_id != signed_in.user_id) else {
        return Ok(Redirect::to(PAGE).into_response());
    };
    users::hold(&mut tx, &[signed_in.user_id, other.user_id]).await?;
    if !sessions::is_live(&mut tx, signed_in.session).await? {
        return Err(PageError::NothingSaved(OwnPath::parse(PAGE)));
    }
    if shown_to.accept(&mut tx, UNLINKED, now).await? {
        if !pairs::delete(&mut tx, signed_in.account_id, other.account_id).await? {
            return Ok(Redirect::to(PAGE).into_response());
        }
        sessions::end_between(&mut tx, signed_in.user_id, other.user_id, Some(signed_in.session)).await?;
        let one = users::by_id(&mut tx, signed_in.user_id).await?;
        let another = users::by_id(&mut tx, other.user_id).await?;
        if let (Some(one), Some(another)) = (one, another) {
            for (user, with) in [(&one, &another), (&another, &one)] {
                pairs::tell(&mut tx, user, &with.email, NoticeKind::Unlinked, &client, now).await?;
            }
        }
        tx.commit().await?;
    }
    Ok(Redirect::to(UNLINKED).into_response())
}
