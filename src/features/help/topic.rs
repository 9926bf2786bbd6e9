/// One of the five questions that the help answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    ChangeData,
    RecoverPassword,
    Letter,
    LogIn,
    Registration,
}

impl Topic {
    /// All of them, in the order in which the help gives them.
    pub(super) const ALL: [Self; 5] =
        [Self::ChangeData, Self::RecoverPassword, Self::Letter, Self::LogIn, Self::Registration];

    /// The topic that an address names, or `None` for any other word.
    pub(super) fn by_slug(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.slug() == slug)
    }

    /// Its place: `/help/{slug}`, and `/help#{slug}`.
    pub(super) fn slug(self) -> &'static str {
        match self {
            Self::ChangeData => "change-data",
            Self::RecoverPassword => "recover-password",
            Self::Letter => "letter",
            Self::LogIn => "log-in",
            Self::Registration => "registration",
        }
    }

    /// How the help asks it.
    pub(super) fn question(self) -> &'static str {
        match self {
            Self::ChangeData => "Can I change my data after registration?",
            Self::RecoverPassword => "How do I recover my password?",
            Self::Letter => "The letter is not coming!",
            Self::LogIn => "I can’t log in to my account.",
            Self::Registration => "Registration",
        }
    }
}
