//! Fields that several forms have, each with its input, its check, and the address that serves it.

pub mod captcha;
pub mod email;
pub mod password;
pub mod region;
