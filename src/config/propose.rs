//! The settings file `mc init` writes: a proposal with the reason of every line, which this version reads without a warning.
//!
//! Promises: every text of others is quoted for TOML or stripped of line ends where it stands in a comment; a key or format
//! this version does not read is never written.

use super::FILE_NAME;
use super::value::{quote_toml, quoted_list as list};
use crate::domain::detect::kept::kept_globs;
use crate::domain::detect::{Setup, Stage};
use crate::domain::handoff::PromptMode;
use crate::domain::verify::{StageKind, formats};
use std::fmt::Write;

/// A line that is proposed, or why it is written commented out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Use {
    /// It works.
    On,
    /// It stands there as a comment, with this reason.
    Off(String),
}

impl Use {
    /// Why it is written as a comment, if it is.
    pub fn off_reason(&self) -> Option<&str> {
        match self {
            Self::On => None,
            Self::Off(why) => Some(why),
        }
    }
}

/// How the agent is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentLine {
    /// Which known agent it is, if it is one.
    pub preset: Option<&'static str>,
    /// Command line.
    pub command: String,
    /// How it gets its brief.
    pub prompt: PromptMode,
    /// Variables it needs besides the usual ones.
    pub env: Vec<String>,
    /// What this allows it; empty where it is not known.
    pub allows: String,
    /// Whether it stands there as a comment only.
    pub off: bool,
}

/// Everything the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The branch work starts from.
    pub branch: String,
    /// What the mission is to reach; empty where nobody said it.
    pub objective: String,
    /// The stages in order.
    pub stages: Vec<(Stage, Use)>,
    /// The preparations of a workspace.
    pub setups: Vec<(Setup, Use)>,
    /// Lines whose output a result depends on.
    pub fingerprint: Vec<String>,
    /// Variables the tools of this machine need.
    pub env: Vec<String>,
    /// Files copied into workspaces.
    pub copy: Vec<String>,
    /// Globs of files that decide whether a change is good.
    pub deciding: Vec<String>,
    /// The agents, the first one that is on counts.
    pub agents: Vec<AgentLine>,
}

impl Draft {
    /// Whether a stage is left that can say whether a tree is good.
    pub fn can_verify(&self) -> bool {
        self.stages.iter().any(|(_, used)| *used == Use::On)
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let mut out = String::from(
            "# Settings of mc (mission control) for this repository, proposed by `mc init` from its files. Everything here is yours\n\
             # to change. `mc config show` prints every key with its value and source; `mc doctor` says what stands in the way of a\n\
             # mission, `mc doctor --gate` whether this verification notices a bad change.\n\n[target]\n",
        );
        out.push_str("# The branch work starts from. Missions never move it; what they land is on mc/green.\n");
        write_key(&mut out, "", "branch", &quote_toml(&self.branch));
        out.push_str("\n# What a mission is to reach, in plain words for the agent.\n");
        let mark = if self.objective.is_empty() { "# " } else { "" };
        write_key(&mut out, mark, "objective", &quote_toml(&self.objective));
        self.write_setup(&mut out);
        if !self.copy.is_empty() {
            out.push_str("\n# Ignored files that are copied into every workspace; agents can read what is in them.\n");
            write_key(&mut out, "", "copy", &list(&self.copy));
        }
        self.write_verification(&mut out);
        self.write_agent(&mut out);
        out.push_str(
            "\n[scheduler.parallel]\n# Agents at work at once.\n# num_workers = 4\n\n[scheduler.budget]\n\
             # A mission ends after this time.\n# max_wall_time = \"12h\"\n",
        );
        out
    }

    fn write_setup(&self, out: &mut String) {
        let on: Vec<&Setup> = self.setups.iter().filter(|(_, used)| *used == Use::On).map(|(setup, _)| setup).collect();
        if !self.setups.is_empty() {
            out.push_str("\n# Prepares a fresh workspace. What it makes must be ignored by .gitignore, or it would become part of the work.\n");
        }
        for (setup, used) in &self.setups {
            if let Use::Off(why) = used {
                write_comment(out, why);
                write_key(out, "# ", "setup", &quote_toml(&setup.run));
            }
        }
        if !on.is_empty() {
            let run: Vec<String> = match on.as_slice() {
                [only] => vec![only.run.clone()],
                many => many.iter().map(|setup| format!("({})", setup.run)).collect(),
            };
            let inputs: Vec<String> = on.iter().flat_map(|setup| setup.inputs.clone()).collect();
            write_key(out, "", "setup", &quote_toml(&run.join(" && ")));
            write_key(out, "", "setup_inputs", &list(&inputs));
        }
    }

