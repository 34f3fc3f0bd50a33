//! Bytes of others in JSON: text where they are text, else numbers. None is lost.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// What is written in the place of something else.
pub trait Written: Sized {
    /// The form in JSON.
    type As: Serialize + DeserializeOwned;

    /// That form of it.
    fn written(&self) -> Self::As;

    /// The inverse of [`Written::written`].
    fn read(written: Self::As) -> Self;
}

/// A word in JSON.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub enum Word {
    Text(String),
    Bytes(Vec<u8>),
}

impl Written for OsString {
    type As = Word;

    fn written(&self) -> Word {
        self.to_str().map_or_else(|| Word::Bytes(self.as_bytes().to_owned()), |text| Word::Text(text.to_owned()))
    }

    fn read(written: Word) -> Self {
        match written {
            Word::Text(text) => text.into(),
            Word::Bytes(bytes) => Self::from_vec(bytes),
        }
    }
}

impl Written for PathBuf {
    type As = Word;

    fn written(&self) -> Word {
        self.as_os_str().to_owned().written()
    }

    fn read(written: Word) -> Self {
        OsString::read(written).into()
    }
}

impl<T: Written> Written for Vec<T> {
    type As = Vec<T::As>;

    fn written(&self) -> Self::As {
        self.iter().map(T::written).collect()
    }

    fn read(written: Self::As) -> Self {
        written.into_iter().map(T::read).collect()
    }
}

impl<A: Written, B: Written> Written for (A, B) {
    type As = (A::As, B::As);

    fn written(&self) -> Self::As {
        (self.0.written(), self.1.written())
    }

    fn read(written: Self::As) -> Self {
        (A::read(written.0), B::read(written.1))
    }
}

pub(super) fn serialize<T: Written, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    value.written().serialize(to)
}

pub(super) fn deserialize<'de, T: Written, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    T::As::deserialize(from).map(T::read)
}
