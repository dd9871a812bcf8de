use std::fmt;
use std::marker::PhantomData;

use bytes::{Buf, BufMut, Bytes};
use prost::encoding::{DecodeContext, WireType};
use prost::{DecodeError, Message};

/// A protobuf message `M` that is encoded already.
///
/// A server answers with it where one message goes to many: `Encoded::from(&message)` encodes once,
/// and each clone shares those bytes. On the wire it is an `M` like any other.
///
/// It can be written, not read: decoding into it is an error. Decode an `M` instead, as
/// [`Encoded::decode`] does.
pub struct Encoded<M> {
    bytes: Bytes,
    message: PhantomData<fn() -> M>,
}

impl<M> Encoded<M> {
    /// Takes `bytes` for the encoding of an `M`; nobody checks that they are.
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self { bytes, message: PhantomData }
    }

    /// The encoding.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl<M: Message + Default> Encoded<M> {
    /// The message itself.
    ///
    /// # Errors
    /// If the bytes are no `M`.
    pub fn decode(&self) -> Result<M, DecodeError> {
        M::decode(self.bytes.clone())
    }
}

impl<M: Message> From<&M> for Encoded<M> {
    fn from(message: &M) -> Self {
        Self::from_bytes(message.encode_to_vec().into())
    }
}

impl<M: Message> From<M> for Encoded<M> {
    fn from(message: M) -> Self {
        Self::from(&message)
    }
}

impl<M> Clone for Encoded<M> {
    fn clone(&self) -> Self {
        Self::from_bytes(self.bytes.clone())
    }
}

/// Shows the length only: what is inside may be secret.
impl<M> fmt::Debug for Encoded<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encoded({} bytes)", self.bytes.len())
    }
}

impl<M> Message for Encoded<M> {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        buf.put_slice(&self.bytes);
    }

    fn encoded_len(&self) -> usize {
        self.bytes.len()
    }

    fn merge_field(
        &mut self,
        _: u32,
        _: WireType,
        _: &mut impl Buf,
        _: DecodeContext,
    ) -> Result<(), DecodeError> {
        #[expect(deprecated, reason = "prost names no other way to say that a message is refused")]
        Err(DecodeError::new("Encoded is for writing: decode the message type itself"))
    }

    fn clear(&mut self) {
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::MpcMessage;

    #[test]
    fn is_the_message_on_the_wire() {
        let message = MpcMessage {
            message_id: "m".into(),
            round_number: -1,
            payload: Bytes::from_static(b"secret"),
            ..Default::default()
        };
        let encoded = Encoded::from(&message);
        assert_eq!(encoded.encode_to_vec(), message.encode_to_vec());
        assert_eq!(encoded.encoded_len(), message.encoded_len());
        assert_eq!(encoded.clone().decode().unwrap(), message);
        assert!(!format!("{encoded:?}").contains("secret"));
    }
}
