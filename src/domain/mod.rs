//! Plain values, parsed once at the edge: inside there is only an [`EmailAddress`], never a
//! `String` that might be one. Nothing here touches the world.

mod account_type;
mod client;
mod display_name;
mod email_address;
mod ids;
mod own_path;
mod password;
mod password_hash;
mod phone_number;
mod random_groups;
mod region_id;
mod support_reference;
mod token;

pub use account_type::AccountType;
pub use client::Client;
pub use display_name::{DisplayName, NotADisplayName, is_unseen};
pub use email_address::{EmailAddress, NotAnEmailAddress};
pub use ids::{
    AccountId, ActivityId, CaptchaId, DeviceId, EmailChangeId, FormId, InvitationId, LetterId, NoticeId,
    RegistrationId, SupportRequestId, UserId,
};
pub use own_path::OwnPath;
pub use password::Password;
pub use password_hash::PasswordHash;
pub use phone_number::{NotAPhoneNumber, PhoneNumber};
pub use region_id::RegionId;
pub use support_reference::SupportReference;
pub use token::{Token, TokenHash, random_bytes};
