//! TOML and JSON as one tree of values that remember their lines. Both parsers bound their nesting, so walking the tree
//! recursively is safe.

use super::Value;
use crate::domain::base::Invalid;
use crate::domain::plan::Finding;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One key of a table, in file order (JSON may repeat keys).
#[derive(Debug)]
pub(super) struct Entry {
    pub line: u32,
    pub key: String,
    pub node: Node,
}

/// A value.
#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    Number(i64),
    Flag(bool),
    List(Vec<(u32, Node)>),
    Table(Vec<Entry>),
    /// What no key takes; the name is for people.
    Other(&'static str),
}

impl Node {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Number(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(name) => name,
        }
    }

    /// The value a key may take.
    pub(super) fn value(self) -> Result<Value, Invalid> {
        match self {
            Self::Text(text) => Ok(Value::Text(text)),
            Self::Number(number) => Ok(Value::Number(number)),
            Self::Flag(flag) => Ok(Value::Flag(flag)),
            Self::List(items) => items
                .into_iter()
                .map(|(_, item)| match item {
                    Self::Text(text) => Ok(text),
                    other => Err(format!("the list holds {}, but takes texts only", other.kind()).into()),
                })
                .collect::<Result<_, _>>()
                .map(Value::List),
            other => Err(format!("it cannot be {}", other.kind()).into()),
        }
    }
}

pub(super) fn from_toml(text: &str) -> Result<Vec<Entry>, Vec<Finding>> {
    let lines = Lines::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let found = errors.iter().map(|error| {
            let line = error.span().map_or(0, |span| lines.line_at(span.start));
            Finding::new(line, format!("not valid TOML: {}", error.message()))
        });
        return Err(found.collect());
    }
    Ok(toml_table(table.into_inner(), &lines))
}

fn toml_table(table: DeTable<'_>, lines: &Lines) -> Vec<Entry> {
    let mut entries: Vec<(usize, Entry)> = table
        .into_iter()
        .map(|(key, value)| {
            let at = key.span().start;
            (at, Entry { line: lines.line_at(at), key: key.into_inner().into_owned(), node: toml_node(value, lines).1 })
        })
        .collect();
    entries.sort_by_key(|(at, _)| *at);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

fn toml_node(value: Spanned<DeValue<'_>>, lines: &Lines) -> (u32, Node) {
    let line = lines.line_at(value.span().start);
    let node = match value.into_inner() {
        DeValue::String(text) => Node::Text(text.into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Node::Other("a number out of range"), Node::Number),
        DeValue::Float(_) => Node::Other("a fraction"),
        DeValue::Boolean(flag) => Node::Flag(flag),
        DeValue::Datetime(_) => Node::Other("a date"),
        DeValue::Array(items) => Node::List(items.into_iter().map(|item| toml_node(item, lines)).collect()),
        DeValue::Table(table) => Node::Table(toml_table(table, lines)),
    };
    (line, node)
}

pub(super) fn from_json(text: &str) -> Result<Vec<Entry>, Vec<Finding>> {
    let root: Node = serde_json::from_str(text).map_err(|error| {
        let line = u32::try_from(error.line()).unwrap_or(u32::MAX);
        vec![Finding::new(line, format!("not valid JSON: {error}"))]
    })?;
    let Node::Table(mut entries) = root else {
        let what = format!("a plan file is an object `{{\"unit\": [...]}}`, not {}", root.kind());
        return Err(vec![Finding::new(1, what)]);
    };
    let mut lines = json_units(text).into_iter();
    for entry in &mut entries {
        if let Node::List(items) = &mut entry.node {
            for (line, node) in items.iter_mut().filter(|(_, node)| matches!(node, Node::Table(_))) {
                *line = lines.next().unwrap_or(0);
                if let Node::Table(fields) = node {
                    fields.iter_mut().for_each(|field| field.line = *line);
                }
            }
        }
    }
    Ok(entries)
}

/// Lines of the objects that stand directly in a list of the outermost object. The text is known to be valid JSON.
fn json_units(text: &str) -> Vec<u32> {
    let (mut line, mut found, mut open) = (1, Vec::new(), Vec::new());
    let (mut quoted, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            b'\n' => line += 1,
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => {
                if byte == b'{' && open == [b'{', b'['] {
                    found.push(line);
                }
                open.push(byte);
            }
            b'}' | b']' => {
                open.pop();
            }
            _ => {}
        }
    }
    found
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node, E> {
        Ok(Node::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(i64::try_from(number).map_or(Node::Other("a number out of range"), Node::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Other("a fraction"))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Other("null"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push((0, item));
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, node)) = fields.next_entry()? {
            entries.push(Entry { line: 0, key, node });
        }
        Ok(Node::Table(entries))
    }
}

/// Byte offsets to line numbers.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect())
    }

    fn line_at(&self, offset: usize) -> u32 {
        u32::try_from(self.0.partition_point(|newline| *newline < offset) + 1).unwrap_or(u32::MAX)
    }
}
