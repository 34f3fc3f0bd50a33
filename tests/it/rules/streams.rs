//! Recorded streams of the real agents (those of gemini are written after its types), and what must not change what they tell.

use mission_control::domain::agent::{AgentEnd, StreamFormat, StreamReader, Transcript, Usage};
use mission_control::domain::values::Usd;
use std::fmt::Write as _;
use std::path::PathBuf;

fn load(name: &str) -> (StreamFormat, Vec<u8>) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/streams").join(name);
    let format = match name.split('/').next() {
        Some("claude") => StreamFormat::Claude,
        Some("codex") => StreamFormat::Codex,
        Some("gemini") => StreamFormat::Gemini,
        Some("opencode") => StreamFormat::Opencode,
        _ => StreamFormat::Aider,
    };
    (format, std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

fn read(format: StreamFormat, bytes: &[u8]) -> Transcript {
    let mut reader = StreamReader::new(format);
    reader.push(bytes);
    reader.finish()
}

fn read_file(name: &str) -> Transcript {
    let (format, bytes) = load(name);
    read(format, &bytes)
}

/// The end in a word.
fn describe(end: Option<&AgentEnd>) -> String {
    match end {
        None | Some(AgentEnd::Cut) => "-".to_owned(),
        Some(AgentEnd::Failed { failure, .. }) => format!("{failure:?}"),
        Some(end) => format!("{end:?}"),
    }
}

type Recorded = (&'static str, &'static str, Option<u64>, Option<u64>, u64, usize);

/// File, end, tokens in all, cost in millionths of a dollar, tools called, tools open at the end.
const RECORDED: [Recorded; 37] = [
    ("claude/stream-latest", "Completed", Some(4_800), Some(18_300), 2, 0),
    ("claude/stream-2.1.197", "Completed", Some(4_800), Some(23_250), 2, 0),
    ("claude/accept", "Completed", Some(4_800), Some(18_300), 2, 0),
    ("claude/ok_npm", "Completed", Some(4_800), Some(23_250), 2, 0),
    ("claude/sid", "Completed", Some(4_800), Some(18_300), 2, 0),
    ("claude/partial", "Completed", Some(4_800), Some(18_300), 2, 0),
    ("claude/schema", "Completed", Some(6_400), Some(24_400), 2, 0),
    ("claude/resume", "Completed", Some(6_400), Some(24_400), 0, 0),
    ("claude/turns", "TurnLimit", Some(4_800), Some(18_300), 3, 0),
    ("claude/budget", "Budget", Some(2_000_600), Some(8_002_100), 1, 1),
    ("claude/e400", "Credit", None, Some(0), 0, 0),
    ("claude/e401", "Login", None, Some(0), 0, 0),
    ("claude/nokey", "Login", None, Some(0), 0, 0),
    ("claude/e429", "Limit", None, Some(0), 0, 0),
    ("claude/e500", "Service", None, Some(0), 0, 0),
    ("claude/e529", "Service", None, Some(0), 0, 0),
    ("claude/429def", "Limit", None, Some(0), 0, 0),
    ("claude/cut", "Completed", Some(13_842), Some(43_740), 2, 0),
    ("claude/hang8", "-", None, None, 0, 0),
    ("claude/sigINT", "Interrupted", Some(1_600), Some(6_100), 1, 0),
    ("claude/sigTERM", "-", Some(1_501), None, 1, 0),
    ("claude/badmodel", "Completed", Some(4_800), Some(18_300), 2, 0),
    ("codex/ok", "Completed", Some(2_200), None, 1, 0),
    ("codex/e401", "Login", None, None, 0, 0),
    ("codex/e429", "Limit", None, None, 0, 0),
    ("codex/e500", "Service", None, None, 0, 0),
    ("codex/quota", "Credit", None, None, 0, 0),
    ("codex/ro", "Completed", Some(2_200), None, 0, 0),
    ("codex/hang", "-", None, None, 0, 0),
    ("codex/sigINT", "-", None, None, 2, 1),
    ("codex/sigTERM", "-", None, None, 2, 1),
    ("opencode/run", "Completed", Some(2_200), Some(3_000), 1, 0),
    ("opencode/out", "Completed", Some(2_200), Some(3_000), 1, 0),
    ("opencode/out401", "Login", None, None, 0, 0),
    ("opencode/out429", "Limit", None, None, 0, 0),
    ("gemini/ok", "Completed", Some(2_350), None, 1, 0),
    ("gemini/limit", "Limit", Some(0), None, 0, 0),
];

#[test]
fn recorded_streams_are_classified() {
    let mut wrong = String::new();
    for (name, end, tokens, cost, called, open) in RECORDED {
        let told = read_file(&format!("{name}.jsonl"));
        let found = (describe(told.end.as_ref()), told.tokens(), told.cost, told.tools_called, told.open_tools.len());
        if found != (end.to_owned(), tokens, cost.map(Usd), called, open) {
            let _ = writeln!(wrong, "{name}: {found:?}");
        }
        assert_eq!(told.partial_usage, told.end == Some(AgentEnd::Cut), "{name}");
        assert!(told.session.is_some(), "{name}");
    }
    assert_eq!(wrong, "");
}

#[test]
fn what_aider_prints_is_read() {
    let ok = read_file("aider/ok.txt");
    assert_eq!((ok.end.as_ref(), ok.tokens(), ok.model.as_deref()), (None, Some(1_100), Some("openai/fake-model")));
    assert_eq!((ok.last_tool.expect("an edit").subject.as_str(), ok.partial_usage), ("hello.txt", false));
    // Its server says no more than that the request was bad.
    assert_eq!(describe(read_file("aider/e401.txt").end.as_ref()), "Other");
    let limited = read_file("aider/e429.txt");
    assert_eq!((describe(limited.end.as_ref()), limited.retries), ("Limit".to_owned(), 8));
    let paid = read(StreamFormat::Aider, b"Model: gpt-5 with diff edit format\nTokens: 12k sent, 1,234 cache hit, 2.5k received. Cost: $0.04 message, $0.11 session.\n");
    assert_eq!(paid.cost, Some(Usd(110_000)));
    assert_eq!(paid.usage["gpt-5"], Usage { input: 12_000, cached: 1_234, cache_written: 0, output: 2_500 });
}

#[test]
fn every_recorded_file_is_in_the_table() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/streams");
    let mut files: Vec<String> = Vec::new();
    for agent in ["claude", "codex", "gemini", "opencode"] {
        for entry in std::fs::read_dir(root.join(agent)).expect("the folder") {
            files.push(format!("{agent}/{}", entry.expect("a file").file_name().to_string_lossy()));
        }
    }
    files.retain(|file| !RECORDED.iter().any(|(name, ..)| *file == format!("{name}.jsonl")));
    assert_eq!(files, Vec::<String>::new());
}

