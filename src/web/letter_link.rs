use serde::Deserialize;

/// What a letter's link carries.
#[derive(Deserialize)]
pub struct Link {
    /// Its secret, as it stands in the address.
    #[serde(default)]
    pub token: String,
}
