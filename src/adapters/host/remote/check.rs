//! What somebody wants to know of a host before work is given to it: whether it is reached, how long things take, and taking
//! away what is there. Each question is asked once.

use super::client::{RemoteHost, new_name};
use super::opening::Unanswered;
use super::protocol::{CleanOrder, Cleaned, PART, RemoteFile, Request, Versions};
use crate::adapters::host::description::Description;
use crate::domain::trouble::Trouble;
use crate::domain::values::MissionId;
use std::time::{Duration, Instant};

/// Requests that are timed.
const REQUESTS: usize = 5;

/// A transfer is measured until it took so long, or so many parts were sent.
const TRANSFER: (Duration, u64) = (Duration::from_secs(1), 8);

/// A host that was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeted {
    /// What the worker there understands.
    pub versions: Versions,
    /// How long it took until it greeted.
    pub took: Duration,
    /// Whether its program had to be sent there first.
    pub sent: bool,
}

/// How fast things go to and fro.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speed {
    /// How long a small request takes: the one in the middle of several.
    pub request: Duration,
    /// Bytes in a second to the host.
    pub there: u64,
    /// Bytes in a second from it.
    pub back: u64,
}

impl RemoteHost {
    /// Reaches the worker.
    ///
    /// # Errors
    /// Why it cannot be reached.
    pub async fn greet(&self) -> Result<Greeted, Trouble> {
        let begun = Instant::now();
        let connection = self.connect().await.map_err(Unanswered::into_trouble)?;
        Ok(Greeted { versions: connection.worker.clone(), took: begun.elapsed(), sent: connection.sent })
    }

    /// The machine at this moment.
    ///
    /// # Errors
    /// The host does not answer.
    pub async fn ask_description(&self) -> Result<Description, Trouble> {
        self.query(Request::Describe).await
    }

    /// Times requests, and a transfer each way of bytes that cannot be packed. Nothing of it stays there.
    ///
    /// # Errors
    /// The host does not answer, or cannot keep what is sent.
    pub async fn measure_speed(&self) -> Result<Speed, Trouble> {
        let name = new_name();
        let mut times = Vec::new();
        for _ in 0..REQUESTS {
            let begun = Instant::now();
            self.query::<Result<(), Trouble>>(Request::Forget(name.clone())).await??;
            times.push(begun.elapsed());
        }
        times.sort();
        let measured = self.transfer_parts(&name).await;
        self.query::<Result<(), Trouble>>(Request::Forget(name)).await??;
        let (there, back) = measured?;
        Ok(Speed { request: times[REQUESTS / 2], there, back })
    }

    async fn transfer_parts(&self, name: &str) -> Result<(u64, u64), Trouble> {
        let mut part = vec![0; usize::try_from(PART).unwrap_or(0)];
        fastrand::fill(&mut part);
        let (begun, mut sent) = (Instant::now(), 0);
        while sent < TRANSFER.1 && begun.elapsed() < TRANSFER.0 {
            let request = Request::Write(name.to_owned(), sent * PART);
            self.exchange::<Result<(), Trouble>>(request, &part).await?.0?;
            sent += 1;
        }
        let there = per_second(sent * PART, begun.elapsed());
        let (begun, mut read) = (Instant::now(), 0);
        while read < sent * PART && begun.elapsed() < TRANSFER.0 {
            let request = Request::Read(RemoteFile::Transfer(name.to_owned()), read);
            let (done, bytes) = self.exchange::<Result<(), Trouble>>(request, &[]).await?;
            done?;
            if bytes.is_empty() {
                return Err(Trouble::from("what was sent there cannot be read again".to_owned()));
            }
            read += bytes.len() as u64;
        }
        Ok((there, per_second(read, begun.elapsed())))
    }

    /// Takes away what is there for the engine's state directory, or only asks what would go. It is not to be asked anything
    /// afterwards.
    ///
    /// # Errors
    /// The host does not answer, or something cannot be removed.
    pub async fn clean(&self, order: CleanOrder) -> Result<Cleaned, Trouble> {
        self.query::<Result<Cleaned, Trouble>>(Request::Clean(order)).await?
    }

    /// Has what is noted there of other missions than this one forgotten; how many refs.
    ///
    /// # Errors
    /// The host does not answer, or is too old for it.
    pub async fn tidy(&self, mission: &MissionId) -> Result<usize, Trouble> {
        self.query::<Result<usize, Trouble>>(Request::Tidy(mission.clone())).await?
    }
}

fn per_second(bytes: u64, took: Duration) -> u64 {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
    bytes.saturating_mul(1_000_000) / micros
}
