//! What is wrong with something that a person or a program wrote.

use serde::{Deserialize, Serialize};

/// What is wrong with a value, in words for whoever wrote it. Nobody decides by them: where it matters what exactly is wrong, an
/// error is an enum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{0}")]
#[serde(transparent)]
pub struct Invalid(pub String);

impl<T: Into<String>> From<T> for Invalid {
    fn from(words: T) -> Self {
        Self(words.into())
    }
}
