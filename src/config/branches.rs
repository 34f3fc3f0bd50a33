//! Names of branches: whether git takes one.

/// The rules of `git check-ref-format` that a name breaks, in words.
pub(super) fn broken_branch_rule(name: &str) -> Option<&'static str> {
    let odd = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    let part = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    if name.is_empty() {
        Some("is empty")
    } else if name.chars().any(odd) || name.contains("..") || name.contains("@{") || name == "@" {
        Some("holds characters git does not allow")
    } else if name.starts_with('-') || name.ends_with('.') || name.split('/').any(part) {
        Some("has a part that git does not allow")
    } else if name.starts_with("refs/") || name == "HEAD" {
        Some("must be given without `refs/heads/`")
    } else {
        None
    }
}
