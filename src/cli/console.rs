//! The console of a running mission: one plain line per interesting record, and on a terminal a live line below them.
//!
//! It only looks on. When nobody reads it any more (closed pipe, hung-up terminal) it falls silent and the mission goes on.

use super::args::Global;
use super::output;
use crate::domain::mission::{Record, State};
use crate::domain::values::Millis;
use crate::engine::observer::Observer;
use crate::engine::views;
use crate::report::lines;
use crate::report::live::Live;
use std::future::Future;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What is printed of each record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Lines,
    Json,
    Nothing,
}

#[derive(Debug)]
struct Screen {
    style: Style,
    /// Width of the live line, when there is one.
    width: Option<usize>,
    live: Live,
    drawn: bool,
    gone: bool,
}

/// The console; clones share one screen.
#[derive(Debug, Clone)]
pub struct Console(Arc<Mutex<Screen>>);

impl Console {
    /// A console as the global options want it.
    #[must_use]
    pub fn new(global: &Global) -> Self {
        let style = match (global.json, global.quiet) {
            (true, _) => Style::Json,
            (false, true) => Style::Nothing,
            (false, false) => Style::Lines,
        };
        // Messages of the engine on the same terminal would tear the live line.
        let live = style == Style::Lines && global.verbose == 0 && std::io::stdout().is_terminal();
        let width = if live { views::terminal_width() } else { None };
        let screen = Screen { style, width, live: Live::default(), drawn: false, gone: false };
        Self(Arc::new(Mutex::new(screen)))
    }

    /// The observer to hand to the engine.
    #[must_use]
    pub fn observer(&self) -> Box<dyn Observer> {
        Box::new(self.clone())
    }

    /// Runs `work` to its end, keeping the ages in the live line true, and clears that line afterwards.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let result = loop {
            tokio::select! {
                result = &mut work => break result,
                _ = second.tick() => self.with(|screen| screen.draw(views::now())),
            }
        };
        self.with(Screen::clear);
        result
    }

    fn with(&self, act: impl FnOnce(&mut Screen)) {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Observer for Console {
    fn saw(&mut self, at: Millis, record: &Record, state: &State) {
        self.with(|screen| screen.saw(at, record, state));
    }
}

impl Screen {
    fn saw(&mut self, at: Millis, record: &Record, state: &State) {
        match self.style {
            _ if self.gone => {}
            Style::Nothing => {}
            Style::Json => self.put(&format!("{}\n", lines::json(None, at, &state.mission, record))),
            Style::Lines => {
                if let Some(line) = lines::line(record, state) {
                    self.clear();
                    self.put(&format!("{}{line}\n", lines::elapsed(at.saturating_sub(state.started))));
                }
                if self.width.is_some() {
                    self.live = Live::of(state);
                    self.draw(at);
                }
            }
        }
    }

    fn draw(&mut self, now: Millis) {
        let Some(width) = self.width else { return };
        let text = self.live.text(now, width - 1);
        if !text.is_empty() {
            self.put(&format!("\r{text}\x1b[K"));
            self.drawn = true;
        }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            self.put("\r\x1b[K");
        }
    }

    fn put(&mut self, text: &str) {
        if !self.gone {
            self.gone = !output::put(text);
        }
    }
}
