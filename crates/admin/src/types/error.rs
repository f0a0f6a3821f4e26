//! Errors as the API tells them.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Body of every answer with a status of 400 or above, and last line of a stream that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error.
    pub error: ApiError,
}

/// An error: what failed, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct ApiError {
    /// A word for programs; decides the status.
    pub code: ErrorCode,
    /// One sentence for people.
    pub message: String,
    /// What to do, where it can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The single errors of a configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<ErrorDetail>,
}

impl ApiError {
    /// An error without a remedy.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), remedy: None, details: Vec::new() }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// One error in a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorDetail {
    /// File.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// Column in characters, from 1.
    pub column: Option<u32>,
    /// The line's text.
    pub text: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub remedy: Option<String>,
}

/// Kinds of errors, each with its HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// 400: a parameter or the body cannot be read.
    BadRequest,
    /// 403: whoever asks may not use the socket.
    Forbidden,
    /// 404: no such path.
    NotFound,
    /// 404: no such peer.
    PeerNotFound,
    /// 405: the path knows other methods.
    MethodNotAllowed,
    /// 409: not possible in the present state, as a refresh of a peer that is not established.
    Conflict,
    /// 413: the body is too large.
    TooLarge,
    /// 422: the configuration is not valid; `details` says where. Nothing was changed.
    ConfigInvalid,
    /// 500: an error of ours.
    Internal,
    /// 503: the daemon is starting, stopping, or has too many connections.
    Unavailable,
    /// A code that this version does not know.
    #[serde(other)]
    Unknown,
}

impl ErrorCode {
    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::NotFound | Self::PeerNotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::ConfigInvalid => 422,
            Self::Internal | Self::Unknown => 500,
            Self::Unavailable => 503,
        }
    }
}
