//! The size of the terminal on standard output.

use rustix::termios::tcgetwinsize;

/// Columns and rows, as the terminal has them at this moment; absent when standard output is none, or one without a size.
pub fn size() -> Option<(usize, usize)> {
    let size = tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then(|| (usize::from(size.ws_col), usize::from(size.ws_row)))
}
