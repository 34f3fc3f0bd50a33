//! Settings of git as its files have them, with the level each of them stands at.

use super::source::FALLBACK_IDENTITY;
use super::{Git, GitError, fields};

/// The keys of [`Settings::identity`].
pub(crate) const IDENTITY: &str = r"user\.(name|email)";

/// One value of one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Whether the repository's own files say it; if not, it is said for the user or the machine, and with that for clones.
    pub(crate) own: bool,
    /// Its key; section and name in small letters.
    pub(crate) key: String,
    /// Its value; a setting without one stands for `true`.
    pub(crate) value: Vec<u8>,
}

/// Settings in the order git reads them: the last one of a key counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settings(Vec<Setting>);

impl Settings {
    /// The value that counts.
    pub(crate) fn value(&self, key: &str) -> Option<&[u8]> {
        self.iter().rfind(|setting| setting.key == key).map(|setting| setting.value.as_slice())
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Setting> {
        self.0.iter()
    }

    /// Name and address for commits: the user's, else [`FALLBACK_IDENTITY`], each on its own.
    pub(crate) fn identity(&self) -> (String, String) {
        let said = |key: &str, otherwise: &str| {
            let text = String::from_utf8_lossy(self.value(key).unwrap_or_default()).trim().to_owned();
            if text.is_empty() { otherwise.to_owned() } else { text }
        };
        (said("user.name", FALLBACK_IDENTITY.0), said("user.email", FALLBACK_IDENTITY.1))
    }

    fn read(bytes: &[u8]) -> Self {
        let mut fields = fields(bytes);
        let mut found = Vec::new();
        while let (Some(level), Some(line)) = (fields.next(), fields.next()) {
            let end = line.iter().position(|b| *b == b'\n');
            let (key, value) = end.map_or((line, &b"true"[..]), |end| (&line[..end], &line[end + 1..]));
            let own = matches!(level, b"local" | b"worktree");
            found.push(Setting { own, key: String::from_utf8_lossy(key).into_owned(), value: value.to_vec() });
        }
        Self(found)
    }
}

impl Git {
    /// Name and address for commits: the user's, else [`FALLBACK_IDENTITY`], each on its own.
    ///
    /// # Errors
    /// [`GitError`] when git fails.
    pub async fn identity(&self) -> Result<(String, String), GitError> {
        Ok(self.settings(&format!("^{IDENTITY}$")).await?.identity())
    }

    /// The settings whose keys match a regular expression.
    pub(crate) async fn settings(&self, keys: &str) -> Result<Settings, GitError> {
        let said = self.run_query(&["config", "--null", "--show-scope", "--get-regexp", keys]).await?;
        Ok(Settings::read(&said.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_counts_and_knows_its_level() {
        let found =
            Settings::read(b"global\0user.name\nAda\nL.\0local\0filter.X.required\0worktree\0user.name\n\xff\0");
        assert_eq!(found.value("user.name"), Some(&b"\xff"[..]));
        assert_eq!(found.value("filter.X.required"), Some(&b"true"[..]));
        assert_eq!(found.iter().map(|setting| setting.own).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(Settings::read(b""), Settings::default());
    }
}
