//! Variables by which the tools of a machine find the network: proxies, certificates, registries of a company. Runs get none of them
//! unless the settings name it, so that where one is set and not named, whoever sees a download fail is told.

/// Their names. Those that hold keys or tokens are not among them: a person names these.
const NAMES: [&str; 62] = [
    "ALL_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "all_proxy",
    "https_proxy",
    "http_proxy",
    "no_proxy",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
    "PIP_CONFIG_FILE",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
    "PIP_NO_INDEX",
    "PIP_PROXY",
    "PIP_TRUSTED_HOST",
    "UV_CONFIG_FILE",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_HTTP_TIMEOUT",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_INSECURE_HOST",
    "UV_NATIVE_TLS",
    "UV_OFFLINE",
    "UV_PYTHON_INSTALL_MIRROR",
    "POETRY_REPOSITORIES",
    "NODE_EXTRA_CA_CERTS",
    "NPM_CONFIG_CAFILE",
    "NPM_CONFIG_HTTPS_PROXY",
    "NPM_CONFIG_PROXY",
    "NPM_CONFIG_REGISTRY",
    "NPM_CONFIG_STRICT_SSL",
    "NPM_CONFIG_USERCONFIG",
    "npm_config_cafile",
    "npm_config_https_proxy",
    "npm_config_proxy",
    "npm_config_registry",
    "npm_config_strict_ssl",
    "npm_config_userconfig",
    "YARN_NPM_REGISTRY_SERVER",
    "GOFLAGS",
    "GOINSECURE",
    "GONOPROXY",
    "GONOSUMDB",
    "GOPRIVATE",
    "GOPROXY",
    "GOSUMDB",
    "CARGO_HTTP_CAINFO",
    "CARGO_HTTP_PROXY",
    "CARGO_NET_GIT_FETCH_WITH_CLI",
    "CARGO_NET_OFFLINE",
    "RUSTUP_DIST_SERVER",
    "RUSTUP_UPDATE_ROOT",
    "MAVEN_OPTS",
    "GRADLE_OPTS",
];

/// Those of them that are set, where `is_set` says so.
pub fn set(is_set: impl Fn(&str) -> bool) -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().filter(move |name| is_set(name))
}

/// What to say of those that are set and that runs with `named` do not get; nothing where there are none.
pub fn withheld_message(is_set: impl Fn(&str) -> bool, named: &[String]) -> Option<String> {
    let missing: Vec<&str> = set(is_set).filter(|name| !named.iter().any(|known| known == name)).collect();
    (!missing.is_empty()).then(|| format!("set here and not given to runs: {}", missing.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_are_set_and_not_given_are_told() {
        let is_set = |name: &str| ["HTTPS_PROXY", "GOPROXY"].contains(&name);
        assert_eq!(
            withheld_message(is_set, &[]).as_deref(),
            Some("set here and not given to runs: HTTPS_PROXY, GOPROXY")
        );
        assert_eq!(withheld_message(is_set, &["GOPROXY".to_owned(), "HTTPS_PROXY".to_owned()]), None);
        assert!(NAMES.iter().all(|name| !crate::domain::detect::agents::secret_sounding(name) || *name == "GOPRIVATE"));
    }
}
