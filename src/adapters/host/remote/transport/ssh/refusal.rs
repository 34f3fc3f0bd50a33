//! Why ssh did not connect, from what it wrote into its log: its exit code is always the same. What a person has to do is told with
//! the command for it; only what may pass by itself is tried again.

use super::target::Target;
use crate::domain::base::text::{one_line, replace_control_chars, shorten};
use crate::domain::trouble::{Cause, Trouble};

/// Characters of the log that are part of an error.
const SHOWN: usize = 400;

/// What ssh says when only a person can help.
const LASTING: [&str; 9] = [
    "Bad owner or permissions",
    "Bad configuration option",
    "terminating,",
    "no argument after keyword",
    "Unable to negotiate with",
    "Too many authentication failures",
    "keyword ",
    "command-line line",
    "illegal option",
];

/// The trouble that a log of ssh tells.
pub(super) fn explain_log(log: &str, target: &Target) -> Trouble {
    let lines: Vec<&str> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let said = |what: &str| lines.iter().find(|line| line.contains(what)).copied();
    let trial = target.describe_trial();
    if let Some(line) = said("Host key for ").filter(|line| line.contains("has changed")) {
        let name = between(line, "Host key for ", " has changed");
        let scan = target.describe_scan(name);
        let name = name.unwrap_or(&target.hostname);
        let file = said("Offending").and_then(|line| between(line, " in ", ":"));
        let file = file.map(|file| format!("-f {} ", quote(file))).unwrap_or_default();
        return Trouble::from(format!(
            "the key of the host is not the one it is known by: somebody may be in between. If the machine was set up anew, \
             `ssh-keygen {file}-R {}` forgets the old key, and `{scan}` shows the fingerprint of the new one",
            quote(name)
        ));
    }
    if said("host key is known for").is_some() || said("Host key verification failed").is_some() {
        let name = said("host key is known for").and_then(|line| between(line, "is known for ", " and you"));
        return Trouble::from(format!(
            "the key of the host is not known here, and only known ones are trusted. `{}` shows its fingerprint; when that \
             is right, `{trial}` asks whether to trust it",
            target.describe_scan(name)
        ));
    }
    let last = shorten(&one_line(&replace_control_chars(lines.last().copied().unwrap_or("it says nothing"))), SHOWN);
    if said("Permission denied (").is_some() {
        return Trouble::from(format!(
            "the host takes none of the keys that ssh offers ({last}): `{trial}` must work without a question"
        ));
    }
    if said("Could not resolve hostname").is_some() && said("Temporary failure").is_none() {
        return Trouble::from(format!("there is no host of that name ({last}): `{trial}` must work"));
    }
    if LASTING.iter().any(|what| said(what).is_some()) {
        return Trouble::from(format!("ssh does not connect ({last}): `{trial}` must work"));
    }
    Trouble::new(Cause::Unreachable, format!("ssh does not connect ({last}): `{trial}` tries the same"))
}

fn quote(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), std::borrow::Cow::into_owned)
}

fn between<'a>(line: &'a str, before: &str, after: &str) -> Option<&'a str> {
    line.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explain(log: &str) -> Trouble {
        let hostname = "build1".to_owned();
        explain_log(log, &Target { hostname, port: Some(2222), user: Some("w".to_owned()), ..Target::default() })
    }

    #[test]
    fn what_only_a_person_can_mend_says_how_and_is_not_tried_again() {
        let cases = [
            (
                "@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nOffending ED25519 key in /home/a b/known:3\n\
                 Host key for [build1]:2222 has changed and you have requested strict checking.\nHost key verification failed.",
                "ssh-keygen -f '/home/a b/known' -R '[build1]:2222'",
            ),
            ("Host key verification failed.\r\n", "ssh-keyscan -p 2222 build1 | ssh-keygen -lf -"),
            (
                "No ED25519 host key is known for [10.0.0.1]:77 and you have requested strict checking.",
                "ssh-keyscan -p 77 10.0.0.1 | ssh-keygen -lf -",
            ),
            (
                "No ED25519 host key is known for 10.0.0.1 and you have requested strict checking.",
                "ssh-keyscan 10.0.0.1 | ssh-keygen -lf -",
            ),
            ("w@build1: Permission denied (publickey).\r\n", "ssh -p 2222 -l w build1 true"),
            ("ssh: Could not resolve hostname build1: Name or service not known", "no host of that name"),
            ("Unable to negotiate with 10.0.0.1 port 22: no matching key exchange method found.", "no matching key"),
        ];
        for (log, wanted) in cases {
            let trouble = explain(log);
            assert!(trouble.why.contains(wanted), "{trouble}");
            assert_ne!(trouble.cause, Cause::Unreachable, "{trouble}");
        }
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        for log in [
            "ssh: connect to host build1 port 22: Connection refused",
            "ssh: connect to host build1 port 22: Connection timed out",
            "Connection timed out during banner exchange",
            "ssh: Could not resolve hostname build1: Temporary failure in name resolution",
            "kex_exchange_identification: Connection closed by remote host\nConnection closed by 10.0.0.1 port 22",
            "",
        ] {
            assert_eq!(explain(log).cause, Cause::Unreachable, "{log}");
        }
    }
}
