//! Bytes of others as words of files that git reads.

/// The line of an ignore file that means exactly this path.
pub(super) fn to_ignore_line(path: &[u8]) -> Vec<u8> {
    let mut line = vec![b'/'];
    let mut rest = path;
    while let Some(inner) = rest.strip_prefix(b"./").or_else(|| rest.strip_prefix(b"/")) {
        rest = inner;
    }
    for byte in rest {
        if matches!(byte, b'\\' | b'*' | b'?' | b'[' | b' ') {
            line.push(b'\\');
        }
        line.push(*byte);
    }
    line.push(b'\n');
    line
}

/// A value of a git configuration file, or a path as git reads one in quotation marks.
pub(crate) fn quote_value(value: &[u8]) -> Vec<u8> {
    let mut text = vec![b'"'];
    for byte in value {
        match byte {
            b'"' | b'\\' => text.extend([b'\\', *byte]),
            b'\n' => text.extend(*b"\\n"),
            _ => text.push(*byte),
        }
    }
    text.push(b'"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_values_are_quoted() {
        assert_eq!(quote_value(b"a \"b\\\nc # d"), b"\"a \\\"b\\\\\\nc # d\"");
    }

    #[test]
    fn ignored_paths_are_literal() {
        assert_eq!(to_ignore_line(b"./a/*b ?"), b"/a/\\*b\\ \\?\n");
    }
}
