//! One message on a stream: its length, the length of the bytes that follow it, the message as JSON, the bytes.
//!
//! Whoever sends one sees that it is too long before anything of it is sent, and whoever reads one that the other is silent.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// Longest message or bytes: what says more is no message of ours.
pub(super) const LONGEST: u32 = 1 << 30;

/// A message as it goes over the stream, where neither it nor its bytes are longer than `longest`.
pub(super) fn encode(message: &impl Serialize, bytes: &[u8], longest: u32) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(message)?;
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).ok().filter(|n| *n <= longest);
    let too_long = || {
        let lengths = format!("{} bytes with {} more (at most {longest} of each)", json.len(), bytes.len());
        io::Error::new(io::ErrorKind::InvalidInput, format!("the message is too long: {lengths}"))
    };
    let (first, second) = length(&json).zip(length(bytes)).ok_or_else(too_long)?;
    let mut frame = Vec::with_capacity(8 + json.len() + bytes.len());
    frame.extend_from_slice(&first.to_be_bytes());
    frame.extend_from_slice(&second.to_be_bytes());
    frame.extend_from_slice(&json);
    frame.extend_from_slice(bytes);
    Ok(frame)
}

/// Sends what [`encode`] made.
pub(super) async fn send(to: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> io::Result<()> {
    to.write_all(frame).await?;
    to.flush().await
}

/// How long a message may be.
pub(super) trait Bounds<T> {
    /// The message itself, whatever it will say.
    fn message(&self) -> u32;

    /// The bytes that follow this one.
    fn bytes(&self, message: &T) -> u32;
}

/// Both at most so long.
#[derive(Debug, Clone, Copy)]
pub(super) struct AtMost(pub(super) u32);

impl<T> Bounds<T> for AtMost {
    fn message(&self) -> u32 {
        self.0
    }

    fn bytes(&self, _: &T) -> u32 {
        self.0
    }
}

/// The next message with its bytes; nothing at the end of the stream. It is an error when nothing comes for as long as `silence`, or
/// what comes is longer than `bounds` or no message. Memory is taken as bytes arrive, not as their number is told.
pub(super) async fn receive<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
    silence: Duration,
    bounds: &impl Bounds<T>,
) -> io::Result<Option<(T, Vec<u8>)>> {
    let first = match read_length(from, silence).await {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        length => length?,
    };
    let second = read_length(from, silence).await?;
    let strange = |why: &str| {
        let why = format!("what came is no message of mc ({why})");
        io::Error::new(io::ErrorKind::InvalidData, why)
    };
    if first > bounds.message() || second > LONGEST {
        return Err(strange(&format!("{first} bytes with {second} more")));
    }
    let json = read(from, first, silence).await?;
    let message = serde_json::from_slice(&json).map_err(|e| strange(&e.to_string()))?;
    if second > bounds.bytes(&message) {
        return Err(strange(&format!("{second} bytes follow it")));
    }
    let bytes = read(from, second, silence).await?;
    Ok(Some((message, bytes)))
}

async fn read_length(from: &mut (impl AsyncRead + Unpin), silence: Duration) -> io::Result<u32> {
    Ok(read(from, 4, silence).await?.iter().fold(0, |length, byte| length << 8 | u32::from(*byte)))
}

async fn read(from: &mut (impl AsyncRead + Unpin), length: u32, silence: Duration) -> io::Result<Vec<u8>> {
    let (mut from, mut bytes) = (from.take(length.into()), Vec::new());
    while from.limit() > 0 {
        let silent = |_| io::Error::new(io::ErrorKind::TimedOut, format!("nothing was said for {silence:?}"));
        if timeout(silence, from.read_buf(&mut bytes)).await.map_err(silent)?? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(bytes)
}
