//! `mc worker` at the other end of a pipe, spoken to in frames that are written here.

use super::remote::{program, settings};
use crate::support::repo::World;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A greeting.
pub fn hello() -> Value {
    let mut settings = serde_json::to_value(settings()).unwrap();
    settings["setup"] = Value::Null;
    settings["copy"] = json!([]);
    json!({
        "protocol": 3, "oldest": 3, "version": "0", "state": "s1", "epoch": 1, "settings": settings,
        "place": { "toplevel": "/", "common_dir": "/", "state": "/", "boot": "", "identities": null },
        "object_format": "sha1", "config": [], "shallow": [], "ignores": [[], []],
        "limits": { "beat": { "secs": 15, "nanos": 0 }, "longest": 1 << 20 }, "abandoned": []
    })
}

/// The same with one thing else.
pub fn hello_with(key: &str, value: Value) -> Value {
    let mut hello = hello();
    hello[key] = value;
    hello
}

/// A worker at the other end of a pipe.
pub struct Worker {
    pub child: Child,
    to: ChildStdin,
    from: ChildStdout,
    next: u64,
}

impl Worker {
    /// Starts it.
    pub fn start(world: &World) -> Self {
        Self::start_with(world, &std::env::var_os("PATH").unwrap())
    }

    /// The same with programs from these folders.
    pub fn start_with(world: &World, path: &OsStr) -> Self {
        let root = world.state().join("worker");
        std::fs::create_dir_all(&root).unwrap();
        let mut command = Command::new(program());
        command.arg("worker").arg("--root").arg(root).env_clear().kill_on_drop(true);
        command.env("PATH", path).env("HOME", world.home());
        command.env("GIT_CONFIG_SYSTEM", "/dev/null").current_dir("/");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, to, from, next: 0 }
    }

    /// One that has taken this greeting.
    pub async fn greeted(world: &World, hello: Value) -> Self {
        let mut worker = Self::start(world);
        worker.ask("Hello", hello).await;
        worker
    }

    /// Sends a message.
    pub async fn send(&mut self, message: &Value, bytes: &[u8]) {
        let text = serde_json::to_vec(message).unwrap();
        let lengths = [text.len(), bytes.len()].map(|length| u32::try_from(length).unwrap().to_be_bytes());
        self.to.write_all(&[lengths.as_flattened(), &text, bytes].concat()).await.unwrap();
        self.to.flush().await.unwrap();
    }

    /// Sends a request; its number.
    pub async fn request(&mut self, name: &str, content: Value, bytes: &[u8]) -> u64 {
        self.next += 1;
        let body = if content.is_null() { json!(name) } else { json!({ name: content }) };
        self.send(&json!({ "id": self.next, "body": body }), bytes).await;
        self.next
    }

    /// The next message, whatever it is; nothing at the end of the stream.
    pub async fn receive(&mut self) -> Option<(Value, Vec<u8>)> {
        let mut lengths = [0; 8];
        self.from.read_exact(&mut lengths).await.ok()?;
        let number = |at: usize| u32::from_be_bytes(lengths[at..at + 4].try_into().unwrap()) as usize;
        let (mut text, mut bytes) = (vec![0; number(0)], vec![0; number(4)]);
        self.from.read_exact(&mut text).await.unwrap();
        self.from.read_exact(&mut bytes).await.unwrap();
        Some((serde_json::from_slice(&text).unwrap(), bytes))
    }

    /// The next reply to this number.
    pub async fn reply(&mut self, id: u64) -> (Value, Vec<u8>) {
        loop {
            let (message, bytes) = self.receive().await.expect("a reply");
            if message["id"] == id {
                return (message["body"].clone(), bytes);
            }
        }
    }

    /// The answer to a request without bytes.
    pub async fn ask(&mut self, name: &str, content: Value) -> Value {
        let id = self.request(name, content, &[]).await;
        let (body, _) = self.reply(id).await;
        body.get("Answer").unwrap_or_else(|| panic!("{name}: {body}")).clone()
    }

    /// The answer of an operation that went well.
    pub async fn done(&mut self, name: &str, content: Value) -> Value {
        let answer = self.ask(name, content).await;
        answer.get("Ok").unwrap_or_else(|| panic!("{name}: {answer}")).clone()
    }

    /// Why a request is refused.
    pub async fn refused(&mut self, name: &str, content: Value) -> String {
        let id = self.request(name, content, &[]).await;
        let (body, _) = self.reply(id).await;
        body["Refused"]["why"].as_str().unwrap_or_else(|| panic!("{name}: {body}")).to_owned()
    }

    /// Ends its stream, and it with that.
    pub async fn end(mut self) {
        drop(self.to);
        assert!(self.child.wait().await.unwrap().success());
    }
}
