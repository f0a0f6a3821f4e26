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
    Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.map_err(wrong)
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
