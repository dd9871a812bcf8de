//! HTTP/2 by hand, for what no client would send.

use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

use crate::connect::{Door, Link};

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame's head: its length in three bytes, type, flags, and stream in four.
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// How long a write may take: a target need not read what it has no use for.
const WRITE_LIMIT: Duration = Duration::from_millis(500);

/// A connection of somebody who means no good, or knows no better.
pub(super) struct Raw(Link);

impl Raw {
    /// Connects. None if the target takes no connection.
    pub(super) async fn connect(door: &Door) -> Option<Self> {
        door.connect_raw().await.ok().map(Self)
    }

    /// Sends these bytes, as far as they are taken.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        // Whoever is hung up on, or not read, has what it deserves.
        let _ = timeout(WRITE_LIMIT, self.0.write_all(bytes)).await;
    }

    /// Whether the target says something about this stream, or hangs up, until then.
    pub(super) async fn hears_of(&mut self, stream: u32, deadline: Instant) -> bool {
        self.hears(stream, deadline, |kind, _| [HEADERS, RST_STREAM].contains(&kind)).await
    }

    /// Whether the target ends this stream, or hangs up, until then.
    pub(super) async fn sees_the_end_of(&mut self, stream: u32, deadline: Instant) -> bool {
        let ends = |kind, flags| match kind {
            HEADERS | DATA => flags & END_STREAM != 0,
            kind => kind == RST_STREAM,
        };
        self.hears(stream, deadline, ends).await
    }

    async fn hears(
        &mut self,
        stream: u32,
        deadline: Instant,
        wanted: impl Fn(u8, u8) -> bool,
    ) -> bool {
        let mut come = BytesMut::new();
        loop {
            while come.len() >= HEAD {
                let length = u32::from_be_bytes([0, come[0], come[1], come[2]]) as usize;
                if come.len() < HEAD + length {
                    break;
                }
                let frame = come.split_to(HEAD + length);
                let of = u32::from_be_bytes([frame[5], frame[6], frame[7], frame[8]]);
                if frame[3] == GOAWAY || (of == stream && wanted(frame[3], frame[4])) {
                    return true;
                }
            }
            match timeout_at(deadline, self.0.read_buf(&mut come)).await {
                Ok(Ok(read)) if read > 0 => {}
                Ok(_) => return true,
                Err(_) => return false,
            }
        }
    }
}

/// The preface and settings that set nothing.
pub(super) fn greeting() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = BytesMut::with_capacity(HEAD + payload.len());
    let length = u32::try_from(payload.len()).expect("frames are small").to_be_bytes();
    frame.put_slice(&length[1..]);
    frame.put_u8(kind);
    frame.put_u8(flags);
    frame.put_u32(stream);
    frame.put_slice(payload);
    frame.to_vec()
}

/// The headers of a call, which is not at its end by them.
pub(super) fn call(stream: u32, method: &str, deadline_ms: Option<u32>) -> Vec<u8> {
    // HPACK without its dynamic table and Huffman code: indexed fields, and literal ones.
    let mut block = vec![0x83, 0x86];
    let mut literal = |index: &[u8], value: &str| {
        block.extend_from_slice(index);
        block.push(u8::try_from(value.len()).expect("short"));
        block.extend_from_slice(value.as_bytes());
    };
    literal(&[0x04], &format!("/mpc.router.v1.MessageRouter/{method}"));
    literal(&[0x01], "in-process");
    literal(&[0x0f, 0x10], "application/grpc");
    literal(&[0x00, 2, b't', b'e'], "trailers");
    if let Some(deadline) = deadline_ms {
        let name = b"grpc-timeout";
        let index = [&[0x00, 12], &name[..]].concat();
        literal(&index, &format!("{deadline}m"));
    }
    frame(HEADERS, END_HEADERS, stream, &block)
}

/// A part of a call's request.
pub(super) fn data(stream: u32, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, 0, stream, bytes)
}

/// The last part of it.
pub(super) fn last_data(stream: u32, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, bytes)
}

/// The call is cancelled.
pub(super) fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

/// A gRPC frame that claims to have so many bytes.
pub(super) fn claims(length: u32, bytes: &[u8]) -> Vec<u8> {
    [&[0][..], &length.to_be_bytes(), bytes].concat()
}

/// Half of a frame of headers.
pub(super) fn half_a_frame() -> Vec<u8> {
    let whole = call(1, "RouteMessage", None);
    whole[..whole.len() / 2].to_vec()
}
