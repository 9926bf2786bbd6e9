use serde::Deserialize;
use sqlx::PgConnection;

use crate::{
    accounts::invitations::{self, Invitation},
    domain::{AccountType, CaptchaId, EmailAddress, FormId, InvitationId, Password, RegionId, Token},
    regions::{Hint, Languages},
    web::{
        fields::{
            captcha::{self, CaptchaField, SentCaptcha},
            email, password, region,
        },
        form::{self, Complaints},
        state::App,
    },
};

/// What is said where two forms came with one invitation.
const INVITATION_IS_USED: &str = "Your invitation was used already. Enter the result of the task.";

/// The fields, in their order on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Email,
    Password,
    Region,
    Captcha,
    AccountType,
}

impl form::Field for Field {
    fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Password => "password",
            Self::Region => "region",
            Self::Captcha => "captcha_answer",
            Self::AccountType => "account_type",
        }
    }
}

/// The form as it was sent, and as it is shown again.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RegistrationForm {
    pub email: String,
    password: Password,
    pub region: String,
    pub region_id: String,
    region_was: String,
    pub account_type: String,
    form_id: String,
    /// The secret of an invitation, as its link carries it.
    pub invite: String,
    #[serde(flatten)]
    sent_captcha: SentCaptcha,
    #[serde(skip)]
    pub complaints: Complaints<Field>,
    /// The regions that the typed text may mean.
    #[serde(skip)]
    pub choices: Vec<Hint>,
    #[serde(skip)]
    pub captcha: Option<CaptchaField>,
}

/// What a registration costs whoever makes it; spent when the form is accepted.
#[derive(Clone, Copy, Debug)]
pub enum Admission {
    /// A captcha, where there are any.
    Captcha(Option<CaptchaId>),
    /// An invitation, in its place.
    Invitation(InvitationId),
}

/// The form as understood.
#[derive(Debug)]
pub struct RegistrationRequest {
    pub email: EmailAddress,
    pub password: Password,
    pub region_id: RegionId,
    pub account_type: AccountType,
    pub admission: Admission,
    pub form_id: FormId,
}

impl RegistrationForm {
    /// An empty one with a captcha of its own.
    pub async fn empty(app: &App, connection: &mut PgConnection) -> sqlx::Result<Self> {
        Ok(Self { captcha: CaptchaField::new(app, connection).await?, ..Self::default() })
    }

    /// An empty one for whoever follows an invitation's link, without a captcha; `None` where the invitation was
    /// used, has run out or never was.
    pub async fn invited(
        app: &App,
        connection: &mut PgConnection,
        invite: String,
    ) -> sqlx::Result<Option<Self>> {
        let invitation = invitation(app, connection, &invite).await?;
        Ok(invitation.map(|found| Self { invite, email: found.email.to_string(), ..Self::default() }))
    }

    /// Whether this is the form as somebody sent it, rather than an empty one.
    pub fn was_sent(&self) -> bool {
        !self.form_id.is_empty()
    }

    /// Whether somebody wants another task and nothing else.
    pub fn wants_new_captcha(&self) -> bool {
        self.sent_captcha.wants_another()
    }

    /// Which form it is; one that was shown without an id is like no other.
    pub fn form_id(&self) -> FormId {
        self.form_id.parse().unwrap_or_else(|_| FormId::new())
    }

    /// Everything that is wrong is said at once; what was typed stays, except the password.
    pub async fn understand(
        mut self,
        app: &App,
        connection: &mut PgConnection,
        languages: &Languages,
    ) -> sqlx::Result<Result<RegistrationRequest, Self>> {
        let email =
            email::choose(&self.email, &app.config).map_err(|words| self.complaints.add(Field::Email, words));
        if let Some(words) = password::complaint(&self.password, email.as_ref().ok(), &app.config) {
            self.complaints.add(Field::Password, words);
        }
        let region = region::choose(&self.region, &self.region_id, &self.region_was, languages);
        match &region {
            Ok(region) => (self.region, self.region_id) = (region.full_name(), region.id.to_string()),
            Err((words, choices)) => {
                self.complaints.add(Field::Region, words);
                self.choices.clone_from(choices);
                self.region_id.clear();
            }
        }
        let admission = match invitation(app, connection, &self.invite).await? {
            Some(invitation) => Ok(Admission::Invitation(invitation.id)),
            None => {
                self.invite.clear();
                let captcha = self.sent_captcha.judge(app, connection).await?;
                let captcha = captcha.map_err(|words| self.complaints.add(Field::Captcha, words));
                captcha.map(Admission::Captcha)
            }
        };
        let account_type = AccountType::parse(&self.account_type)
            .ok_or_else(|| self.complaints.add(Field::AccountType, "Choose one of the two account types."));
        match (email, region, admission, account_type) {
            (Ok(email), Ok(region), Ok(admission), Ok(account_type)) if self.complaints.is_empty() => {
                let form_id = self.form_id();
                Ok(Ok(RegistrationRequest {
                    email,
                    password: self.password,
                    region_id: region.id,
                    account_type,
                    admission,
                    form_id,
                }))
            }
            _ => Ok(Err(self.shown_again(app, connection).await?)),
        }
    }

    /// The form with what was typed and a captcha that can be answered, without the password.
    async fn shown_again(self, app: &App, connection: &mut PgConnection) -> sqlx::Result<Self> {
        let captcha = match self.invite.is_empty() {
            true => self.sent_captcha.again_or_new(app, connection).await?,
            false => None,
        };
        Ok(Self { captcha, password: Password::default(), ..self })
    }

    /// The form with what was typed and another captcha.
    pub async fn with_new_captcha(self, app: &App, connection: &mut PgConnection) -> sqlx::Result<Self> {
        let captcha = CaptchaField::new(app, connection).await?;
        Ok(Self { captcha, password: Password::default(), ..self })
    }

    /// The form with a complaint about the captcha alone: another request spent it, or the invitation, meanwhile.
    pub async fn admission_is_spent(
        request: RegistrationRequest,
        app: &App,
        connection: &mut PgConnection,
        languages: &Languages,
    ) -> sqlx::Result<Self> {
        let mut form = Self {
            email: request.email.to_string(),
            region: region::full_name(&request.region_id, languages),
            region_id: request.region_id.to_string(),
            account_type: request.account_type.to_string(),
            form_id: request.form_id.to_string(),
            ..Self::empty(app, connection).await?
        };
        form.complaints.add(
            Field::Captcha,
            match request.admission {
                Admission::Captcha(_) => captcha::USED_ALREADY,
                Admission::Invitation(_) => INVITATION_IS_USED,
            },
        );
        Ok(form)
    }
}

/// The invitation whose secret this is, where it can be used.
async fn invitation(
    app: &App,
    connection: &mut PgConnection,
    invite: &str,
) -> sqlx::Result<Option<Invitation>> {
    match Token::parse(invite) {
        Some(token) => invitations::by_token(connection, token.hash(), app.clock.now()).await,
        None => Ok(None),
    }
}
