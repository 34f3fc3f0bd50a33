//! What a snapshot's validity depends on beside tree and stages (design, section 10): system, setup, hashed variables,
//! outputs of the fingerprint commands.

use super::error::EngineError;
use super::shop::allowed_env;
use crate::adapters::environment::Environment;
use crate::adapters::host::command::{ChildGuard, CommandLine};
use crate::config::Settings;
use sha2::{Digest, Sha256};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Computes the fingerprint of this machine under these settings; runs the fingerprint commands in `folder`.
///
/// # Errors
/// [`EngineError::Broken`] when a fingerprint command fails.
pub async fn fingerprint(
    settings: &Settings,
    env: &Environment,
    folder: &Path,
    guard: &ChildGuard,
) -> Result<String, EngineError> {
    let verification = &settings.verification;
    let mut hash = Sha256::new();
    let mut field = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    for text in [std::env::consts::OS, std::env::consts::ARCH] {
        field(text.as_bytes());
    }
    for text in [&settings.target.setup].into_iter().flatten() {
        field(text.as_bytes());
    }
    for name in &verification.env {
        field(name.as_bytes());
        field(env.var(name).map(OsStrExt::as_bytes).unwrap_or_default());
    }
    for text in &verification.fingerprint {
        let mut command = CommandLine::new("sh").arg("-c").arg(text).cwd(folder).env_clear();
        for (key, value) in allowed_env(env, &verification.env) {
            command = command.env(key, value);
        }
        let hint = "mend target.verification.fingerprint, or remove the command".to_owned();
        let broken = |what| EngineError::Broken { what, hint: hint.clone() };
        let output =
            command.run(guard).await.map_err(|e| broken(format!("run the fingerprint command `{text}`: {e}")))?;
        if !output.success() {
            let code = output.code.map_or_else(|| "a signal".to_owned(), |code| format!("exit {code}"));
            return Err(broken(format!("run the fingerprint command `{text}`: {code}")));
        }
        field(&output.stdout);
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}
