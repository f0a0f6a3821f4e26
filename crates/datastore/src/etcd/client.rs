//! What is asked of a member of etcd.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Code, Request, Streaming};
use tonic_prost::ProstCodec;

use super::connection::{Channel, Connection};
use super::error::EtcdError;
use super::options::{Endpoint, EtcdOptions};
use super::rpc::{
    AuthenticateRequest, AuthenticateResponse, Compare, KeyValue, PutRequest, RangeRequest, RangeResponse, RequestOp,
    ResponseHeader, TxnRequest, TxnResponse, WatchCreateRequest, WatchRequest, WatchResponse,
};

/// How long an answer may take to come.
const ANSWER: Duration = Duration::from_secs(10);
/// An answer is not larger: a page of keys, each of which has at most 1.5 MiB by default (`--max-request-bytes`).
const LARGEST: usize = 256 << 20;
/// Requests of a watch that wait to be sent; it makes a few at its beginning.
const REQUESTS: usize = 32;

const AUTHENTICATE: &str = "/etcdserverpb.Auth/Authenticate";
const RANGE: &str = "/etcdserverpb.KV/Range";
const TXN: &str = "/etcdserverpb.KV/Txn";
const WATCH: &str = "/etcdserverpb.Watch/Watch";

/// A connection to one member, as a user.
#[derive(Debug)]
pub(super) struct Client {
    connection: Connection,
    origin: http::Uri,
    name: Arc<str>,
    token: Option<MetadataValue<Ascii>>,
}

impl Client {
    /// Connects, and says who we are.
    pub(super) async fn connect(endpoint: &Endpoint, options: &EtcdOptions) -> Result<Self, EtcdError> {
        let name: Arc<str> = endpoint.to_string().into();
        let connection = Connection::open(endpoint, &name, &options.tls).await?;
        let origin = name.parse().map_err(|_| EtcdError::Endpoint { text: name.to_string() })?;
        let mut client = Self { connection, origin, name, token: None };
        if let Some(user) = &options.user {
            let request = AuthenticateRequest { name: user.name.clone(), password: user.password.clone() };
            match client.unary::<_, AuthenticateResponse>(AUTHENTICATE, request).await {
                Ok(answer) => client.token = answer.token.parse().ok(),
                // As etcd's own clients do it: a user is named everywhere, and some members do not ask yet.
                Err(EtcdError::Refused { reason, .. }) if reason.contains("authentication is not enabled") => {}
                Err(EtcdError::Refused { endpoint, code: Code::InvalidArgument, reason }) => {
                    return Err(EtcdError::Denied { endpoint, reason });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(client)
    }

    /// The name of the member.
    pub(super) const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Reads keys; the header of the answer is there.
    pub(super) async fn range(&self, request: RangeRequest) -> Result<(ResponseHeader, RangeResponse), EtcdError> {
        let mut answer: RangeResponse = self.unary(RANGE, request).await?;
        Ok((answer.header.take().unwrap_or_default(), answer))
    }

    /// One key.
    pub(super) async fn get(&self, key: Bytes) -> Result<Option<KeyValue>, EtcdError> {
        let (_, answer) = self.range(RangeRequest { key, limit: 1, ..RangeRequest::default() }).await?;
        Ok(answer.kvs.into_iter().next())
    }

    /// Writes a key if it was written last at this revision (0: if there is none); false: it was not.
    pub(super) async fn put_if(&self, key: &Bytes, revision: i64, value: Bytes) -> Result<bool, EtcdError> {
        let compare = Compare { target: Compare::MOD, key: key.clone(), mod_revision: Some(revision) };
        let put = PutRequest { key: key.clone(), value };
        let request = TxnRequest { compare: vec![compare], success: vec![RequestOp { put: Some(put) }] };
        let answer: TxnResponse = self.unary(TXN, request).await?;
        Ok(answer.succeeded)
    }

    /// Begins watches, which share a stream.
    pub(super) async fn watch(
        &self,
        creates: impl IntoIterator<Item = WatchCreateRequest>,
    ) -> Result<(mpsc::Sender<WatchRequest>, Streaming<WatchResponse>), EtcdError> {
        let (sender, requests) = mpsc::channel(REQUESTS);
        for create in creates {
            // There are fewer than fit.
            let _ = sender.try_send(WatchRequest { create: Some(create), progress: None });
        }
        let mut request = self.request(ReceiverStream::new(requests));
        // A member that is cut off from the others ends the watch, in place of telling nothing.
        request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
        let mut grpc = self.grpc().await?;
        let codec = ProstCodec::<WatchRequest, WatchResponse>::new();
        let asking = grpc.streaming(request, PathAndQuery::from_static(WATCH), codec);
        let answer = self.in_time(asking).await?;
        Ok((sender, answer.into_inner()))
    }

    async fn unary<Q, A>(&self, path: &'static str, message: Q) -> Result<A, EtcdError>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let mut grpc = self.grpc().await?;
        let asking = grpc.unary(self.request(message), PathAndQuery::from_static(path), ProstCodec::<Q, A>::new());
        Ok(self.in_time(asking).await?.into_inner())
    }

    fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("token", token.clone());
        }
        request
    }

    async fn grpc(&self) -> Result<Grpc<Channel>, EtcdError> {
        let grpc = Grpc::with_origin(self.connection.channel.clone(), self.origin.clone());
        let mut grpc = grpc.max_decoding_message_size(LARGEST);
        let broken = |error| EtcdError::Http { endpoint: Arc::clone(&self.name), error: Arc::new(error) };
        grpc.ready().await.map_err(broken)?;
        Ok(grpc)
    }

    async fn in_time<T>(&self, asking: impl Future<Output = Result<T, tonic::Status>>) -> Result<T, EtcdError> {
        let silent = |_| EtcdError::Silent { endpoint: Arc::clone(&self.name), after: ANSWER };
        let answer = tokio::time::timeout(ANSWER, asking).await.map_err(silent)?;
        answer.map_err(|status| EtcdError::of_status(&self.name, &status))
    }
}
