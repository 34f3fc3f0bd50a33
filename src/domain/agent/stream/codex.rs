//! Events of Codex: `thread.started`, `turn.*`, `item.*`, `error`.

use super::event::{count, text, tool_call};
use crate::domain::agent::failure::{self, Failure};
use crate::domain::agent::model::{AgentEnd, Transcript, Usage, shorten};
use serde_json::Value;

pub(super) fn read_event(kind: &str, event: &Value, to: &mut Transcript) {
    match kind {
        "thread.started" => to.session = event["thread_id"].as_str().map(shorten),
        "turn.started" => to.end = None,
        "item.started" | "item.updated" | "item.completed" => read_item(kind, &event["item"], to),
        "turn.completed" => {
            to.end = Some(AgentEnd::Completed);
            let told = &event["usage"];
            let (input, cached) = (count(told, "input_tokens"), count(told, "cached_input_tokens"));
            let cache_written = count(told, "cache_write_input_tokens");
            let usage = Usage {
                // Cached ones are counted among those that were read.
                input: input.saturating_sub(cached).saturating_sub(cache_written),
                cached,
                cache_written,
                output: count(told, "output_tokens"),
            };
            // A thread's later turn tells the sum of all: what it tells is of the whole thread, not of the turn.
            to.set_usage("", usage);
        }
        "turn.failed" => read_failure(text(&event["error"], "message"), to),
        "error" => {
            let message = text(event, "message");
            if message.starts_with("Reconnecting") {
                to.retries += 1;
            } else {
                read_failure(message, to);
            }
        }
        _ => (),
    }
}

fn read_failure(message: &str, to: &mut Transcript) {
    let failure = failure::of_message(message);
    if failure == Failure::Limit {
        to.wait = to.wait.or_else(|| failure::find_wait(message));
    }
    to.fail(failure, message);
}

fn read_item(kind: &str, item: &Value, to: &mut Transcript) {
    let id = text(item, "id");
    let call = match text(item, "type") {
        "agent_message" => {
            if kind == "item.completed" {
                to.text = shorten(text(item, "text"));
            }
            return;
        }
        "command_execution" => tool_call(id, "shell", item, &["command"]),
        "file_change" => tool_call(id, "edit", &item["changes"][0], &["path"]),
        "mcp_tool_call" => tool_call(id, text(item, "tool"), item, &["server"]),
        "web_search" => tool_call(id, "web_search", item, &["query"]),
        _ => return,
    };
    match kind {
        "item.started" => to.open_tool(call),
        "item.completed" => {
            if !to.open_tools.iter().any(|open| open.id == id) {
                to.open_tool(call);
            }
            to.close_tool(id);
        }
        _ => (),
    }
}
