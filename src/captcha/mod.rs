//! The captcha: a small sum in a picture that people read at a glance and machines do not, or spoken.
//!
//! A [`Task`] is asked, [`picture()`] draws it, [`sound()`] speaks it, and [`store`] remembers it in the
//! database, so that any instance can show and check what another one has made. A captcha lives for
//! [`store::LIFETIME`], is seen and heard [`store::SHOWINGS`] times each, and dies of
//! [`store::WRONG_ANSWERS`]. A right answer, once given, holds for the attempts that follow, until the
//! form that it came with is accepted and the captcha is spent.
//!
//! The answer is a secret: a task cannot be printed, and nothing here is logged.

mod answer;
mod picture;
mod sound;
pub mod store;
mod task;

pub use picture::picture;
pub use sound::sound;
pub use task::Task;
