//! What an agent's failure is, from the status of the service's answer where one is told, else from the words agents use.

use crate::domain::values::Millis;
use serde::{Deserialize, Serialize};

/// Why an agent could not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// It is not logged in, or its key is refused.
    Login,
    /// The account has no credit left.
    Credit,
    /// The account is at a limit that goes by itself.
    Limit,
    /// The model is not known, or not to this account.
    Model,
    /// It refuses to run at all as it was started.
    Refused,
    /// The service is overloaded or broken.
    Service,
    /// The service cannot be reached, or does not answer.
    Network,
    /// Something else.
    Other,
}

impl Failure {
    /// What is wrong, as a sentence without its full stop.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Login => "the agent is not logged in, or its key is refused",
            Self::Credit => "the agent's account has no credit left",
            Self::Limit => "the agent's account is at its usage limit",
            Self::Model => "the agent's model is not known to its service",
            Self::Refused => "the agent refuses to run as it is started",
            Self::Service => "the agent's service fails",
            Self::Network => "the agent's service cannot be reached",
            Self::Other => "the agent ends before it does anything",
        }
    }

    /// What a person can do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Login => {
                "log in with the agent's own command, or name the variable with its key in agent.env; `mc doctor --agent` tries it"
            }
            Self::Credit => "buy credit, or use another account",
            Self::Limit => "wait until it is over, or use another account",
            Self::Model => "name a model that the account may use in agent.command",
            Self::Refused => {
                "see what it says (`mc unit log`), change agent.command, then try it with `mc doctor --agent`"
            }
            Self::Service => "wait; its provider tells of failures",
            Self::Network => {
                "look whether this machine reaches the service, and whether a proxy or a base URL must be named in agent.env"
            }
            Self::Other => "see what it says (`mc unit log`), mend agent.command, then try it with `mc doctor --agent`",
        }
    }
}

/// What a status of HTTP with the service's words means.
pub(super) fn of_status(status: u64, message: &str) -> Failure {
    match status {
        401 | 403 => Failure::Login,
        402 => Failure::Credit,
        404 => Failure::Model,
        408 | 504 => Failure::Network,
        429 => {
            if is_credit(message) {
                Failure::Credit
            } else {
                Failure::Limit
            }
        }
        500..=599 => Failure::Service,
        _ => of_message(message),
    }
}

/// What a message without a status means.
pub(super) fn of_message(message: &str) -> Failure {
    let words = message.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    if is_credit(message) {
        Failure::Credit
    } else if let Some(status) = find_status(&words) {
        of_status(status, message)
    } else if has(&[
        "usage limit",
        "rate limit",
        "ratelimit",
        "rate_limit",
        "too many requests",
        "session limit",
        "limit reached",
    ]) {
        Failure::Limit
    } else if has(&["not logged in", "/login", "api key", "authentication", "unauthorized", "login required", "log in"])
    {
        Failure::Login
    } else if has(&["cannot be used with root"]) {
        Failure::Refused
    } else if has(&["model not found", "unknown model", "model_not_found", "does not exist or you do not have access"])
    {
        Failure::Model
    } else if has(&["overloaded", "high demand", "internal server error", "server error", "service unavailable"]) {
        Failure::Service
    } else if has(&[
        "econnrefused",
        "econnreset",
        "enotfound",
        "connection refused",
        "connection error",
        "timed out",
        "timeout",
        "stream disconnected",
        "network",
    ]) {
        Failure::Network
    } else {
        Failure::Other
    }
}

fn is_credit(message: &str) -> bool {
    let words = message.to_lowercase();
    ["credit balance", "quota exceeded", "insufficient_quota", "insufficient quota", "billing", "out of credits"]
        .iter()
        .any(|part| words.contains(part))
}

/// The status of HTTP a message names: `status 401`, `status: 429`, `API Error: 500`.
fn find_status(words: &str) -> Option<u64> {
    ["status", "api error", "http"].iter().find_map(|marker| {
        let after = words.split_once(marker)?.1.trim_start_matches([':', ' ', '=']);
        let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
        (digits.len() == 3).then(|| digits.parse().ok())?.filter(|status| (400..600).contains(status))
    })
}

/// How long a message says to wait: `try again in 2 days 3 hours 5 minutes`, `1h 12m 3s`; milliseconds.
pub(super) fn find_wait(message: &str) -> Option<Millis> {
    let words = message.to_lowercase();
    let after = ["try again in ", "retry after ", "reset after ", "resets in "]
        .iter()
        .find_map(|marker| Some(words.split_once(marker)?.1))?;
    let (mut sum, mut digits, mut any) = (0_u64, String::new(), false);
    let mut letters = after.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        if letter == ' ' || letter == ',' {
            continue;
        }
        let mut unit = String::from(letter);
        while let Some(next) = letters.next_if(char::is_ascii_alphabetic) {
            unit.push(next);
        }
        if unit == "and" {
            continue;
        }
        let factor = match unit.as_str() {
            "d" | "day" | "days" => 86_400_000,
            "h" | "hr" | "hour" | "hours" => 3_600_000,
            "m" | "min" | "minute" | "minutes" => 60_000,
            "s" | "sec" | "second" | "seconds" => 1_000,
            _ => break,
        };
        sum = sum.saturating_add(digits.parse::<u64>().ok()?.saturating_mul(factor));
        (digits, any) = (String::new(), true);
    }
    any.then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_agents_are_told_apart() {
        for (message, wanted) in [
            ("unexpected status 401 Unauthorized: fake bad key", Failure::Login),
            ("Invalid API key · Fix external API key", Failure::Login),
            ("Not logged in · Please run /login", Failure::Login),
            ("exceeded retry limit, last status: 429 Too Many Requests", Failure::Limit),
            ("You've hit your usage limit. Upgrade to Pro or try again in 3 days 4 hours.", Failure::Limit),
            ("litellm.RateLimitError: RateLimitError: OpenAIException - fake rate limited", Failure::Limit),
            ("Quota exceeded. Check your plan and billing details.", Failure::Credit),
            ("Credit balance is too low", Failure::Credit),
            ("We’re currently experiencing high demand, which may cause temporary errors.", Failure::Service),
            ("API Error: 500 fake: Internal server error.", Failure::Service),
            ("API Error: Connection error. (ECONNREFUSED)", Failure::Network),
            ("Request timed out", Failure::Network),
            ("--dangerously-skip-permissions cannot be used with root/sudo privileges", Failure::Refused),
            ("the tests do not pass", Failure::Other),
            ("status 12345", Failure::Other),
            ("", Failure::Other),
        ] {
            assert_eq!(of_message(message), wanted, "{message}");
        }
    }

    #[test]
    fn waits_are_read() {
        for (message, wanted) in [
            ("try again in 2 days 3 hours 5 minutes.", Some(2 * 86_400_000 + 3 * 3_600_000 + 5 * 60_000)),
            ("Your quota will reset after 1h12m3s.", Some(4_323_000)),
            ("try again in 1 hour, 2 minutes and 3 seconds", Some(3_723_000)),
            ("try again in 99999999999999999999 days", None),
            ("try again in a while", None),
            ("try again later", None),
        ] {
            assert_eq!(find_wait(message), wanted, "{message}");
        }
    }
}