#[test]
fn how_a_stream_is_cut_into_chunks_changes_nothing() {
    for (name, ..) in RECORDED {
        let (format, bytes) = load(&format!("{name}.jsonl"));
        let whole = read(format, &bytes);
        for size in [1, 7, 1_000] {
            let mut reader = StreamReader::new(format);
            bytes.chunks(size).for_each(|chunk| reader.push(chunk));
            assert_eq!(reader.finish(), whole, "{name} in chunks of {size}");
        }
    }
}

#[test]
fn unknown_events_hostile_lines_and_huge_ones_change_nothing() {
    for (name, ..) in RECORDED {
        let (format, bytes) = load(&format!("{name}.jsonl"));
        let whole = read(format, &bytes);
        let huge = format!("{{\"type\":\"of_tomorrow\",\"text\":\"{}\"}}", "x".repeat(1 << 17));
        let between: [&[u8]; 11] = [
            b"{\"type\":\"of_tomorrow\",\"session_id\":\"other\",\"usage\":{\"input_tokens\":99}}",
            b"{\"type\":7}",
            b"{}",
            b"[]",
            b"null",
            b"not JSON",
            b"{\"type\":\"result\"",
            b"\xff\xfe\x00",
            b"{\"type\":\"system\",\"subtype\":\"of_tomorrow\"}",
            b"  ",
            huge.as_bytes(),
        ];
        let mut mixed = Vec::new();
        for line in bytes.split(|byte| *byte == b'\n') {
            for other in between {
                mixed.extend_from_slice(other);
                mixed.push(b'\n');
            }
            mixed.extend_from_slice(line);
            mixed.extend_from_slice(b"\r\n");
        }
        let mut told = read(format, &mixed);
        assert!(told.events > whole.events, "{name}");
        told.events = whole.events;
        assert_eq!(told, whole, "{name}");
    }
}