    fn write_verification(&self, out: &mut String) {
        out.push_str("\n[target.verification]\n");
        if !self.fingerprint.is_empty() {
            out.push_str("# A result is reused only where these print the same.\n");
            write_key(out, "", "fingerprint", &list(&self.fingerprint));
        }
        if !self.env.is_empty() {
            out.push_str(
                "# Set on this machine and needed by its tools; their values are part of what a result is valid for.\n",
            );
            write_key(out, "", "env", &list(&self.env));
        }
        if self.stages.is_empty() {
            out.push_str(
                "# No way to verify this repository was found. Nothing lands without one: write the command that exits 0 when all is well.\n\
                 # Test runners that name their tests (TAP, JUnit, …) let mc compare test by test.\n# command = \"make test\"\n",
            );
            return;
        }
        out.push_str(
            "# What `mc` writes into these after each round is verified like any change. Where no stage reads them, this saves that run:\n\
             # ignore = [\"BACKLOG.md\", \"PROGRESS.md\"]\n",
        );
        if !self.deciding.is_empty() {
            let protect: Vec<String> =
                std::iter::once(FILE_NAME.to_owned()).chain(self.deciding.iter().cloned()).collect();
            let _ = writeln!(
                out,
                "# {FILE_NAME} is protected: a unit that changes it is refused. These decide about changes as well; a landing that\n\
                 # touches a file named in a stage is named in every report, and with this line it is refused:"
            );
            write_key(out, "# ", "protect", &list(&protect));
        }
        let on = self.stages.iter().filter(|(_, used)| *used == Use::On).map(|(stage, _)| stage);
        let kept = kept_globs(on);
        if !kept.is_empty() {
            out.push_str(
                "# Build output that may stay from the run of a landed tree to the next one: faster, and less sure; without it every run\n\
                 # builds from nothing.\n",
            );
            write_key(out, "# ", "keep", &list(&kept));
        }
        out.push_str("# Stages run in this order in a clean clone, on exactly the tree that would land.\n");
        for (stage, used) in &self.stages {
            let mark = if *used == Use::On { "" } else { "# " };
            out.push('\n');
            write_comment(out, &stage.why);
            if let Use::Off(why) = used {
                write_comment(out, why);
            }
            let _ = writeln!(out, "{mark}[[target.verification.stage]]");
            write_key(out, mark, "name", &quote_toml(&stage.name));
            write_key(out, mark, "run", &quote_toml(&stage.run));
            if stage.kind != StageKind::Tests {
                write_key(out, mark, "kind", &quote_toml(stage.kind.word()));
            }
            if formats::WORDS.contains(&stage.format) && stage.format != "auto" {
                write_key(out, mark, "format", &quote_toml(stage.format));
            }
            // Reports nobody can read would say nothing of any test.
            if !stage.reports.is_empty() && formats::WORDS.contains(&stage.format) {
                write_key(out, mark, "reports", &list(&stage.reports));
            }
        }
    }

    fn write_agent(&self, out: &mut String) {
        out.push_str("\n[agent]\n");
        if self.agents.is_empty() {
            out.push_str(
                "# No agent was found on the PATH. Any program does that reads its brief on standard input and changes files in the\n\
                 # current folder; `prompt` is stdin, arg or file.\n# command = \"claude -p --permission-mode acceptEdits\"\n",
            );
        }
        let mut used = false;
        for agent in &self.agents {
            let mark = if agent.off || used { "# " } else { "" };
            used |= mark.is_empty();
            if !agent.allows.is_empty() {
                write_comment(out, &agent.allows);
            }
            if let Some(preset) = agent.preset {
                write_key(out, mark, "preset", &quote_toml(preset));
            }
            write_key(out, mark, "command", &quote_toml(&agent.command));
            write_key(out, mark, "prompt", &quote_toml(agent.prompt.into()));
            let env: Vec<String> = agent.env.iter().chain(&self.env).cloned().collect();
            if !env.is_empty() {
                write_key(out, mark, "env", &list(&env));
            }
        }
        if self.env.is_empty() && self.agents.iter().all(|agent| agent.env.is_empty()) {
            out.push_str("# Names of further variables it gets, for example of its key; the rest of your environment stays with you.\n");
            out.push_str("# env = [\"ANTHROPIC_API_KEY\"]\n");
        }
    }
}

fn write_key(out: &mut String, mark: &str, key: &str, value: &str) {
    let _ = writeln!(out, "{mark}{key} = {value}");
}

/// Text in comment lines; no line end or control character of it gets out of the comment.
fn write_comment(out: &mut String, text: &str) {
    for line in text.lines() {
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        let _ = writeln!(out, "# {line}");
    }
}
