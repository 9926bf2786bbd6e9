//! The kit that pages are made of.

/// Who asks, as far as the network tells.
pub mod client_address;
pub mod current_password;
/// The cookie by which a browser is known.
pub mod device;
/// The error page, and what leads to it.
pub mod error;
pub mod fields;
// The macro that makes filters writes undocumented items.
#[allow(missing_docs)]
pub mod filters;
/// A form as it was sent, and the complaints about it.
pub mod form;
/// The link of a letter, as it comes back.
pub mod letter_link;
/// The frame around every page, and a page as an answer.
pub mod page;
pub mod proof;
/// What a request is called in logs and on its error page.
pub mod request_id;
/// Keeps out what a foreign page could have sent.
pub mod same_origin;
pub mod session;
pub mod signed_in_form;
pub mod standing;
/// What every handler may use.
pub mod state;
pub mod static_files;
