//! Known agents: the command line each one works with, what that allows it, and where its login is kept.
//!
//! Sources: the agents' own command line references; each line was run against a model made for the purpose, except that of
//! gemini, which follows its documentation.

use crate::domain::handoff::PromptMode;

/// One known agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agent {
    /// Its program.
    pub name: &'static str,
    /// The command line for the settings.
    pub command: &'static str,
    /// How it gets its brief.
    pub prompt: PromptMode,
    /// What this line allows it, in whole sentences.
    pub allows: &'static str,
    /// The command that installs it.
    pub install: &'static str,
    /// Files below the home folder that a login leaves; one is enough.
    pub login: &'static [&'static str],
    /// Variables that do instead of a login.
    pub keys: &'static [&'static str],
    /// The command that logs in.
    pub log_in: &'static str,
}

/// The known agents, in the order in which one is chosen.
pub const AGENTS: [Agent; 5] = [
    Agent {
        name: "claude",
        command: "claude -p --verbose --output-format stream-json --permission-mode bypassPermissions",
        prompt: PromptMode::Stdin,
        allows: "It may run any command and change any file your user may, without asking. As root it also needs \
                 IS_SANDBOX=1 in front, and should only get that in a container.",
        install: "npm install -g @anthropic-ai/claude-code",
        login: &[".claude/.credentials.json"],
        keys: &["ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"],
        log_in: "claude /login",
    },
    Agent {
        name: "codex",
        command: "codex exec --json --sandbox workspace-write -",
        prompt: PromptMode::Stdin,
        allows: "It may run any command, but its sandbox lets them write in its workspace only and keeps them off the \
                 network.",
        install: "npm install -g @openai/codex",
        login: &[".codex/auth.json"],
        keys: &["CODEX_API_KEY", "OPENAI_API_KEY"],
        log_in: "codex login",
    },
    Agent {
        name: "gemini",
        command: "gemini --approval-mode yolo --output-format stream-json -p",
        prompt: PromptMode::Arg,
        allows: "It may run any command and change any file your user may, without asking.",
        install: "npm install -g @google/gemini-cli",
        login: &[".gemini/oauth_creds.json"],
        keys: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        log_in: "gemini, then /auth",
    },
    Agent {
        name: "opencode",
        command: "opencode run --format json --auto",
        prompt: PromptMode::Arg,
        allows: "It may do whatever its own opencode.json does not deny, without asking.",
        install: "npm install -g opencode-ai",
        login: &[".local/share/opencode/auth.json", ".config/opencode/opencode.json"],
        keys: &["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"],
        log_in: "opencode auth login",
    },
    Agent {
        name: "aider",
        command: "aider --yes-always --no-pretty --no-stream --no-check-update --analytics-disable --no-gitignore --message-file",
        prompt: PromptMode::File,
        allows: "It may change any file of its workspace and commit there; it runs the lint and test commands that its own \
                 settings name.",
        install: "python3 -m pip install aider-install && aider-install",
        login: &[".aider.conf.yml"],
        keys: &["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "DEEPSEEK_API_KEY", "OPENROUTER_API_KEY"],
        log_in: "export a key, and name it in agent.env",
    },
];

/// The known agent with this name.
pub fn find_agent(name: &str) -> Option<&'static Agent> {
    AGENTS.iter().find(|agent| agent.name == name)
}

/// The known agent that a command line starts, if it starts one directly.
pub fn started_by(command: &str) -> Option<&'static Agent> {
    find_agent(first_program(command)?.rsplit('/').next()?)
}

/// Words of the shell itself: a line that begins with one needs no program of that name.
const SHELL: [&str; 40] = [
    "!", ".", ":", "[", "alias", "break", "case", "cd", "command", "continue", "do", "done", "echo", "else", "eval",
    "exec", "exit", "export", "false", "fi", "for", "function", "if", "printf", "pwd", "read", "return", "set",
    "shift", "source", "test", "then", "time", "trap", "true", "umask", "unset", "until", "while", "{",
];

/// The program a shell line starts first, as far as that can be told without a shell: behind variables it sets and
/// `cd … &&`; `None` where the line begins in another way (a subshell, a variable, a word of the shell).
pub fn first_program(line: &str) -> Option<String> {
    let line = line.trim();
    if line.starts_with("cd ") {
        return first_program(line.split_once("&&")?.1);
    }
    let words = shlex::split(line.split(['|', '&', ';', '\n']).next()?)?;
    let sets = |word: &&String| {
        word.split_once('=').is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
    };
    let word = words.iter().find(|word| !sets(word))?;
    let plain = !word.is_empty() && !word.contains(['$', '`', '(', ')', '{', '<', '>', '*', '?']);
    (plain && !SHELL.contains(&word.as_str())).then(|| word.clone())
}

/// Whether the name of a variable sounds like a secret.
pub fn secret_sounding(name: &str) -> bool {
    let name = name.to_uppercase();
    let parts = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "PRIVATE", "API_KEY", "APIKEY", "ACCESS_KEY"];
    parts.iter().any(|part| name.contains(part)) || name.ends_with("_KEY") || name.ends_with("_PAT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_program_of_a_line_is_found() {
        for (line, wanted) in [
            ("cargo test", Some("cargo")),
            ("CI=true npm test -- --verbose", Some("npm")),
            ("cd ./'a b' && PYTHONPATH=src python3 -m pytest", Some("python3")),
            ("./scripts/agent.sh --x", Some("./scripts/agent.sh")),
            ("'/opt/my agent/run' x | tee log", Some("/opt/my agent/run")),
            ("test -e x && make", None),
            ("( make )", None),
            ("$AGENT run", None),
            ("A=1", None),
            ("'", None),
            ("", None),
        ] {
            assert_eq!(first_program(line).as_deref(), wanted, "{line}");
        }
        assert_eq!(started_by("IS_SANDBOX=1 /usr/bin/claude -p").map(|a| a.name), Some("claude"));
        assert_eq!(started_by("sh agent.sh"), None);
        assert!(AGENTS.iter().all(|agent| started_by(agent.command) == Some(agent)));
    }

    #[test]
    fn names_of_secrets_are_told() {
        assert!(
            ["GITHUB_TOKEN", "aws_secret_access_key", "OPENAI_API_KEY", "DB_PASSWORD", "GH_PAT"]
                .iter()
                .all(|n| secret_sounding(n))
        );
        assert!(!["PATH", "HOME", "LC_KEYBOARD", "CI", "PATTERN"].iter().any(|n| secret_sounding(n)));
    }
}
