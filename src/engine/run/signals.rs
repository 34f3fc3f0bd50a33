//! Signals of the operating system, as stop levels (the table of design section 12).

use crate::domain::mission::StopLevel;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from its making on.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    interrupts: u32,
}

/// Number of the signal that ends a process which writes beyond its file size limit, where nobody takes it.
const SIGXFSZ: i32 = 25;

/// From here on a write beyond the file size limit fails with a reason that can be told, and ends nobody without a word.
/// Needs the runtime.
pub fn outlive_file_size_limit() {
    if let Err(e) = signal(SignalKind::from_raw(SIGXFSZ)) {
        tracing::debug!("take the signal of the file size limit: {e}");
    }
}

impl Signals {
    /// Starts listening; SIGHUP is taken and ignored from here on, so that a closed terminal ends nothing.
    ///
    /// # Errors
    /// The system's reason.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupts: 0,
        })
    }

    /// The next request: the first interrupt finishes what runs, the second one and SIGTERM kill and pin.
    pub async fn next(&mut self) -> StopLevel {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => {
                    self.interrupts += 1;
                    return if self.interrupts == 1 { StopLevel::Drain } else { StopLevel::Interrupt };
                }
                _ = self.terminate.recv() => return StopLevel::Interrupt,
                _ = self.hangup.recv() => {}
            }
        }
    }

    /// Resolves when any of them came: the wish that a command that is no mission ends.
    pub async fn wait_any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
