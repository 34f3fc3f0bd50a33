//! What of a user's home verifications find in the HOME that is theirs: where tools keep programs, settings and downloads.
//!
//! Names only, from the home; nothing here says what exists. What only a person needs (keys, mail, browsers, accounts of
//! clouds) is not named: `target.verification.home` names more.

/// Folders with programs, settings and downloads of tools, by whose they are.
pub const FOLDERS: &[&str] = &[
    // Downloads and builds of everybody: pip, uv, go-build, yarn, pre-commit, ms-playwright, ccache, coursier, …
    ".cache",
    ".ccache",
    // Programs and versions of programs.
    ".local/bin",
    ".local/lib",
    ".local/pipx",
    ".local/share/fnm",
    ".local/share/gem",
    ".local/share/mise",
    ".local/share/pipx",
    ".local/share/pnpm",
    ".local/share/uv",
    ".local/share/virtualenv",
    ".local/share/virtualenvs",
    ".local/state/nix",
    ".nix-profile",
    ".nix-defexpr",
    ".asdf",
    ".proto",
    // Git.
    ".config/git",
    // Rust.
    ".cargo",
    ".rustup",
    // JavaScript.
    ".npm",
    ".nvm",
    ".volta",
    ".fnm",
    ".yarn",
    ".pnpm-store",
    ".node-gyp",
    ".bun",
    ".deno",
    ".config/yarn",
    ".config/pnpm",
    // Python.
    ".pyenv",
    ".pip",
    ".rye",
    ".pixi",
    ".conda",
    "anaconda3",
    "miniconda3",
    "miniforge3",
    ".config/pip",
    ".config/uv",
    ".config/pypoetry",
    // Go.
    "go/bin",
    "go/pkg",
    ".config/go",
    // Java and its relatives.
    ".m2",
    ".gradle",
    ".ivy2",
    ".sbt",
    ".sdkman",
    ".jenv",
    ".konan",
    ".lein",
    ".clojure",
    // .NET.
    ".nuget",
    ".dotnet",
    // Ruby.
    ".gem",
    ".bundle",
    ".rbenv",
    ".rvm",
    // PHP.
    ".composer",
    ".config/composer",
    // Haskell, OCaml, Elixir, Erlang, Lean, Julia, Dart, Lua, Perl, R, Swift.
    ".ghcup",
    ".cabal",
    ".stack",
    ".opam",
    ".mix",
    ".hex",
    ".elan",
    ".juliaup",
    ".julia",
    ".pub-cache",
    ".luarocks",
    "perl5",
    "R",
    ".swiftly",
    // Containers, for tests that start some.
    ".docker/cli-plugins",
    ".docker/contexts",
    ".config/mise",
];

/// Files with settings of tools.
pub const FILES: &[&str] = &[
    ".gitconfig",
    ".git-credentials",
    ".netrc",
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    ".bunfig.toml",
    ".pypirc",
    ".pydistutils.cfg",
    ".condarc",
    ".gemrc",
    ".bazelrc",
    ".tool-versions",
    ".mise.toml",
    ".testcontainers.properties",
    ".docker/config.json",
    ".Rprofile",
    ".Renviron",
];

/// Whether a name of the settings is one below a home: relative, and leads nowhere else.
pub fn is_below_home(name: &str) -> bool {
    let part = |part: &str| !matches!(part, "" | "." | "..");
    !name.is_empty() && !name.contains(['\0', '\n']) && name.trim_end_matches('/').split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_the_home() {
        for name in FOLDERS.iter().chain(FILES).chain([&"tools/", &"a b"]) {
            assert!(is_below_home(name), "{name}");
        }
        for name in ["", "/", "/etc", "..", "a/../b", "./a", "a//b", "~\n"] {
            assert!(!is_below_home(name), "{name:?}");
        }
    }
}
