//! The console in a pipe and on a terminal.

use super::*;
use crate::domain::mission::Mission;
use crate::sim::run_scenario;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Everything a console writes about a simulated mission, when `takes` writes are taken. The terminal is as wide as `width`
/// says at each look.
fn written(style: Style, width: Option<fn(usize) -> usize>, takes: usize) -> Vec<String> {
    let written = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&written);
    let put = move |text: &str| {
        let mut all = sink.lock().unwrap();
        all.push(text.to_owned());
        all.len() < takes
    };
    let looks = AtomicUsize::new(0);
    let size = width.map(|width| -> Size { Box::new(move || Some((width(looks.fetch_add(1, Ordering::Relaxed)), 8))) });
    let mut console = Console::with_sink(style, size, Box::new(put));
    let mut state: Option<Mission> = None;
    let watch = |at, record: &Record| {
        match &mut state {
            Some(state) => state.apply(record),
            None => state = Mission::begin(record).ok(),
        }
        console.on_record(at, record, state.as_ref().unwrap());
    };
    run_scenario(&crate::sim::scenario::tests::disturbed(), watch).unwrap();
    console.with_screen(Screen::clear);
    std::mem::take(&mut *written.lock().unwrap())
}

/// What a terminal that wraps at `width` shows in the end, scrolled-out lines included.
fn shown(text: &str, width: usize) -> Vec<String> {
    let (mut rows, mut row, mut column) = (vec![String::new()], 0_usize, 0_usize);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\r' => column = 0,
            '\n' => {
                (row, column) = (row + 1, 0);
                rows.resize(rows.len().max(row + 1), String::new());
            }
            '\x1b' => {
                let code: String = chars.by_ref().skip(1).take_while_inclusive();
                let number: usize = code[..code.len() - 1].parse().unwrap_or(1);
                match code.as_bytes()[code.len() - 1] {
                    b'A' => row = row.checked_sub(number).unwrap(),
                    b'J' => {
                        rows.truncate(row + 1);
                        rows[row].truncate(column);
                    }
                    b'm' => {}
                    other => panic!("an unknown escape {other}"),
                }
            }
            c => {
                if column == width {
                    (row, column) = (row + 1, 0);
                    rows.resize(rows.len().max(row + 1), String::new());
                }
                rows[row].push(c);
                column += 1;
            }
        }
    }
    rows
}

trait Code {
    fn take_while_inclusive(self) -> String;
}

impl<I: Iterator<Item = char>> Code for I {
    /// Up to and with the letter that ends an escape.
    fn take_while_inclusive(self) -> String {
        let mut code = String::new();
        for c in self {
            code.push(c);
            if c.is_ascii_alphabetic() {
                break;
            }
        }
        code
    }
}

#[test]
fn a_pipe_gets_plain_lines_and_a_terminal_a_view_below_them() {
    let plain = written(Style::Lines { all: false }, None, usize::MAX);
    assert!(plain.len() > 10 && plain.iter().all(|text| text.ends_with('\n') && !text.contains(['\r', '\x1b'])));
    let live = written(Style::Lines { all: false }, Some(|_| 400), usize::MAX);
    assert!(live.iter().any(|text| text.contains("\nworking    ")), "{live:?}");
    // When the view is gone, what is left on the terminal is what a pipe gets.
    assert_eq!(shown(&live.concat(), 400).join("\n"), plain.concat());
    let view: Vec<&String> = live.iter().filter(|text| !text.ends_with('\n')).collect();
    assert!(view.iter().all(|text| text.lines().count() <= 7), "it leaves a row of the terminal");
    for pair in live.windows(2) {
        assert!(pair[0] != pair[1], "nothing is drawn twice: {pair:?}");
    }
}

#[test]
fn on_a_terminal_made_narrow_wrapped_lines_are_counted_as_the_rows_they_take() {
    let console = Console::with_sink(Style::Nothing, Some(Box::new(|| Some((25, 8)))), Box::new(|_| true));
    console.with_screen(|screen| {
        assert_eq!(screen.clear_sequence(), "");
        screen.drawn = [50, 10, 51].map(|length| (Tone::Plain, "x".repeat(length))).to_vec();
        assert_eq!(screen.clear_sequence(), "\r\x1b[5A\x1b[J", "2 + 1 + 3 rows");
        screen.drawn.truncate(1);
        screen.drawn[0].1.truncate(25);
        assert_eq!(screen.clear_sequence(), "\r\x1b[J");
    });
}

#[test]
fn colours_are_only_used_where_wanted() {
    let console = Console::with_sink(Style::Nothing, None, Box::new(|_| true));
    console.with_screen(|screen| {
        assert_eq!(screen.paint(Tone::Urgent, "a"), "a");
        screen.colours = true;
        assert_eq!(screen.paint(Tone::Urgent, "a"), "\x1b[33ma\x1b[0m");
        assert_eq!(screen.paint(Tone::Plain, "a"), "a");
    });
}

#[test]
fn a_console_nobody_reads_falls_silent() {
    assert_eq!(written(Style::Lines { all: false }, Some(|_| 80), 5).len(), 5);
    assert_eq!(written(Style::Json, None, 1).len(), 1);
    assert!(written(Style::Nothing, None, usize::MAX).is_empty());
}
