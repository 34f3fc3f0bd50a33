//! Lines of JSON out of chunks of bytes, in bounded memory however long a line is.
//!
//! What makes a line of an agent long is a text in it: the output of a tool, a file that was written. A string beyond
//! [`MAX_STRING`] bytes is shortened while it comes, so that the line stays valid JSON and its other fields are read.

/// Most bytes of one string of a line that are kept.
const MAX_STRING: usize = 64 << 10;

/// Most bytes of one shortened line that are kept; a longer one is no event.
const MAX_LINE: usize = 16 << 20;

/// Where in a line the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Between strings.
    Outside,
    /// In a string of which so many bytes were kept; `true`: no more of it is.
    Inside(usize, bool),
    /// Behind a backslash in a string.
    Escaped(usize, bool),
}

/// Bytes of a line that is not over yet.
#[derive(Debug)]
pub(super) struct LineBuffer {
    line: Vec<u8>,
    place: Place,
    too_long: bool,
    json: bool,
}

impl LineBuffer {
    /// `json`: strings of a line may be shortened; else the line is cut at [`MAX_STRING`].
    pub(super) const fn new(json: bool) -> Self {
        Self { line: Vec::new(), place: Place::Outside, too_long: false, json }
    }

    /// Takes the next bytes, and gives each line that they end.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut on_line: impl FnMut(&[u8])) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.keep(&bytes[..end]);
            self.end(&mut on_line);
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes);
    }

    /// Gives the last line, which no line end follows.
    pub(super) fn finish(&mut self, mut on_line: impl FnMut(&[u8])) {
        self.end(&mut on_line);
    }

    fn end(&mut self, on_line: &mut impl FnMut(&[u8])) {
        if !self.too_long && !self.line.is_empty() {
            on_line(&self.line);
        }
        self.line.clear();
        // What one huge line took is given back.
        self.line.shrink_to(MAX_STRING);
        self.place = Place::Outside;
        self.too_long = false;
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.too_long {
            return;
        }
        if !self.json {
            let room = MAX_STRING.saturating_sub(self.line.len());
            self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
            return;
        }
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            let n = self.keep_run(rest);
            if n == 0 {
                self.keep_byte(*first);
            }
            rest = &rest[n.max(1)..];
        }
        if self.line.len() > MAX_LINE {
            self.too_long = true;
            self.line = Vec::new();
        }
    }

    /// Takes the bytes before the next one that needs a look, and says how many these were.
    fn keep_run(&mut self, bytes: &[u8]) -> usize {
        let room = match self.place {
            Place::Outside | Place::Inside(_, true) => bytes.len(),
            Place::Inside(n, false) => bytes.len().min(MAX_STRING.saturating_sub(n)),
            Place::Escaped(..) => 0,
        };
        let special = |byte: &u8| matches!(byte, b'"' | b'\\');
        let run = &bytes[..bytes[..room].iter().position(special).unwrap_or(room)];
        match &mut self.place {
            Place::Inside(_, true) => return run.len(),
            Place::Inside(n, false) => *n += run.len(),
            Place::Outside | Place::Escaped(..) => (),
        }
        self.line.extend_from_slice(run);
        run.len()
    }

    fn keep_byte(&mut self, byte: u8) {
        let (next, kept) = match (self.place, byte) {
            (Place::Outside, b'"') => (Place::Inside(0, false), true),
            (Place::Outside, _) => (Place::Outside, true),
            (Place::Inside(..), b'"') => (Place::Outside, true),
            // No escape is cut in two: `\u1234` is six bytes, of which the last four are plain ones.
            (Place::Inside(n, full), _)
                if full || (n >= MAX_STRING && starts_character(byte) && !self.in_unicode_escape()) =>
            {
                (if byte == b'\\' { Place::Escaped(n, true) } else { Place::Inside(n, true) }, false)
            }
            (Place::Inside(n, _), b'\\') => (Place::Escaped(n + 1, false), true),
            (Place::Inside(n, _), _) => (Place::Inside(n + 1, false), true),
            (Place::Escaped(n, full), _) => (Place::Inside(n + 1, full), !full),
        };
        self.place = next;
        if kept {
            self.line.push(byte);
        }
    }

    /// Whether what was kept ends with a `\u` that lacks digits, or with the first half of a pair of them.
    fn in_unicode_escape(&self) -> bool {
        let tail = &self.line[self.line.len().saturating_sub(12)..];
        let lacks_digits = (1..=5).any(|back| {
            tail.len() > back && tail[tail.len() - back] == b'u' && tail[tail.len() - back - 1] == b'\\' && back < 5
        });
        let first_half = tail.len() >= 6 && {
            let last = &tail[tail.len() - 6..];
            last.starts_with(b"\\u")
                && matches!(last[2], b'd' | b'D')
                && matches!(last[3], b'8' | b'9' | b'a' | b'A' | b'b' | b'B')
        };
        lacks_digits || first_half
    }
}

