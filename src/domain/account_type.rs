use std::fmt;

use serde::{Deserialize, Serialize};

/// Which side of the marketplace an account stands on; a user holds at most one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "account_type", rename_all = "lowercase")]
pub enum AccountType {
    /// Looks for artists.
    Customer,
    /// Is found by customers.
    Artist,
}

impl AccountType {
    /// Both, in the order in which forms offer them.
    pub const ALL: [Self; 2] = [Self::Customer, Self::Artist];

    /// The one that a counterpart has.
    pub fn other(self) -> Self {
        match self {
            Self::Customer => Self::Artist,
            Self::Artist => Self::Customer,
        }
    }

    /// The word with its article, for a sentence.
    pub fn with_article(self) -> &'static str {
        match self {
            Self::Customer => "a customer",
            Self::Artist => "an artist",
        }
    }

    /// The account type that a form names, or `None` for any other word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == word)
    }

    /// The word for it on pages, in forms and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Artist => "artist",
        }
    }
}

impl fmt::Display for AccountType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
