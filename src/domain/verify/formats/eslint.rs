//! Findings of eslint: the default formatter (`stylish`) and JSON.
//!
//! Promises: a file that could not be parsed was not looked at, which is a problem; counts of the tool that differ from
//! what was read are one too; warnings explain a failing exit code only where eslint says they were too many.

use super::found::{BROKEN_JSON, Bounded, Gathered, message, number};
use serde::Deserialize;

/// One file of the JSON output.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    file_path: String,
    messages: Bounded<Message>,
    error_count: u64,
    warning_count: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    rule_id: Option<String>,
    severity: u8,
    message: String,
    #[serde(default)]
    fatal: bool,
}

/// Reads the findings. Beyond doubt are its JSON, and rows with the line that counts them.
pub(super) fn gather(output: &str) -> Gathered {
    let mut gathered = read_json(output).unwrap_or_else(|| read_stylish(output));
    if gathered.total > 0 && !gathered.is_summed_up() {
        gathered.problem("the line that counts the problems is missing");
    }
    if output.lines().any(|line| line.starts_with("ESLint found too many warnings (maximum: ")) {
        gathered.blame_all();
    }
    gathered
}

fn read_json(output: &str) -> Option<Gathered> {
    let mut files = 0;
    let mut gathered = Gathered::from_documents(output, BROKEN_JSON, |gathered, list: Bounded<File>| {
        files += list.items.len();
        for file in list.items {
            gathered.add_announced(file.error_count.saturating_add(file.warning_count));
            for found in file.messages.items {
                add_finding(gathered, &file.file_path, found.rule_id.as_deref(), &found.message, found.severity > 1);
                if found.fatal {
                    add_unparsed(gathered, &file.file_path, &found.message);
                }
            }
            if file.messages.more {
                gathered.problem("more findings than can be read");
            }
        }
        if list.more {
            gathered.problem("more files than can be read");
        }
    })?;
    gathered.sure &= files > 0;
    Some(gathered)
}

fn read_stylish(output: &str) -> Gathered {
    let mut gathered = Gathered::default();
    let mut file = None;
    for line in output.lines() {
        if let Some(row) = parse_row(line) {
            let Some(path) = file else { continue };
            add_finding(&mut gathered, path, row.rule, row.said, row.error);
            if row.rule.is_none() && row.said.starts_with("Parsing error: ") {
                add_unparsed(&mut gathered, path, row.said);
            }
        } else if let Some(count) = parse_summary(line) {
            gathered.add_announced(count);
            file = None;
        } else if !line.is_empty() {
            file = (!line.starts_with(' ')).then_some(line.trim_end());
        }
    }
    gathered.sure = gathered.is_summed_up();
    gathered
}

fn add_finding(gathered: &mut Gathered, path: &str, rule: Option<&str>, said: &str, error: bool) {
    match rule {
        Some(rule) => gathered.add(path, rule, error),
        None => gathered.add(path, &message(said.strip_suffix('.').unwrap_or(said)), error),
    }
}

fn add_unparsed(gathered: &mut Gathered, path: &str, said: &str) {
    gathered.problem(format!("{path} could not be parsed: {}", message(said)));
}

struct Row<'a> {
    error: bool,
    said: &'a str,
    rule: Option<&'a str>,
}

/// A row `  line:column  level  message  rule`, its columns two blanks apart.
fn parse_row(line: &str) -> Option<Row<'_>> {
    let (row, rest) = number(line.strip_prefix("  ")?.trim_start())?;
    let (column, rest) = number(rest.strip_prefix(':')?)?;
    let rest = rest.strip_prefix("  ")?.trim_start();
    let (error, rest) = match (rest.strip_prefix("error  "), rest.strip_prefix("warning  ")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return None,
    };
    let rest = rest.trim();
    let (said, rule) = match rest.rsplit_once("  ") {
        Some((said, rule)) if !rule.contains(' ') => (said.trim_end(), Some(rule)),
        _ => (rest, None),
    };
    (row <= u64::from(u32::MAX) && column <= u64::from(u32::MAX)).then_some(Row { error, said, rule })
}

/// How many problems the summary line counts: `✖ 3 problems (2 errors, 1 warning)`.
fn parse_summary(line: &str) -> Option<u64> {
    let (count, rest) = number(line.strip_prefix("✖ ")?)?;
    let rest = rest.strip_prefix(" problems (").or_else(|| rest.strip_prefix(" problem ("))?;
    let (_, rest) = number(rest)?;
    rest.starts_with(" error").then_some(count)
}
