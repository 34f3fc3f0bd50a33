//! Events of the Gemini CLI: `init`, `message`, `tool_use`, `tool_result`, `error`, `result`.

use super::event::{SUBJECTS, count, text, tool_call};
use crate::domain::agent::failure::{self, Failure};
use crate::domain::agent::model::{AgentEnd, MAX_TEXT, Transcript, Usage, shorten};
use crate::domain::base::text::floor_char_boundary;
use serde_json::Value;

pub(super) fn read_event(kind: &str, event: &Value, to: &mut Transcript) {
    match kind {
        "init" => {
            to.session = event["session_id"].as_str().map(shorten);
            to.model = event["model"].as_str().map(shorten);
        }
        "message" if text(event, "role") == "assistant" => {
            let said = text(event, "content");
            if event["delta"].as_bool().unwrap_or(false) {
                to.text.push_str(&said[..floor_char_boundary(said, MAX_TEXT)]);
                to.text = shorten_front(&to.text);
            } else {
                to.text = shorten(said);
            }
        }
        "tool_use" => {
            to.open_tool(tool_call(text(event, "tool_id"), text(event, "tool_name"), &event["parameters"], &SUBJECTS))
        }
        "tool_result" => to.close_tool(text(event, "tool_id")),
        "result" => read_result(event, to),
        _ => (),
    }
}

fn read_result(event: &Value, to: &mut Transcript) {
    let stats = &event["stats"];
    match stats["models"].as_object() {
        Some(models) => {
            for (model, told) in models {
                to.set_usage(model, read_usage(told));
            }
        }
        None if stats.is_object() => {
            let model = to.model.clone().unwrap_or_default();
            to.set_usage(&model, read_usage(stats));
        }
        None => (),
    }
    if text(event, "status") == "success" {
        to.end = Some(AgentEnd::Completed);
        return;
    }
    let (kind, message) = (text(&event["error"], "type"), text(&event["error"], "message"));
    if kind == "FatalTurnLimitedError" {
        to.end = Some(AgentEnd::TurnLimit);
    } else if kind == "FatalCancellationError" {
        to.end = Some(AgentEnd::Interrupted);
    } else if kind == "FatalAuthenticationError" {
        to.fail(Failure::Login, message);
    } else {
        let failure = failure::of_message(message);
        if failure == Failure::Limit {
            to.wait = failure::find_wait(message);
        }
        to.fail(failure, message);
    }
}

/// `input_tokens` counts cached ones too.
fn read_usage(told: &Value) -> Usage {
    let (input, cached, output) = (count(told, "input_tokens"), count(told, "cached"), count(told, "output_tokens"));
    // What is in the sum alone was thought: it is paid as output.
    let thought = count(told, "total_tokens").saturating_sub(input.saturating_add(output));
    Usage { input: input.saturating_sub(cached), cached, cache_written: 0, output: output.saturating_add(thought) }
}

/// The end of a text that grows, as much as is kept.
fn shorten_front(text: &str) -> String {
    let from = text.len().saturating_sub(MAX_TEXT);
    let from = (from..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    text[from..].to_owned()
}
