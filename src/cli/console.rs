//! The console of a running mission: one plain line per interesting record, and on a terminal a live view below them.
//!
//! It only looks on. When nobody reads it any more (closed pipe, hung-up terminal) it falls silent and the mission goes on.
//! Nothing but lines goes into a pipe. The view is drawn on a change or once a second, and asks for the size of the terminal
//! each time; where a smaller terminal has wrapped its lines, they are counted as the rows they take now.

use super::args::Global;
use super::output;
use crate::domain::mission::{Record, State};
use crate::domain::values::{Millis, UnitId};
use crate::engine::context::project::Project;
use crate::engine::inspect::terminal::{self, Life};
use crate::engine::inspect::views;
use crate::engine::run::observer::Observer;
use crate::report::lines;
use crate::report::live::{Live, Tone};
use std::collections::BTreeMap;
use std::future::Future;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Shortest time between two drawings that no line called for.
const PAUSE: Millis = 1_000;

/// How long a found sign of life is good for: looking for one costs a walk through a workspace.
const LIFE_HOLDS: Millis = 10_000;

/// Most lines of the view.
const TALLEST: usize = 16;

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

/// Columns and rows of the terminal.
type Size = Box<dyn FnMut() -> Option<(usize, usize)> + Send>;

struct Screen {
    sink: Sink,
    style: Style,
    /// Asked for each drawing of the live view, where there is one.
    size: Option<Size>,
    colours: bool,
    life: Option<Life>,
    /// When a sign of life of an attempt was last looked for, and the sign.
    signs: BTreeMap<(UnitId, u32), (Millis, Option<Millis>)>,
    live: Live,
    /// Lines on the terminal now.
    drawn: Vec<(Tone, String)>,
    at: Millis,
    gone: bool,
}

/// The console; clones share one screen.
#[derive(Clone)]
pub struct Console(Arc<Mutex<Screen>>);

impl Console {
    /// A console as the global options want it, for missions of a project.
    pub fn new(global: &Global, project: &Project) -> Self {
        let style = match (global.json, global.quiet) {
            (true, _) => Style::Json,
            (false, true) => Style::Nothing,
            (false, false) => Style::Lines { all: global.verbose > 0 },
        };
        // Messages of the engine on the same terminal would tear the live view.
        let live = style == Style::Lines { all: false } && std::io::stdout().is_terminal();
        let size: Option<Size> = if live { Some(Box::new(terminal::size)) } else { None };
        let console = Self::with_sink(style, size, Box::new(output::write_text));
        console
            .with_screen(|screen| (screen.life, screen.colours) = (Some(Life::of(project)), terminal::wants_colours()));
        console
    }

    fn with_sink(style: Style, size: Option<Size>, sink: Sink) -> Self {
        Self(Arc::new(Mutex::new(Screen {
            sink,
            style,
            size,
            colours: false,
            life: None,
            signs: BTreeMap::new(),
            live: Live::default(),
            drawn: Vec::new(),
            at: 0,
            gone: false,
        })))
    }

    /// The observer to hand to the engine.
    pub fn observer(&self) -> Box<dyn Observer> {
        Box::new(self.clone())
    }

    /// Runs `work` to its end, keeping the ages in the live view true, and clears that view afterwards.
    pub async fn run_with_view<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let result = loop {
            tokio::select! {
                result = &mut work => break result,
                _ = second.tick() => self.with_screen(|screen| screen.draw(views::now())),
            }
        };
        self.with_screen(Screen::clear);
        result
    }

    fn with_screen(&self, act: impl FnOnce(&mut Screen)) {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Observer for Console {
    fn on_record(&mut self, at: Millis, record: &Record, state: &State) {
        self.with_screen(|screen| screen.show_record(at, record, state));
    }
}

impl Screen {
    fn show_record(&mut self, at: Millis, record: &Record, state: &State) {
        match self.style {
            _ if self.gone => {}
            Style::Nothing => {}
            Style::Json => self.write(&format!("{}\n", lines::json(None, at, &state.mission, record))),
            Style::Lines { all } => {
                let line = lines::format_record(record, state).or_else(|| all.then(|| record.kind()));
                if let Some(line) = &line {
                    self.clear();
                    self.write(&format!("{}{line}\n", lines::format_elapsed(at.saturating_sub(state.started))));
                }
                if self.size.is_some() {
                    self.live = Live::of(state);
                    if line.is_some() || at.saturating_sub(self.at) >= PAUSE {
                        self.draw(at);
                    }
                }
            }
        }
    }

    fn draw(&mut self, now: Millis) {
        let Some((width, height)) = self.size.as_mut().and_then(|size| size()) else { return };
        let live = std::mem::take(&mut self.live);
        // One row is left for the line above, one column so that no terminal wraps a full line.
        let room = (height - 1).min(TALLEST);
        let lines = live.lines(now, width - 1, room, |attempt| {
            let Some(life) = &self.life else { return None };
            let seen = self.signs.entry((attempt.unit.clone(), attempt.n)).or_insert((0, None));
            // That there is none yet is not true for long.
            let holds = if seen.1.is_some_and(|at| at >= attempt.since) { LIFE_HOLDS } else { PAUSE };
            if now.saturating_sub(seen.0) >= holds {
                *seen = (now, life.last_activity(&attempt.mission, &attempt.unit, attempt.n, attempt.slot));
            }
            seen.1
        });
        self.signs.retain(|(unit, n), _| live.working().iter().any(|a| a.unit == *unit && a.n == *n));
        self.live = live;
        self.at = now;
        // Before the first record there is nothing to show.
        if lines == self.drawn || self.live.text(0, 1).is_empty() {
            return;
        }
        let mut text = self.clear_sequence();
        let painted: Vec<String> = lines.iter().map(|(tone, line)| self.paint(*tone, line)).collect();
        text.push_str(&painted.join("\n"));
        self.write(&text);
        self.drawn = lines;
    }

    fn paint(&self, tone: Tone, line: &str) -> String {
        match (self.colours, tone) {
            (false, _) | (_, Tone::Plain) => line.to_owned(),
            (true, Tone::Head) => format!("\x1b[1m{line}\x1b[0m"),
            (true, Tone::Urgent) => format!("\x1b[33m{line}\x1b[0m"),
        }
    }

    /// What takes the drawn lines away, with the cursor at their beginning afterwards.
    fn clear_sequence(&mut self) -> String {
        if self.drawn.is_empty() {
            return String::new();
        }
        let width = self.size.as_mut().and_then(|size| size()).map_or(usize::MAX, |(width, _)| width);
        let rows: usize = self.drawn.iter().map(|(_, line)| line.chars().count().max(1).div_ceil(width)).sum();
        match rows {
            0 | 1 => "\r\x1b[J".to_owned(),
            rows => format!("\r\x1b[{}A\x1b[J", rows - 1),
        }
    }

    fn clear(&mut self) {
        let text = self.clear_sequence();
        if !text.is_empty() {
            self.drawn.clear();
            self.write(&text);
        }
    }

    fn write(&mut self, text: &str) {
        if !self.gone {
            self.gone = !(self.sink)(text);
        }
    }
}

#[cfg(test)]
#[path = "console_tests.rs"]
mod tests;
