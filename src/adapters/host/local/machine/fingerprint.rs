//! What results of runs on this machine depend on, in one hash (design, section 10).

use super::fence::ask_machine;
use super::fenced::Fenced;
use super::host::LocalHost;
use crate::adapters::host::order::HostError;
use crate::domain::base::FieldHash;
use crate::domain::trouble::Trouble;
use std::os::unix::ffi::OsStrExt;

impl LocalHost {
    /// A hash of system, hashed variables, HOME, fence, what Python imports, and outputs of the fingerprint commands; made once.
    ///
    /// # Errors
    /// [`HostError::Broken`] when a fingerprint command fails, or what is verified here would not be a tree.
    pub async fn fingerprint(&self) -> Result<&str, HostError> {
        self.fingerprint.get_or_try_init(|| make(self)).await.map(String::as_str)
    }

    /// The same as it is now, for an engine that is elsewhere and longer there than its worker's machine stays as it was.
    ///
    /// # Errors
    /// As [`Self::fingerprint`].
    pub async fn make_fingerprint(&self) -> Result<String, HostError> {
        make(self).await
    }
}

async fn make(host: &LocalHost) -> Result<String, HostError> {
    let settings = &host.settings;
    let mut hash = FieldHash::default();
    let mut field = |bytes: &[u8]| hash.add(bytes);
    for text in [std::env::consts::OS, std::env::consts::ARCH] {
        field(text.as_bytes());
    }
    if let Some(text) = &settings.setup {
        field(text.as_bytes());
    }
    if settings.have_own_home() {
        field(b"a HOME of its own");
        settings.home.iter().for_each(|name| field(name.as_bytes()));
    }
    let sandbox = &settings.sandbox;
    let unknown = |trouble: Trouble| HostError::broken(trouble.why, "`mc doctor` looks at this machine");
    let fenced = host.detect_fence().await.map_err(unknown)?;
    if fenced.is_active() {
        field(if matches!(fenced, Fenced::Mounts(_)) { b"a fence" } else { b"a fence of rules" });
        sandbox.shared.iter().for_each(|name| field(name.as_bytes()));
        [sandbox.max_memory, sandbox.max_processes].iter().for_each(|cap| field(&cap.to_be_bytes()));
        field(b"without");
        sandbox.hidden.iter().for_each(|name| field(name.as_bytes()));
        field(b"but for");
        sandbox.readable.iter().for_each(|name| field(name.as_bytes()));
    }
    host.imports().check(&settings.stages)?;
    for folder in &host.imports().searched {
        field(b"import");
        field(folder.as_os_str().as_bytes());
    }
    for name in &settings.verification_env {
        field(name.as_bytes());
        field(host.env.var(name).map(OsStrExt::as_bytes).unwrap_or_default());
    }
    for (name, value) in &settings.env {
        field(name.as_bytes());
        field(value.as_bytes());
    }
    for text in &settings.fingerprint {
        let said = ask_machine(host, text, host.allowed_env(&settings.verification_env)).await;
        field(&said.map_err(|why| {
            HostError::broken(
                format!("run the fingerprint command `{text}`: {why}"),
                "mend target.verification.fingerprint, or remove the command",
            )
        })?);
    }
    Ok(hash.finish())
}
