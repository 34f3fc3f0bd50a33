//! One message on a stream: its length, the length of the bytes that follow it, the message as JSON, the bytes.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest message or bytes: what says more is no message of ours.
const LONGEST: u32 = 1 << 30;

/// A message as it goes over the stream.
pub(super) fn encode(message: &impl Serialize, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(message)?;
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).ok().filter(|n| *n <= LONGEST);
    let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "the message is too long");
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

/// The next message with its bytes; nothing at the end of the stream.
pub(super) async fn receive<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<(T, Vec<u8>)>> {
    let mut lengths = [0_u8; 8];
    match from.read_exact(&mut lengths).await {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => drop(read?),
    }
    let [a, b, c, d, e, f, g, h] = lengths;
    let (first, second) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
    if first > LONGEST || second > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "what came is no message of mc"));
    }
    let json = read(from, first).await?;
    let bytes = read(from, second).await?;
    Ok(Some((serde_json::from_slice(&json)?, bytes)))
}

async fn read(from: &mut (impl AsyncRead + Unpin), length: u32) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = from.take(length.into()).read_to_end(&mut bytes).await?;
    if read as u64 != u64::from(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}