#[test]
fn a_stream_that_is_cut_anywhere_claims_no_end_it_did_not_have() {
    for name in ["claude/stream-latest.jsonl", "codex/ok.jsonl", "gemini/ok.jsonl"] {
        let (format, bytes) = load(name);
        let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').expect("lines") + 1;
        for at in (0..bytes.len() - 2).step_by(13) {
            let told = read(format, &bytes[..at]);
            assert_eq!((told.end, told.partial_usage), (Some(AgentEnd::Cut), true), "{name} cut at {at} of {last}");
        }
    }
}

#[test]
fn fields_of_wrong_types_are_no_events_worth() {
    for kind in [
        "system",
        "assistant",
        "user",
        "result",
        "rate_limit_event",
        "thread.started",
        "item.completed",
        "turn.completed",
        "turn.failed",
        "error",
        "init",
        "message",
        "tool_use",
        "tool_result",
        "step_finish",
        "done",
        "text",
    ] {
        for value in
            ["null", "7", "\"x\"", "[]", "{}", "[[]]", "{\"message\":7}", "{\"content\":[7,{\"type\":\"tool_use\"}]}"]
        {
            let fields = [
                "message",
                "item",
                "usage",
                "error",
                "part",
                "result",
                "stats",
                "modelUsage",
                "rate_limit_info",
                "permission_denials",
                "session_id",
                "thread_id",
                "total_cost_usd",
                "errors",
                "rejected",
            ];
            let body: Vec<String> = fields.iter().map(|field| format!("\"{field}\":{value}")).collect();
            let line = format!("{{\"type\":\"{kind}\",{}}}\n", body.join(","));
            for format in [StreamFormat::Claude, StreamFormat::Codex, StreamFormat::Gemini, StreamFormat::Opencode] {
                let _ = read(format, line.as_bytes());
            }
        }
    }
}

#[test]
fn limits_tell_when_they_are_over() {
    let rejected = br#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1764800000,"rateLimitType":"five_hour"}}"#;
    let told = read(StreamFormat::Claude, rejected);
    let limit = told.limit.expect("a limit");
    assert_eq!((limit.resets_at, limit.window.as_str()), (Some(1_764_800_000_000), "five_hour"));
    let warned = br#"{"type":"rate_limit_event","rate_limit_info":{"status":"allowed_warning","resetsAt":1764800000}}"#;
    assert_eq!(read(StreamFormat::Claude, warned).limit, None);
    let old =
        br#"{"type":"result","subtype":"success","is_error":true,"result":"Claude AI usage limit reached|1764800000"}"#;
    assert_eq!(read(StreamFormat::Claude, old).limit.expect("a limit").resets_at, Some(1_764_800_000_000));
    let codex =
        br#"{"type":"turn.failed","error":{"message":"You've hit your usage limit. Try again in 3 days 4 hours."}}"#;
    assert_eq!(read(StreamFormat::Codex, codex).wait, Some(76 * 3_600_000));
    assert_eq!(read_file("opencode/out429.jsonl").wait, Some(1_000));
    assert_eq!(read_file("gemini/limit.jsonl").wait, Some(4_323_000));
}

#[test]
fn refused_tools_are_named_with_what_they_were_called_on() {
    let text = br#"{"type":"system","subtype":"permission_denied","tool_name":"Write"}
{"type":"result","subtype":"success","is_error":false,"result":"done","permission_denials":[{"tool_name":"Write","tool_use_id":"t","tool_input":{"file_path":"a.txt"}}]}"#;
    let told = read(StreamFormat::Claude, text);
    assert_eq!(describe(told.end.as_ref()), "Completed");
    assert_eq!(
        told.denials.iter().map(|d| (d.tool.as_str(), d.subject.as_str())).collect::<Vec<_>>(),
        [("Write", "a.txt")]
    );
}

#[test]
fn what_an_agent_does_now_is_known_while_it_works() {
    let (format, bytes) = load("codex/sigTERM.jsonl");
    let mut reader = StreamReader::new(format);
    reader.push(&bytes);
    let open = &reader.transcript().open_tools;
    assert_eq!((open[0].tool.as_str(), open[0].subject.contains("time.sleep")), ("shell", true));
    assert_eq!(
        read_file("claude/stream-latest.jsonl").last_tool.expect("a tool").subject,
        "cat hello.txt && git status --short"
    );
    assert_eq!(read_file("gemini/ok.jsonl").text, "I will write it.");
}
