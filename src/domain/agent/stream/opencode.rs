//! Events of opencode: `step_start`, `text`, `tool_use`, `step_finish`, `error`, `done`.

use super::event::{SUBJECTS, count, text, to_usd, tool_call};
use crate::domain::agent::failure::{self, Failure};
use crate::domain::agent::model::{AgentEnd, Denial, Transcript, Usage, shorten};
use crate::domain::values::Usd;
use serde_json::Value;

pub(super) fn read_event(kind: &str, event: &Value, to: &mut Transcript) {
    if let Some(session) = event["sessionID"].as_str() {
        to.session = Some(shorten(session));
    }
    let part = &event["part"];
    match kind {
        "step_start" => to.end = None,
        "text" => to.text = shorten(text(part, "text")),
        "tool_use" => read_tool(part, to),
        "step_finish" => {
            let told = &part["tokens"];
            let cache = &told["cache"];
            let usage = Usage {
                input: count(told, "input"),
                cached: count(cache, "read"),
                cache_written: count(cache, "write"),
                output: count(told, "output").saturating_add(count(told, "reasoning")),
            };
            // Sessions of sub-agents are not in the stream: what is told is the least it can be.
            to.add_usage("", usage);
            if let Some(cost) = part["cost"].as_f64().and_then(to_usd) {
                to.cost = Some(Usd(to.cost.unwrap_or_default().0.saturating_add(cost.0)));
            }
            to.end = match text(part, "reason") {
                "stop" => Some(AgentEnd::Completed),
                "length" => Some(AgentEnd::ContextFull),
                _ => None,
            };
        }
        "done" => {
            for rejected in event["rejected"].as_array().into_iter().flatten() {
                let tool = rejected.as_str().unwrap_or_else(|| text(rejected, "permission"));
                to.deny(Denial { tool: shorten(tool), subject: String::new() });
            }
        }
        "error" => read_error(&event["error"], to),
        _ => (),
    }
}

fn read_tool(part: &Value, to: &mut Transcript) {
    let (id, state) = (text(part, "callID"), &part["state"]);
    let call = tool_call(id, text(part, "tool"), &state["input"], &SUBJECTS);
    match text(state, "status") {
        "pending" | "running" => to.open_tool(call),
        _ => {
            if !to.open_tools.iter().any(|open| open.id == id) {
                to.open_tool(call);
            }
            to.close_tool(id);
        }
    }
}

fn read_error(error: &Value, to: &mut Transcript) {
    let data = &error["data"];
    let message = match text(data, "message") {
        "" => text(error, "name"),
        message => message,
    };
    let failure = match (text(error, "name"), data["statusCode"].as_u64()) {
        ("ProviderAuthError", _) => Failure::Login,
        (_, Some(status)) => failure::of_status(status, message),
        _ => failure::of_message(message),
    };
    if failure == Failure::Limit {
        let seconds = data["responseHeaders"]["retry-after"].as_str().and_then(|text| text.parse::<u64>().ok());
        to.wait = seconds.map(|seconds| seconds.saturating_mul(1_000));
    }
    if text(error, "name") == "MessageAbortedError" {
        to.end = Some(AgentEnd::Interrupted);
        return;
    }
    to.fail(failure, message);
}
