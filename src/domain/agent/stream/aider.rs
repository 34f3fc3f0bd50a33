//! Lines of aider: `Tokens: 1.2k sent, 340 received. Cost: $0.01 message, $0.03 session.`, errors of its library, commits.
//!
//! There is no word for the end, and its exit code is 0 also where no request succeeded: git decides.

use super::event::to_usd;
use crate::domain::agent::failure::{self, Failure};
use crate::domain::agent::model::{ToolCall, Transcript, Usage, shorten};

pub(super) fn read_line(line: &str, to: &mut Transcript) {
    let line = line.trim();
    if let Some(rest) = line.strip_prefix("Model: ") {
        to.model = rest.split_whitespace().next().map(shorten);
    } else if let Some(rest) = line.strip_prefix("Tokens: ") {
        // An answer came, so that what failed before was tried again.
        to.end = None;
        to.limit = None;
        read_tokens(rest, to);
    } else if let Some(name) = line.strip_prefix("Applied edit to ") {
        to.open_tool(ToolCall { id: String::new(), tool: "edit".to_owned(), subject: shorten(name) });
        to.close_tool("");
    } else if line.starts_with("Retrying in ") {
        to.retries += 1;
    } else if let Some(error) = line.strip_prefix("litellm.") {
        let failure = match error.split(':').next().unwrap_or_default() {
            "AuthenticationError" => Failure::Login,
            "RateLimitError" if failure::of_message(error) == Failure::Credit => Failure::Credit,
            "RateLimitError" => Failure::Limit,
            "NotFoundError" => Failure::Model,
            "InternalServerError" | "ServiceUnavailableError" | "BadGatewayError" => Failure::Service,
            "APIConnectionError" | "Timeout" => Failure::Network,
            _ => failure::of_message(error),
        };
        to.fail(failure, line);
    } else {
        return;
    }
    to.events += 1;
}

fn read_tokens(rest: &str, to: &mut Transcript) {
    let mut usage = Usage::default();
    for part in rest.split_once(". ").map_or(rest, |(tokens, _)| tokens).trim_end_matches('.').split(", ") {
        let Some((number, what)) = part.split_once(' ') else { continue };
        let Some(number) = read_number(number) else { continue };
        match what {
            "sent" => usage.input = number,
            "received" => usage.output = number,
            "cache hit" => usage.cached = number,
            "cache write" => usage.cache_written = number,
            _ => (),
        }
    }
    let model = to.model.clone().unwrap_or_default();
    to.add_usage(&model, usage);
    let session = rest.split('$').next_back().filter(|text| text.contains(" session"));
    if let Some(dollars) = session.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok()) {
        to.cost = to_usd(dollars);
    }
}

/// `340`, `1.2k`, `2.5M`.
fn read_number(text: &str) -> Option<u64> {
    let (digits, factor) = match text.as_bytes().last()? {
        b'k' => (&text[..text.len() - 1], 1e3),
        b'M' => (&text[..text.len() - 1], 1e6),
        _ => (text, 1.0),
    };
    let number: f64 = digits.replace(',', "").parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be between 0 and a billion"
    )]
    let whole = |number: f64| number.round() as u64;
    (number.is_finite() && (0.0..1e9).contains(&(number * factor))).then(|| whole(number * factor))
}
