use serde::Deserialize;
use sqlx::PgConnection;

use crate::{
    domain::{AccountType, CaptchaId, EmailAddress, FormId, Password, RegionId},
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

/// The form as understood.
#[derive(Debug)]
pub struct RegistrationRequest {
    pub email: EmailAddress,
    pub password: Password,
    pub region_id: RegionId,
    pub account_type: AccountType,
    /// The captcha to spend, where one was asked.
    pub captcha: Option<CaptchaId>,
    pub form_id: FormId,
}

impl RegistrationForm {
    /// An empty one with a captcha of its own.
    pub async fn empty(app: &App, connection: &mut PgConnection) -> sqlx::Result<Self> {
        Ok(Self { captcha: CaptchaField::new(app, connection).await?, ..Self::default() })
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
        let captcha = self.sent_captcha.judge(app, connection).await?;
        let captcha = captcha.map_err(|words| self.complaints.add(Field::Captcha, words));
        let account_type = AccountType::parse(&self.account_type)
            .ok_or_else(|| self.complaints.add(Field::AccountType, "Choose one of the two account types."));
        match (email, region, captcha, account_type) {
            (Ok(email), Ok(region), Ok(captcha), Ok(account_type)) if self.complaints.is_empty() => {
                let form_id = self.form_id();
                Ok(Ok(RegistrationRequest {
                    email,
                    password: self.password,
                    region_id: region.id,
                    account_type,
                    captcha,
                    form_id,
                }))
            }
            _ => Ok(Err(self.shown_again(app, connection).await?)),
        }
    }

    /// The form with what was typed and a captcha that can be answered, without the password.
    async fn shown_again(self, app: &App, connection: &mut PgConnection) -> sqlx::Result<Self> {
        let captcha = self.sent_captcha.again_or_new(app, connection).await?;
        Ok(Self { captcha, password: Password::default(), ..self })
    }

    /// The form with what was typed and another captcha.
    pub async fn with_new_captcha(self, app: &App, connection: &mut PgConnection) -> sqlx::Result<Self> {
        let captcha = CaptchaField::new(app, connection).await?;
        Ok(Self { captcha, password: Password::default(), ..self })
    }

    /// The form with a complaint about the captcha alone: another request spent it meanwhile.
    pub async fn captcha_is_spent(
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
        form.complaints.add(Field::Captcha, captcha::USED_ALREADY);
        Ok(form)
    }
}
