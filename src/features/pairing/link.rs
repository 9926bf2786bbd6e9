use axum::response::{IntoResponse, Redirect, Response};
use sqlx::PgConnection;

use super::{
    form::{AccountsForm, Field},
    page::AccountsPage,
    store,
};
use crate::{
    accounts::{
        credentials::Credentials,
        notices::NoticeKind,
        pairs,
        sessions::{self, SignedIn},
        users::{self, User},
    },
    domain::{AccountId, Client, EmailAddress, PasswordHash},
    web::{
        device::Device,
        error::PageError,
        fields::password::KEPT_BY_NO_PAGE,
        page::{Frame, Page},
        proof::{FAILED, NotProved, Unproved, prove_user},
        standing::locked_out,
        state::App,
    },
};

const LINKED: &str = "/profile/accounts?because=linked";

/// Links the account of somebody with that of another user, whose password they know too.
pub async fn submit(
    app: &App,
    frame: Frame,
    signed_in: &SignedIn,
    client: &Client,
    device: Device,
    mut form: AccountsForm,
) -> Result<Response, PageError> {
    if form.proof.wants_another_captcha() {
        form.proof.keep_captcha(app).await?;
        return Ok(AccountsPage::new(app, frame, signed_in, device).await?.with_form(form).ok());
    }
    let Some((proved_here, there)) = prove(app, signed_in, client, device, &mut form).await? else {
        return Ok(AccountsPage::new(app, frame, signed_in, device).await?.with_form(form).unprocessable());
    };
    match link(app, signed_in, &proved_here, &there, client, &form).await? {
        Ok(()) => Ok(Redirect::to(LINKED).into_response()),
        Err(why) => {
            form.complaints.add(Field::Email, why);
            Ok(AccountsPage::new(app, frame, signed_in, device).await?.with_form(form).unprocessable())
        }
    }
}

/// Proves both passwords, one's own first: until both are right, nothing is said of the other user. What is
/// wrong is in the form.
async fn prove(
    app: &App,
    signed_in: &SignedIn,
    client: &Client,
    device: Device,
    form: &mut AccountsForm,
) -> Result<Option<(PasswordHash, Credentials)>, PageError> {
    let typed = form.email.clone().unwrap_or_default();
    let email = EmailAddress::parse(&typed).ok();
    if typed.trim().is_empty() {
        form.complaints.add(Field::Email, "Enter the email address of your other account.");
    } else if email.as_ref().is_some_and(|email| email.key() == signed_in.email.key()) {
        form.complaints.add(
            Field::Email,
            "This is the address of the account that you are here as. Enter the other one.",
        );
    }
    if form.password.is_empty() {
        form.complaints.add(Field::Password, "Enter the password of your other account.");
    }
    if let Some(words) = form.proof.complaint() {
        form.complaints.add(Field::CurrentPassword, words);
    }
    if !form.complaints.is_empty() {
        form.proof.ask_again(app).await?;
        KEPT_BY_NO_PAGE.clone_into(&mut form.advice);
        return Ok(None);
    }
    let password = std::mem::take(&mut form.password);
    let here = match form.proof.prove(app, client, device, &signed_in.email).await? {
        Ok(here) => here,
        Err(not_proved) => {
            not_proved.tell(&mut form.complaints, Field::CurrentPassword, Field::Captcha);
            KEPT_BY_NO_PAGE.clone_into(&mut form.advice);
            return Ok(None);
        }
    };
    let asked = (form.proof.sent_captcha(), None);
    let Unproved { why, captcha, advice } =
        match prove_user(app, client, device, email.as_ref(), &password, asked, FAILED).await? {
            Ok(there) => return Ok(Some((here, there))),
            Err(unproved) => unproved,
        };
    match why {
        NotProved::Shut(words) => form.complaints.add(Field::Email, words),
        why => why.tell(&mut form.complaints, Field::Password, Field::Captcha),
    }
    form.proof.captcha = captcha;
    form.advice = advice.join(" ");
    KEPT_BY_NO_PAGE.clone_into(&mut form.proof.advice);
    Ok(None)
}

/// Makes the two accounts a pair, and tells both addresses; or says why not, to who knows both passwords.
async fn link(
    app: &App,
    signed_in: &SignedIn,
    proved_here: &PasswordHash,
    there: &Credentials,
    client: &Client,
    form: &AccountsForm,
) -> sqlx::Result<Result<(), String>> {
    const CHANGED: &str = "A password was changed just now. Enter both again.";
    let now = app.clock.now();
    let mut tx = app.database.begin().await?;
    users::hold(&mut tx, &[signed_in.user_id, there.user_id]).await?;
    if !form.shown_to.accept(&mut tx, LINKED, now).await? {
        return Ok(Ok(()));
    }
    // Whoever ended the session meanwhile, or began a deletion, wants nothing linked.
    let is_live = sessions::is_live(&mut tx, signed_in.session).await?;
    let here = users::by_id(&mut tx, signed_in.user_id).await?;
    let here = here.filter(|user| is_live && user.password_hash == *proved_here);
    let other =
        users::by_id(&mut tx, there.user_id).await?.filter(|user| user.password_hash == there.password_hash);
    let (Some(here), Some(other)) = (here, other) else { return Ok(Err(CHANGED.to_owned())) };
    if store::accounts(&mut tx, here.id).await?.len() > 1 {
        let words =
            "You have both types of accounts here already. If one is being deleted, take that back above.";
        return Ok(Err(words.to_owned()));
    }
    let account = match account_to_link(app, &mut tx, signed_in, &other).await? {
        Ok(account) => account,
        Err(why) => return Ok(Err(why)),
    };
    let told_here = pairs::tell(&mut tx, &here, &other.email, NoticeKind::Linked, client, now).await?;
    let told_there = pairs::tell(&mut tx, &other, &here.email, NoticeKind::Linked, client, now).await?;
    // Who answers either notice parts what was linked since.
    let paired_at = told_here.max(told_there);
    if !pairs::insert(&mut tx, (signed_in.account_id, signed_in.account_type), account, paired_at).await? {
        return Ok(Err("One of the two accounts is linked already. Unlink it first.".to_owned()));
    }
    tx.commit().await?;
    Ok(Ok(()))
}

/// The one account of the other user, where it can be linked.
async fn account_to_link(
    app: &App,
    connection: &mut PgConnection,
    signed_in: &SignedIn,
    other: &User,
) -> sqlx::Result<Result<AccountId, String>> {
    let refused = |words: &str| Ok(Err(words.to_owned()));
    if other.is_locked {
        return Ok(Err(locked_out(app)));
    }
    if other.deletion_due_at.is_some() {
        return refused(
            "The data of that address are being deleted. Log in there first, which takes that back.",
        );
    }
    if app.config.generated_password_must_change && other.password_is_generated {
        return refused("The password of that address is a generated one. Log in there and change it first.");
    }
    let accounts = store::accounts(connection, other.id).await?;
    match accounts.as_slice() {
        [account] if account.account_type == signed_in.account_type => Ok(Err(format!(
            "Both are {} accounts. Only a customer and an artist account can be linked.",
            account.account_type
        ))),
        [account] => Ok(Ok(account.id)),
        two if two.iter().any(|account| account.deletion_due_at.is_some()) => {
            refused("An account of that address is being deleted. Log in there and take it back.")
        }
        _ => refused("That address has both types of accounts already. There is nothing to link."),
    }
}
