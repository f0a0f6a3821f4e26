//! A connection to one member of etcd: TCP, TLS where it is asked for, and HTTP/2 with keepalive.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use tonic::body::Body;

use super::error::EtcdError;
use super::options::{Endpoint, EtcdTls, Scheme};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// A member is asked this often whether it is there, while something is open. etcd ends connections of those who ask more often than
/// every 5 s (`--grpc-keepalive-min-time`).
const KEEPALIVE: Duration = Duration::from_secs(10);
/// It has gone when it does not answer for so long.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection, which ends when it is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) channel: Channel,
    task: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What requests go by.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    sender: http2::SendRequest<Body>,
}

impl tower::Service<http::Request<Body>> for Channel {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.sender.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.sender.send_request(request))
    }
}

impl Connection {
    pub(super) async fn open(endpoint: &Endpoint, name: &Arc<str>, tls: &EtcdTls) -> Result<Self, EtcdError> {
        let opening = async {
            let unreachable = |error| EtcdError::Unreachable { endpoint: Arc::clone(name), error: Arc::new(error) };
            let stream = TcpStream::connect((&*endpoint.host, endpoint.port)).await.map_err(unreachable)?;
            stream.set_nodelay(true).map_err(unreachable)?;
            match endpoint.scheme {
                Scheme::Http => Self::over(stream, name).await,
                Scheme::Https => {
                    let no_name = |_| unreachable(io::Error::from(io::ErrorKind::InvalidInput));
                    let host = ServerName::try_from(endpoint.host.to_string()).map_err(no_name)?;
                    let connector = TlsConnector::from(Arc::new(config(tls)?));
                    let untrusted = |error: io::Error| match error.kind() {
                        io::ErrorKind::InvalidData => {
                            EtcdError::Tls { endpoint: Arc::clone(name), error: Arc::new(error) }
                        }
                        _ => unreachable(error),
                    };
                    let stream = connector.connect(host, stream).await.map_err(untrusted)?;
                    Self::over(stream, name).await
                }
            }
        };
        let silent = |_| EtcdError::Silent { endpoint: Arc::clone(name), after: CONNECT };
        tokio::time::timeout(CONNECT, opening).await.map_err(silent)?
    }

    async fn over<S>(stream: S, name: &Arc<str>) -> Result<Self, EtcdError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let shaken = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .handshake(TokioIo::new(stream))
            .await;
        let broken = |error| EtcdError::Http { endpoint: Arc::clone(name), error: Arc::new(error) };
        let (sender, connection) = shaken.map_err(broken)?;
        // Whoever waits for an answer is told how it ended.
        let task = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self { channel: Channel { sender }, task: task.abort_handle() })
    }
}

/// What TLS is to be like.
fn config(tls: &EtcdTls) -> Result<ClientConfig, EtcdError> {
    let wrong = |path: &Path, error| EtcdError::Certificate { path: path.to_owned(), error: Arc::new(error) };
    let mut roots = RootCertStore::empty();
    match &tls.authority {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| wrong(path, error))?;
            }
        }
        // Those that cannot be read vouch for nobody.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| wrong(Path::new("TLS"), error))?.with_root_certificates(roots);
    let mut config = match &tls.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| pem(key, error))?;
            builder.with_client_auth_cert(chain, private).map_err(|error| wrong(certificate, error))?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// The certificates of a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, EtcdError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err(pem(path, rustls::pki_types::pem::Error::NoItemsFound)),
        Ok(found) => Ok(found),
        Err(error) => Err(pem(path, error)),
    }
}

fn pem(path: &Path, error: rustls::pki_types::pem::Error) -> EtcdError {
    EtcdError::Pem { path: path.to_owned(), error: Arc::new(error) }
}
