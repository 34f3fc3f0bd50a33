//! No circle between the files of a ring: a reader can take them in one order. Code of tests does not count, and a `mod.rs` that only declares and re-exports is no file of a
//! circle: what is named through it counts as named where it stands.

use super::lexer::Lexed;
use super::{Source, mods, tree};
use std::collections::{BTreeMap, BTreeSet};

/// A file of the graph: its path, its module and the code that is not of tests.
struct Node<'a> {
    path: &'a str,
    module: Vec<String>,
    code: Lexed,
    children: BTreeSet<String>,
}

impl<'a> Node<'a> {
    fn of(file: &'a Source) -> Self {
        let (code, children) = (file.lexed().clone().without_tests(), mods(file.lexed()));
        Self { path: &file.path, module: file.module(), code, children }
    }

    fn child(&self, name: &str) -> Vec<String> {
        self.module.iter().cloned().chain([name.to_owned()]).collect()
    }

    /// Whether anything but declarations and imports stands in it.
    fn acts(&self) -> bool {
        let items = ["fn", "struct", "enum", "union", "const", "static", "trait", "impl", "type", "macro_rules"];
        (0..self.code.code.len()).any(|at| self.code.word(at).is_some_and(|word| items.contains(&word)))
    }
}

/// All files of `src` and which one a module path means.
struct Graph<'a> {
    nodes: Vec<Node<'a>>,
    by_module: BTreeMap<Vec<String>, usize>,
}

impl<'a> Graph<'a> {
    fn of(files: &'a [Source]) -> Self {
        let sources = files.iter().filter(|f| f.in_src() && !f.path.ends_with("_tests.rs"));
        let nodes: Vec<Node> = sources.map(Node::of).collect();
        let by_module = nodes.iter().enumerate().map(|(at, node)| (node.module.clone(), at)).collect();
        Self { nodes, by_module }
    }

    /// The paths a file names: by `crate`, `super` and `self`, by a module declared in it and by an imported one.
    fn paths(&self, at: usize) -> Vec<Vec<String>> {
        let node = &self.nodes[at];
        let mut paths: Vec<Vec<String>> = node.code.paths(&node.module).into_iter().map(|(_, path)| path).collect();
        let mut known: BTreeMap<String, Vec<String>> =
            node.children.iter().map(|name| (name.clone(), node.child(name))).collect();
        for path in paths.iter().filter(|path| self.by_module.contains_key(*path)) {
            known.extend(path.last().map(|name| (name.clone(), path.clone())));
        }
        paths.extend(node.code.paths_from(&known));
        paths
    }

    /// The file that holds what a path names; re-exports are followed.
    fn home(&self, path: &[String], hops: usize) -> Option<usize> {
        let length = (1..=path.len()).rev().find(|length| self.by_module.contains_key(&path[..*length]))?;
        let at = self.by_module[&path[..length]];
        let Some(item) = path.get(length).filter(|_| hops > 0) else { return Some(at) };
        let exported = self
            .paths(at)
            .into_iter()
            .find(|named| named.last() == Some(item) && named.len() > 1 && !named.starts_with(&path[..=length]));
        match exported {
            Some(named) => self.home(&named, hops - 1).or(Some(at)),
            None => Some(at),
        }
    }

    /// For each file those of the same ring that it names.
    fn edges(&self) -> Vec<BTreeSet<usize>> {
        let names = |from: usize| {
            let homes = self.paths(from).into_iter().filter_map(|path| self.home(&path, 4)).collect::<BTreeSet<_>>();
            let same = |to: &usize| *to != from && self.nodes[*to].module.first() == self.nodes[from].module.first();
            homes.into_iter().filter(same).filter(|to| self.counts(*to)).collect()
        };
        (0..self.nodes.len()).map(|from| if self.counts(from) { names(from) } else { BTreeSet::new() }).collect()
    }

    fn counts(&self, at: usize) -> bool {
        !self.nodes[at].path.ends_with("mod.rs") || self.nodes[at].acts()
    }
}

/// Every circle: files of one ring that reach each other, paths below `src`.
fn circles(files: &[Source]) -> Vec<Vec<String>> {
    let graph = Graph::of(files);
    let edges = graph.edges();
    let reached: Vec<BTreeSet<usize>> = (0..edges.len()).map(|from| reach(&edges, from)).collect();
    let circle = |at: usize| -> BTreeSet<usize> {
        reached[at].iter().copied().filter(|other| reached[*other].contains(&at)).collect()
    };
    let name = |at: usize| graph.nodes[at].path.trim_start_matches("src/").to_owned();
    let found: BTreeSet<BTreeSet<String>> =
        (0..edges.len()).map(circle).filter(|c| c.len() > 1).map(|c| c.into_iter().map(name).collect()).collect();
    found.into_iter().map(|circle| circle.into_iter().collect()).collect()
}

fn reach(edges: &[BTreeSet<usize>], from: usize) -> BTreeSet<usize> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(at) = open.pop() {
        open.extend(edges[at].iter().filter(|to| seen.insert(**to)));
    }
    seen
}

#[test]
fn files_name_each_other_in_one_direction() {
    let found = circles(tree());
    assert!(found.is_empty(), "files that name each other in a circle:\n{found:?}");
}

#[test]
fn a_circle_is_found() {
    let found = |files: &[(&str, &str)]| {
        let files: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        circles(&files)
    };
    let parent = ("src/domain/m/mod.rs", "pub mod a; pub mod b; mod c; pub use c::Thing;");
    let circle = vec![vec!["domain/m/a.rs".to_owned(), "domain/m/b.rs".to_owned()]];
    let a = ("src/domain/m/a.rs", "use super::b::B;");
    for b in [
        "use crate::domain::m::a::A;",
        "fn f() { super::a::g() }",
        "use super::{a::A, c};",
        "use crate::domain::m; fn f() { m::a::g() }",
    ] {
        assert_eq!(found(&[parent, a, ("src/domain/m/b.rs", b), ("src/domain/m/c.rs", "")]), circle, "{b}");
    }
    for b in ["", "#[cfg(test)] mod tests { use super::super::a::A; }", "#[cfg(test)] use super::a::A;"] {
        assert_eq!(found(&[parent, a, ("src/domain/m/b.rs", b)]), Vec::<Vec<String>>::new(), "{b}");
    }
    let exported = [parent, ("src/domain/m/a.rs", "use super::Thing;"), ("src/domain/m/c.rs", "use super::a::A;")];
    assert_eq!(found(&exported), [["domain/m/a.rs", "domain/m/c.rs"]]);
    let acting = [("src/engine/mod.rs", "mod a; pub struct S; use a::f;"), ("src/engine/a.rs", "use super::S;")];
    assert_eq!(found(&acting), [["engine/a.rs", "engine/mod.rs"]]);
}
