//! The way to the API server.

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Once};
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tower::{BoxError, ServiceBuilder};
use tracing::warn;

use super::error::KubernetesError;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// After so much silence the kernel asks whether the API server is still there, and this often until it gives up.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 4;
/// How much is read at once from a connection, of which there is one a kind.
const READ: usize = 16 << 10;

/// The API server of a kubeconfig, or, where none is named, that of the cluster in which this is a pod.
///
/// # Errors
/// The file cannot be used, or there is no service account.
pub async fn kubernetes_config(kubeconfig: Option<&Path>) -> Result<Config, KubernetesError> {
    let config = found_config(kubeconfig).await?;
    let host = config.cluster_url.host().unwrap_or_default();
    if let Some(proxy) = unused_proxy(host, |name| std::env::var(name).ok()) {
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            warn!("{proxy} is not used: connections to the API server at {host} go straight there; add it to NO_PROXY");
        });
    }
    Ok(config)
}

/// The variable that asks for a proxy on the way to a host, which Go's programs would use.
fn unused_proxy(host: &str, variable: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let asks = ["HTTPS_PROXY", "https_proxy"].into_iter().find(|name| set(name).is_some())?;
    let exceptions = set("NO_PROXY").or_else(|| set("no_proxy")).unwrap_or_default();
    let host = host.trim_matches(['[', ']']);
    let address: Option<IpAddr> = host.parse().ok();
    let is_local = host == "localhost" || address.is_some_and(|address| address.is_loopback());
    let excepts = |entry: &str| {
        let entry = entry.trim().trim_start_matches('*');
        let domain = entry.trim_start_matches('.');
        match (entry.parse::<ipnetwork::IpNetwork>(), address) {
            (Ok(network), Some(address)) => network.contains(address),
            (Ok(_), None) => false,
            (Err(_), _) => entry.is_empty() || host == domain || host.ends_with(&format!(".{domain}")),
        }
    };
    let all = exceptions.trim() == "*";
    let excepted = all || exceptions.split(',').filter(|entry| !entry.trim().is_empty()).any(excepts);
    (!is_local && !excepted).then_some(asks)
}

async fn found_config(kubeconfig: Option<&Path>) -> Result<Config, KubernetesError> {
    let Some(path) = kubeconfig else {
        return Config::incluster().map_err(|e| KubernetesError::InCluster { error: Arc::new(e) });
    };
    let wrong = |error| KubernetesError::Kubeconfig { path: path.to_owned(), error: Arc::new(error) };
    // As the variable KUBECONFIG has them: several, of which the first counts that says something.
    let mut read = Kubeconfig::default();
    for file in std::env::split_paths(path) {
        read = read.merge(Kubeconfig::read_from(file).map_err(wrong)?).map_err(wrong)?;
    }
    if let Some(proxy) = proxy(&read) {
        return Err(KubernetesError::Proxy { path: path.to_owned(), proxy: proxy.into() });
    }
    Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.map_err(wrong)
}

/// The proxy that the present context of a kubeconfig asks for.
fn proxy(kubeconfig: &Kubeconfig) -> Option<&str> {
    let current = kubeconfig.current_context.as_deref()?;
    let context = kubeconfig.contexts.iter().find(|context| context.name == current)?.context.as_ref()?;
    let cluster = kubeconfig.clusters.iter().find(|cluster| cluster.name == context.cluster)?.cluster.as_ref()?;
    cluster.proxy_url.as_deref().filter(|proxy| !proxy.is_empty())
}

/// A client for this configuration, of the kind that watches for hours: small buffers; a server that is gone without a
/// word is found out by the kernel; no retries of its own.
///
/// # Errors
/// A certificate, key or token of the configuration cannot be used.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn kubernetes_client(config: &Config) -> Result<Client, KubernetesError> {
    client(config).map_err(|e| KubernetesError::Client { error: Arc::new(e) })
}

fn client(config: &Config) -> Result<Client, kube::Error> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT));
    connector.set_keepalive(Some(KEEPALIVE));
    connector.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
    connector.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
    connector.set_tcp_user_timeout(Some(KEEPALIVE + KEEPALIVE_INTERVAL * KEEPALIVE_RETRIES));
    let connector = config.rustls_https_connector_with_connector(connector)?;
    let http = hyper_util::client::legacy::Builder::new(TokioExecutor::new())
        .http1_read_buf_exact_size(READ)
        .build::<_, Body>(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace.clone()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A node in a network that has to use a proxy finds nobody, or passes by it: it says so, once, unless the server is excepted.
    #[test]
    fn a_proxy_of_the_environment_is_not_passed_by_silently() {
        let asks = |host: &str, no_proxy: &str| {
            unused_proxy(host, |name| match name {
                "HTTPS_PROXY" => Some("http://192.0.2.9:3128".to_owned()),
                "NO_PROXY" => Some(no_proxy.to_owned()),
                _ => None,
            })
        };
        for (host, no_proxy) in [
            ("10.96.0.1", ""),
            ("10.96.0.1", "10.97.0.0/16, example.org"),
            ("api.example.org", "example.com,ple.org"),
            ("[fd00::1]", "10.0.0.0/8"),
        ] {
            assert_eq!(asks(host, no_proxy), Some("HTTPS_PROXY"), "{host} {no_proxy}");
        }
        for (host, no_proxy) in [
            ("10.96.0.1", "10.97.0.0/16, 10.96.0.0/12"),
            ("10.96.0.1", "localhost,10.96.0.1"),
            ("10.96.0.1", "*"),
            ("api.example.org", ".example.org"),
            ("api.example.org", "api.example.org"),
            ("[fd00::1]", "fd00::/8"),
            ("127.0.0.1", ""),
            ("localhost", ""),
        ] {
            assert_eq!(asks(host, no_proxy), None, "{host} {no_proxy}");
        }
        assert_eq!(unused_proxy("10.96.0.1", |_| None), None);
        assert_eq!(unused_proxy("10.96.0.1", |_| Some(String::new())), None);
    }

    /// Connections that pass by a proxy which they should go through may reach nobody, or somebody else.
    #[tokio::test]
    async fn a_proxy_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("kubeconfig");
        let write = |proxy: &str| {
            let text = format!(
                "{{apiVersion: v1, kind: Config, current-context: a, contexts: [{{name: a, context: {{cluster: c, user: u}}}}],
                  users: [{{name: u, user: {{token: t}}}}], clusters: [
                  {{name: other, cluster: {{server: 'https://192.0.2.1', proxy-url: 'http://192.0.2.8'}}}},
                  {{name: c, cluster: {{server: 'https://192.0.2.1'{proxy}}}}}]}}"
            );
            fs::write(&file, text).expect("a file");
        };
        write(", proxy-url: 'http://192.0.2.9:3128'");
        let error = kubernetes_config(Some(&file)).await.expect_err("a proxy").to_string();
        assert!(error.contains("http://192.0.2.9:3128") && error.contains("proxy-url"), "{error}");
        for none in ["", ", proxy-url: ''"] {
            write(none);
            let config = kubernetes_config(Some(&file)).await.expect("a configuration");
            assert_eq!(config.cluster_url.host(), Some("192.0.2.1"));
        }
    }
}
