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

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers one connection with these bytes and tells what `ask` made of it.
    fn asked(answer: &'static [u8]) -> Option<serde_json::Value> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/", listener.local_addr().unwrap());
            let serve = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 1024];
                let count = stream.read(&mut request).await.unwrap();
                assert!(request[..count].starts_with(b"GET /path HTTP/1.0\r\nhost: 127.0.0.1:"));
                stream.write_all(answer).await.unwrap();
            };
            tokio::join!(ask(&url, "/path"), serve).0
        })
    }

    #[test]
    fn an_answer_is_read() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"a\":1}";
        assert_eq!(asked(answer), Some(serde_json::json!({"a": 1})));
    }

    #[test]
    fn whatever_else_comes_is_no_answer() {
        for answer in [
            &b""[..],
            b"HTTP/1.1 404 Not Found\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\n\r\nnot json",
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n",
            b"\r\n\r\n{}",
            b"SSH-2.0-OpenSSH\r\n",
            b"\x15\x03\x01\x00\x02\x02\x16",
        ] {
            assert_eq!(asked(answer), None, "{}", answer.escape_ascii());
        }
    }

    #[tokio::test]
    async fn nobody_there_is_no_answer() {
        for url in [
            "http://127.0.0.1:1",
            "https://127.0.0.1:1",
            "nonsense",
            "http://",
        ] {
            assert_eq!(ask::<serde_json::Value>(url, "/path").await, None);
        }
    }
}
