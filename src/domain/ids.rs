use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// What was typed is no id of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not an id")]
pub struct NotAnId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $make:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
        #[sqlx(transparent)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new one, like no other.
            #[allow(clippy::new_without_default, reason = "an id is made on purpose, never by default")]
            pub fn new() -> Self {
                Self(Uuid::$make())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self).map_err(|_| NotAnId)
            }
        }
    };
}

// Rows are found by ids that grow with time (RFC 9562, version 7), so that their indexes grow at
// one end; what only its holder may name is wholly random (version 4).
id!(/// A person who can log in.
    UserId, now_v7);
id!(/// What a user holds on the marketplace.
    AccountId, now_v7);
id!(/// A filled-in form whose letter is not answered yet.
    RegistrationId, now_v7);
id!(/// An operator's invitation to register.
    InvitationId, now_v7);
id!(/// One email that we owe somebody.
    LetterId, now_v7);
id!(/// A browser, known by its cookie.
    DeviceId, now_v7);
id!(/// An address that a user wants instead of theirs.
    EmailChangeId, now_v7);
id!(/// What happened to a user and was told to an address.
    NoticeId, now_v7);
id!(/// One entry of a user's activity.
    ActivityId, now_v7);
id!(/// What somebody wrote to support.
    SupportRequestId, now_v7);
id!(/// A captcha; random, since who knows it sees the task.
    CaptchaId, new_v4);
id!(/// One form as it was shown; random, since who knows it sees where it led.
    FormId, new_v4);
