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
    /// Lines for people; of every record where asked for.
    Lines {
        all: bool,
    },
    Json,
    Nothing,
}

/// Where text goes; false when nobody takes it any more.
type Sink = Box<dyn FnMut(&str) -> bool + Send>;

struct Screen {
    sink: Sink,
    style: Style,
    /// Width of the live line, when there is one.
    width: Option<usize>,
    live: Live,
    drawn: bool,
    gone: bool,
}

/// The console; clones share one screen.
#[derive(Clone)]
pub struct Console(Arc<Mutex<Screen>>);

impl Console {
    /// A console as the global options want it.
    #[must_use]
    pub fn new(global: &Global) -> Self {
        let style = match (global.json, global.quiet) {
            (true, _) => Style::Json,
            (false, true) => Style::Nothing,
            (false, false) => Style::Lines { all: global.verbose > 0 },
        };
        // Messages of the engine on the same terminal would tear the live line.
        let live = style == Style::Lines { all: false } && std::io::stdout().is_terminal();
        let width = if live { views::terminal_width() } else { None };
        Self::with_sink(style, width, Box::new(output::put))
    }

    fn with_sink(style: Style, width: Option<usize>, sink: Sink) -> Self {
        let screen = Screen { sink, style, width, live: Live::default(), drawn: false, gone: false };
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
            Style::Lines { all } => {
                if let Some(line) = lines::line(record, state).or_else(|| all.then(|| record.kind())) {
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
            self.gone = !(self.sink)(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::play;
    use crate::sim::scenario::Scenario;

    /// Everything a console writes about a simulated mission, when `takes` writes are taken.
    fn written(style: Style, width: Option<usize>, takes: usize) -> Vec<String> {
        let written = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&written);
        let put = move |text: &str| {
            let mut all = sink.lock().unwrap();
            all.push(text.to_owned());
            all.len() < takes
        };
        let mut console = Console::with_sink(style, width, Box::new(put));
        let mut state: Option<State> = None;
        let watch = |at, record: &Record| {
            match &mut state {
                Some(state) => state.apply(record),
                None => state = State::begin(record).ok(),
            }
            console.saw(at, record, state.as_ref().unwrap());
        };
        play(&Scenario::random(3), watch).unwrap();
        std::mem::take(&mut *written.lock().unwrap())
    }

    #[test]
    fn a_pipe_gets_plain_lines_and_a_terminal_one_live_line_below_them() {
        let plain = written(Style::Lines { all: false }, None, usize::MAX);
        assert!(plain.len() > 10 && plain.iter().all(|text| text.ends_with('\n') && !text.contains(['\r', '\x1b'])));
        let live = written(Style::Lines { all: false }, Some(40), usize::MAX);
        let lines: Vec<&String> = live.iter().filter(|text| text.ends_with('\n')).collect();
        assert!(lines.into_iter().eq(&plain), "the same lines");
        for pair in live.windows(2) {
            let drawn = pair[0].ends_with("\x1b[K") && pair[0].len() > 4;
            assert!(!(drawn && pair[1].ends_with('\n')), "a line on top of the live line: {pair:?}");
            assert!(pair[0].ends_with('\n') || pair[0].chars().count() <= 43, "{pair:?}");
        }
    }

    #[test]
    fn a_console_nobody_reads_falls_silent() {
        assert_eq!(written(Style::Lines { all: false }, Some(80), 5).len(), 5);
        assert_eq!(written(Style::Json, None, 1).len(), 1);
        assert!(written(Style::Nothing, None, usize::MAX).is_empty());
    }
}
