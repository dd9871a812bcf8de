use crate::Content;

/// How many bytes one answer, or one batch of a stream, may have.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    bytes: usize,
    framed: fn(usize) -> usize,
}

impl Budget {
    /// `bytes` of content, with no framing around each piece.
    pub fn bytes(bytes: usize) -> Self {
        Self { bytes, framed: |content| content }
    }

    /// `bytes` in all, where content of `n` bytes takes `framed(n)`.
    pub fn framed(bytes: usize, framed: fn(usize) -> usize) -> Self {
        Self { bytes, framed }
    }

    pub(crate) fn limit(&self) -> usize {
        self.bytes
    }

    pub(crate) fn cost(&self, content: &Content) -> usize {
        (self.framed)(content.len())
    }
}
