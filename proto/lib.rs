//! Room: the wire contract of the MessageRouter, generated from `message_router.proto`.
//! In: nothing.
//! Out: [`v1`] (messages, client, server), [`Encoded`], [`FILE_DESCRIPTOR_SET`].
//! Knows: prost and tonic.
//! Blind to: every other room; it has no opinion on what a router does.
//!
//! `payload` and `message_hash` are [`bytes::Bytes`]: taking them out of a request copies nothing.

mod encoded;

pub use encoded::Encoded;

/// Package `mpc.router.v1`: the ten RPCs of `MessageRouter` and their twenty-three messages.
///
/// The comments of the `.proto` file stand on the items; the identifiers in brackets, such as
/// `ORD-1`, are requirements: `mpc-conformance explain ORD-1` says what each one means.
#[expect(
    missing_docs,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/mpc.router.v1.rs"));
}

/// The encoded `google.protobuf.FileDescriptorSet` of the contract, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
