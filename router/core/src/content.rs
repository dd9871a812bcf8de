use std::fmt;

use bytes::Bytes;

/// The wire encoding of a message or an event: made once, shared by all who get it.
///
/// The core counts its bytes and never reads them. `Debug` shows the length only, since what is
/// inside may be secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Content(Bytes);

impl Content {
    /// Takes the encoding as it is.
    pub fn new(encoding: Bytes) -> Self {
        Self(encoding)
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none, or none any more.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The encoding.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The encoding.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl From<&'static str> for Content {
    fn from(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes)", self.0.len())
    }
}
