//! The way to the API server.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tower::{BoxError, ServiceBuilder};

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