/// Whether a byte of UTF-8 does not continue a character.
const fn starts_character(byte: u8) -> bool {
    byte & 0xC0 != 0x80
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn read(json: bool, chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut lines, mut buffer) = (Vec::new(), LineBuffer::new(json));
        for chunk in chunks {
            buffer.push(chunk, |line| lines.push(line.to_vec()));
        }
        buffer.finish(|line| lines.push(line.to_vec()));
        lines
    }

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let text = b"{\"a\":\"x\\\"y\"}\n\n{\"b\":1}\nlast";
        for at in 0..text.len() {
            let (first, second) = text.split_at(at);
            assert_eq!(read(true, &[first, second]), [&b"{\"a\":\"x\\\"y\"}"[..], b"{\"b\":1}", b"last"], "{at}");
        }
    }

    #[test]
    fn a_long_string_is_shortened_and_what_follows_is_read() {
        for filling in ["a", "é", "\\n", "\\\\", "\\\"", "\\u00e9", "\\ud83d\\ude00", "😀"] {
            for shift in 0..14 {
                let text = format!("{}{}", "x".repeat(shift), filling.repeat(3 * MAX_STRING / filling.len()));
                let line = format!("{{\"content\":\"{text}\",\"type\":\"result\",\"n\":[1,\"{text}\"]}}\n");
                let lines = read(true, &[line.as_bytes()]);
                assert!(lines[0].len() < 3 * MAX_STRING, "{filling}: {}", lines[0].len());
                let value: Value =
                    serde_json::from_slice(&lines[0]).unwrap_or_else(|e| panic!("{filling} {shift}: {e}"));
                assert_eq!(value["type"], "result");
            }
        }
    }

    #[test]
    fn fifty_megabytes_in_one_line_are_held_in_little_memory() {
        let mut buffer = LineBuffer::new(true);
        let mut lines = Vec::new();
        let mut take = |line: &[u8]| lines.push(line.to_vec());
        buffer.push(b"{\"type\":\"user\",\"content\":\"", &mut take);
        let chunk = vec![b'y'; 1 << 20];
        for _ in 0..50 {
            buffer.push(&chunk, &mut take);
        }
        assert!(buffer.line.capacity() < 4 * MAX_STRING);
        buffer.push(b"\"}\n", |line| {
            assert_eq!(serde_json::from_slice::<Value>(line).expect("JSON")["type"], "user");
        });
        // Many small strings are not shortened: that line is no event, and the next one is.
        let many = b"\"aaaaaaaaaaaaaaa\",".repeat(1 << 16);
        for _ in 0..20 {
            buffer.push(&many, |_| ());
        }
        let mut after = Vec::new();
        buffer.push(b"]\n{}\n", |line| after.push(line.to_vec()));
        assert_eq!(after, [b"{}"]);
    }

    #[test]
    fn text_is_cut() {
        let long = vec![b'z'; 3 * MAX_STRING];
        let lines = read(false, &[&long, b"\nnext"]);
        assert_eq!((lines[0].len(), lines[1].as_slice()), (MAX_STRING, &b"next"[..]));
    }
}
