use std::fmt;

/// What is stored of a password: a PHC string (`$argon2id$v=19$m=…`), which holds salt and
/// parameters too. It cannot be printed.
#[derive(Clone, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes what the hasher made or the database kept; it is read only when it is verified.
    pub fn new(phc_string: String) -> Self {
        Self(phc_string)
    }

    /// The PHC string, for the database.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(secret)")
    }
}
