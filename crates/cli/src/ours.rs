//! What the local cloud answers beyond AWS's API: where it listens, and why it refused somebody.
//!
//! One GET over plain HTTP to loopback, where the local cloud's control plane listens. Every failure is `None`: these
//! answers help, and whoever asks has something to say without them.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer beyond this is not one of ours.
const ANSWER_LIMIT: u64 = 4 << 20;
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks the cloud at `api_url` for `path`.
pub(crate) async fn ask<T: DeserializeOwned>(api_url: &str, path: &str) -> Option<T> {
    let body = tokio::time::timeout(PATIENCE, get(api_url, path))
        .await
        .ok()??;
    serde_json::from_slice(&body)
        .inspect_err(|error| tracing::debug!(%error, path, "the local cloud's answer"))
        .ok()
}

/// HTTP/1.0, so that the answer ends with the connection.
async fn get(url: &str, path: &str) -> Option<Vec<u8>> {
    let host = url.strip_prefix("http://")?.trim_end_matches('/');
    let address = if host.rsplit(']').next()?.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request =
        format!("GET {path} HTTP/1.0\r\nhost: {host}\r\naccept: application/json\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream
        .take(ANSWER_LIMIT)
        .read_to_end(&mut answer)
        .await
        .ok()?;
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let status = String::from_utf8_lossy(answer.get(..head)?)
        .lines()
        .next()?
        .to_owned();
    (status.split(' ').nth(1) == Some("200")).then(|| answer.get(head + 4..).map(<[u8]>::to_vec))?
}
