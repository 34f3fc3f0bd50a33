//! The two streams that lead to a worker, and what is said beside them: lines of its standard error, which are logged, and of
//! which the last ones tell why there is no worker.

use crate::domain::base::text::{replace_control_chars, shorten};
use crate::domain::trouble::{Cause, Trouble};
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, BufReader};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What is said to a worker.
pub(in crate::adapters::host::remote) type Input = Box<dyn AsyncWrite + Send + Unpin>;

/// What it says. What was read of it already is still in it.
pub(in crate::adapters::host::remote) type Output = BufReader<Box<dyn AsyncRead + Send + Unpin>>;

/// Longest line of standard error that is taken, in characters; of a longer one its beginning.
const LONGEST_LINE: usize = 400;

/// Bytes of a line that are read at a time.
const LONGEST_READ: u64 = 4 * LONGEST_LINE as u64;

/// Lines of one connection that are logged. A worker says little; whoever says more says it again and again.
const LOGGED: usize = 200;

/// Lines that are part of an error.
const LAST: usize = 3;

/// How long what was said last may take to come here, when its stream should have ended.
const SETTLE: Duration = Duration::from_millis(500);

/// How long a way may take to end by itself, when nothing more is said to its worker.
const END: Duration = Duration::from_secs(5);

/// What ends the way to a worker when it is dropped.
pub(super) trait Release: fmt::Debug + Send + Sync {
    /// Waits until it has ended by itself.
    fn wait_end(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// A worker that was reached.
pub(in crate::adapters::host::remote) struct Reached {
    /// Its standard input.
    pub stdin: Input,
    /// Its standard output, from the first message on.
    pub stdout: Output,
    /// What it says beside messages.
    pub said: Said,
    /// Whether the program had to be sent there first.
    pub sent: bool,
    /// Ends the way when it is dropped.
    pub guard: Guard,
}

/// Keeps the way to a worker. Dropped, it ends.
#[derive(Debug)]
pub(in crate::adapters::host::remote) struct Guard {
    way: Option<Box<dyn Release>>,
    reading: Reading,
}

/// Takes what is said at standard error, as long as it is kept.
pub(super) type Reading = JoinSet<()>;

impl Guard {
    /// Reads standard error as long as it is kept.
    pub(super) fn read(stderr: Option<impl AsyncRead + Send + Unpin + 'static>) -> (Self, Said) {
        let (last, mut tasks) = (Arc::default(), JoinSet::new());
        let (ended, end) = watch::channel(());
        if let Some(stderr) = stderr {
            let last = Arc::clone(&last);
            tasks.spawn(async move {
                let _ended = ended;
                read_lines(stderr, &last).await;
            });
        }
        (Self { way: None, reading: tasks }, Said { last, end })
    }

    /// Whoever says something when it ends has to be heard until then: what reads that is kept by it.
    pub(super) fn take_reading(&mut self) -> Reading {
        std::mem::take(&mut self.reading)
    }

    /// Keeps what ends the way when it is dropped as well.
    pub(super) fn keep(self, way: impl Release + 'static) -> Self {
        Self { way: Some(Box::new(way)), ..self }
    }

    /// Lets the way end by itself, whose worker has ended or is about to; what takes longer than 5 s is ended.
    pub(in crate::adapters::host::remote) async fn close(mut self) {
        if let Some(way) = self.way.take() {
            let _ = tokio::time::timeout(END, way.wait_end()).await;
        }
    }
}

/// The last lines of standard error.
#[derive(Debug, Clone)]
pub(in crate::adapters::host::remote) struct Said {
    last: Arc<Mutex<VecDeque<String>>>,
    end: watch::Receiver<()>,
}

impl Said {
    /// The last lines as one, when nothing more is to come; nothing where nothing was said.
    pub(super) async fn read_last(&self) -> Option<String> {
        let mut end = self.end.clone();
        // It changes never: what is waited for is that its sender is gone.
        let _ = tokio::time::timeout(SETTLE, end.changed()).await;
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        (!last.is_empty()).then(|| last.iter().map(String::as_str).collect::<Vec<_>>().join("; "))
    }

    /// The trouble with what was said last.
    pub(in crate::adapters::host::remote) async fn explain(&self, trouble: Trouble) -> Trouble {
        match self.read_last().await {
            Some(last) => Trouble { why: format!("{} (it said: {last})", trouble.why), ..trouble },
            None => trouble,
        }
    }

    /// The trouble of a command that ended before the worker could begin: with which exit code, and what it had printed. Where what it
    /// fails at stays, whatever the code, the command with which a person tries that.
    pub(super) async fn explain_end(
        &self,
        code: Option<i32>,
        printed: Option<String>,
        trial: Option<String>,
    ) -> Trouble {
        let code_words = code.map(|code| format!(" (exit code {code})")).unwrap_or_default();
        let printed = printed.map(|text| format!(", and printed: {text}")).unwrap_or_default();
        let why = format!("the command that should become the worker ended{code_words}{printed}");
        let trouble = match code {
            Some(code) if NO_COMMAND.contains(&code) => {
                Trouble::from(format!("{why}: it could not run `sh` there, or what leads there"))
            }
            _ => match trial {
                Some(trial) => Trouble::from(format!("{why}: its login must run commands; `{trial}` has to work")),
                None => Trouble::new(Cause::Unreachable, why),
            },
        };
        self.explain(trouble).await
    }
}

/// Exit codes of a shell whose command is not there, or cannot be run.
const NO_COMMAND: [i32; 2] = [126, 127];

/// Takes lines until the stream ends. However long a line or the whole is, little of it is kept.
async fn read_lines(from: impl AsyncRead + Unpin, last: &Mutex<VecDeque<String>>) {
    let (mut from, mut line) = (BufReader::new(from), Vec::new());
    let (mut count, mut rest_of_line) = (0_usize, false);
    loop {
        line.clear();
        match (&mut from).take(LONGEST_READ).read_until(b'\n', &mut line).await {
            Ok(read) if read > 0 => {}
            _ => return,
        }
        let text = replace_control_chars(String::from_utf8_lossy(&line).trim_end());
        if !rest_of_line && !text.is_empty() {
            count += 1;
            let text = shorten(&text, LONGEST_LINE);
            if count <= LOGGED {
                tracing::info!("worker: {text}");
            }
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.len() == LAST {
                last.pop_front();
            }
            last.push_back(text);
        }
        rest_of_line = !line.ends_with(b"\n");
    }
}
