//! Events of Claude Code: `system`, `assistant`, `user`, `rate_limit_event`, `result`.

use super::event::{SUBJECTS, count, text, to_usd, tool_call};
use crate::domain::agent::failure::{self, Failure};
use crate::domain::agent::model::{AgentEnd, Denial, Transcript, Usage, shorten};
use crate::domain::values::Millis;
use serde_json::Value;
use std::collections::BTreeMap;

/// Most messages whose tokens are told apart; those of more are not counted before the sum at the end.
const MAX_MESSAGES: usize = 100_000;

/// Tokens told by message: a message comes as one event for each of its parts, each with the same sum.
#[derive(Debug, Default)]
pub(super) struct Messages(BTreeMap<String, (String, Usage)>);

pub(super) fn read_event(kind: &str, event: &Value, messages: &mut Messages, to: &mut Transcript) {
    match kind {
        "system" => read_system(event, to),
        "assistant" => read_assistant(event, messages, to),
        "user" => {
            for part in event["message"]["content"].as_array().into_iter().flatten() {
                if text(part, "type") == "tool_result" {
                    to.close_tool(text(part, "tool_use_id"));
                }
            }
        }
        "rate_limit_event" => {
            let info = &event["rate_limit_info"];
            if text(info, "status") == "rejected" {
                let limit = to.limit.get_or_insert_default();
                limit.resets_at = info["resetsAt"].as_u64().map(to_millis).or(limit.resets_at);
                limit.window = shorten(text(info, "rateLimitType"));
            }
        }
        "result" => read_result(event, to),
        _ => (),
    }
}

fn read_system(event: &Value, to: &mut Transcript) {
    match text(event, "subtype") {
        "init" => {
            to.session = event["session_id"].as_str().map(shorten);
            to.model = event["model"].as_str().map(shorten);
        }
        "api_retry" => to.retries += 1,
        "permission_denied" => {
            let tool = shorten(text(event, "tool_name"));
            if !tool.is_empty() {
                to.deny(Denial { tool, subject: String::new() });
            }
        }
        _ => (),
    }
}

fn read_assistant(event: &Value, messages: &mut Messages, to: &mut Transcript) {
    let message = &event["message"];
    // A turn that begins after a result (a task in the background came back) has not ended.
    to.end = None;
    for part in message["content"].as_array().into_iter().flatten() {
        match text(part, "type") {
            "text" => to.text = shorten(text(part, "text")),
            "tool_use" => to.open_tool(tool_call(text(part, "id"), text(part, "name"), &part["input"], &SUBJECTS)),
            _ => (),
        }
    }
    let (id, model) = (text(message, "id"), text(message, "model"));
    // What the program itself says in the name of the model costs nothing.
    if model == "<synthetic>" || id.is_empty() {
        return;
    }
    if messages.0.len() >= MAX_MESSAGES && !messages.0.contains_key(id) {
        return;
    }
    let told = &message["usage"];
    let usage = Usage {
        input: count(told, "input_tokens"),
        cached: count(told, "cache_read_input_tokens"),
        cache_written: count(told, "cache_creation_input_tokens"),
        output: count(told, "output_tokens"),
    };
    let before =
        messages.0.insert(id.to_owned(), (model.to_owned(), usage)).map(|(_, usage)| usage).unwrap_or_default();
    let sum = to.usage.get(model).copied().unwrap_or_default();
    let without = Usage {
        input: sum.input.saturating_sub(before.input),
        cached: sum.cached.saturating_sub(before.cached),
        cache_written: sum.cache_written.saturating_sub(before.cache_written),
        output: sum.output.saturating_sub(before.output),
    };
    to.set_usage(model, without.plus(usage));
}

fn read_result(event: &Value, to: &mut Transcript) {
    if let Some(session) = event["session_id"].as_str() {
        to.session = Some(shorten(session));
    }
    to.cost = event["total_cost_usd"].as_f64().and_then(to_usd).or(to.cost);
    // `usage` is the main loop's alone; this is of sub-agents as well, and names a model in another way than messages do.
    let models = event["modelUsage"].as_object();
    if models.is_some_and(|models| !models.is_empty()) {
        to.usage.clear();
    }
    for (model, told) in models.into_iter().flatten() {
        to.set_usage(
            model,
            Usage {
                input: count(told, "inputTokens"),
                cached: count(told, "cacheReadInputTokens"),
                cache_written: count(told, "cacheCreationInputTokens"),
                output: count(told, "outputTokens"),
            },
        );
    }
    for denial in event["permission_denials"].as_array().into_iter().flatten() {
        let call = tool_call("", text(denial, "tool_name"), &denial["tool_input"], &SUBJECTS);
        to.denials.retain(|known| known.tool != call.tool || !known.subject.is_empty());
        to.deny(Denial { tool: call.tool, subject: call.subject });
    }
    let said = text(event, "result");
    if !said.is_empty() {
        to.text = shorten(said);
    }
    let errors: Vec<&str> = event["errors"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let message = if errors.is_empty() { said.to_owned() } else { errors.join("; ") };
    let failed = event["is_error"].as_bool().unwrap_or(false);
    to.end = Some(match (text(event, "subtype"), text(event, "terminal_reason")) {
        ("error_max_turns", _) | (_, "max_turns") => AgentEnd::TurnLimit,
        ("error_max_budget_usd", _) | (_, "budget_exhausted") => AgentEnd::Budget,
        (_, "prompt_too_long") => AgentEnd::ContextFull,
        ("error_during_execution", reason) if reason.starts_with("aborted") => AgentEnd::Interrupted,
        ("success", _) if !failed => AgentEnd::Completed,
        _ => {
            let failure = match event["api_error_status"].as_u64() {
                Some(status) => failure::of_status(status, &message),
                None if to.limit.is_some() => Failure::Limit,
                None => failure::of_message(&message),
            };
            if failure == Failure::Limit {
                let limit = to.limit.get_or_insert_default();
                limit.resets_at = limit.resets_at.or_else(|| find_reset(&message));
            }
            to.fail(failure, &message);
            return;
        }
    });
}

/// `Claude AI usage limit reached|1735689600`, the words of older versions: seconds since 1970.
fn find_reset(message: &str) -> Option<Millis> {
    message.rsplit_once('|')?.1.trim().parse::<u64>().ok().map(to_millis)
}

const fn to_millis(seconds: u64) -> Millis {
    seconds.saturating_mul(1_000)
}
