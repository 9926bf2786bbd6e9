use std::sync::Arc;

use data_encoding::BASE32_DNSSEC;

/// A request's name: on every log line about it and on its error page.
#[derive(Clone, Debug)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// A new one, short enough to be read out.
    pub fn random() -> Self {
        Self(BASE32_DNSSEC.encode(&rand::random::<[u8; 8]>()).into())
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for RequestId {
    /// The name of a request that was given none.
    fn default() -> Self {
        Self("none".into())
    }
}
