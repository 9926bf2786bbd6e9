use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};

use super::{
    form::{RecoveryForm, RecoveryRequest},
    letter::NoSuchUserLetter,
    page::{RecoveryPage, SentPage},
};
use crate::{
    accounts::{
        budgets::{self, Subject, Usage},
        generated_passwords::GeneratedPasswordLetter,
        sessions::SignedIn,
        users::{self, Holder},
    },
    captcha,
    domain::Client,
    mail,
    web::{
        error::{PageError, refuse_spent},
        fields::captcha::CaptchaField,
        form::Form,
        page::{Frame, Page},
        state::App,
    },
};

/// `GET /recover`, also for who is logged in: who knows the password no more is not made to log out.
pub async fn show(
    State(app): State<App>,
    frame: Frame,
    signed_in: Option<SignedIn>,
    client: Client,
) -> Result<Response, PageError> {
    let email = signed_in.map_or_else(String::new, |signed_in| signed_in.email.to_string());
    let mut connection = app.database.acquire().await?;
    let captcha = CaptchaField::once_spent(&app, &mut connection, budgets::letters_of(&client)).await?;
    Ok(RecoveryPage { frame, form: RecoveryForm::new(email, captcha) }.ok())
}

/// `POST /recover`: promises a letter, whoever asks.
pub async fn submit(
    State(app): State<App>,
    frame: Frame,
    client: Client,
    Form(form): Form<RecoveryForm>,
) -> Result<Response, PageError> {
    let mut connection = app.database.acquire().await?;
    if form.wants_new_captcha() {
        let captcha = CaptchaField::new(&app, &mut connection).await?;
        return Ok(RecoveryPage { frame, form: RecoveryForm::new(form.email, captcha) }.ok());
    }
    let by_client = budgets::letters_of(&client);
    let [client_letters] = app.budgets.usage(&mut connection, [by_client], app.clock.now()).await?;
    let request = match form.understand(&app, &mut connection, client_letters).await? {
        Ok(request) => request,
        Err(form) => return Ok(RecoveryPage { frame, form }.unprocessable()),
    };
    drop(connection);
    match promise(&app, &client, &request).await? {
        true => Ok(Redirect::to("/recover/sent").into_response()),
        false => {
            let mut connection = app.database.acquire().await?;
            let form = RecoveryForm::captcha_is_missing(request, &app, &mut connection).await?;
            Ok(RecoveryPage { frame, form }.unprocessable())
        }
    }
}

/// Promises the letter that is owed to this address, if any: by the same statements in every case, so that
/// their time tells nothing. Returns false where the captcha was spent by another form, or other forms of
/// this client's have used up meanwhile what goes without one.
async fn promise(app: &App, client: &Client, request: &RecoveryRequest) -> Result<bool, PageError> {
    let now = app.clock.now();
    let mut tx = app.database.begin().await?;
    if let Some(captcha) = request.captcha
        && !captcha::store::spend(&mut tx, captcha, now).await?
    {
        return Ok(false);
    }
    let (to, user) = match users::holder(&mut tx, &request.email, now).await? {
        Some(Holder::User(user)) => (user.email, Some(user.id)),
        Some(Holder::Reserved { by, .. }) => (request.email.clone(), Some(by)),
        None => (request.email.clone(), None),
    };
    let by_client = budgets::letters_of(client);
    let [a_day, apart, no_such_user] =
        [budgets::RECOVERY_LETTERS, budgets::RECOVERY_LETTERS_APART, budgets::NO_SUCH_USER_LETTERS]
            .map(|budget| (budget, Subject::address(&request.email)));
    let [client_letters, usages @ ..] =
        app.budgets.usage_in_line(&mut tx, [by_client, a_day, apart, no_such_user], now).await?;
    if client_letters.is_spent() && request.captcha.is_none() {
        if !app.config.captcha {
            refuse_spent(client_letters, now)?;
        }
        return Ok(false);
    }
    let [a_day_is_spent, apart_is_spent, no_such_user_is_spent] = usages.map(Usage::is_spent);
    // The client pays for every address that it enters: otherwise its budget would tell.
    let mut spent = vec![by_client];
    match user {
        Some(user) => {
            let is_owed = !a_day_is_spent && !apart_is_spent;
            mail::enqueue_if::<GeneratedPasswordLetter>(&mut tx, is_owed, &to, Some(user.0), now).await?;
            if is_owed {
                spent.extend([a_day, apart]);
            }
        }
        None => {
            let is_owed = !no_such_user_is_spent;
            mail::enqueue_if::<NoSuchUserLetter>(&mut tx, is_owed, &to, None, now).await?;
            if is_owed {
                spent.push(no_such_user);
            }
        }
    }
    app.budgets.spend(&mut tx, &spent, now).await?;
    tx.commit().await?;
    Ok(true)
}

/// `GET /recover/sent`.
pub async fn sent(State(app): State<App>, frame: Frame) -> Response {
    SentPage::new(frame, &app.config).ok()
}
