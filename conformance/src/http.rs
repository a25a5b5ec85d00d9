//! One HTTP request to the control plane, written by hand: what a client sees with nothing in between.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::Ready;

/// An answer takes at most this long; making an RSA key in an unoptimised build is the slowest.
const LIMIT: Duration = Duration::from_secs(30);

/// Sends one request and answers status and body.
///
/// # Errors
/// When the connection fails or breaks, or what came back is not HTTP; after that, whether the request was
/// carried out is not known.
pub fn http(
    ready: &Ready,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<(u16, String)> {
    let address = ready
        .api_url
        .trim_start_matches("http://")
        .trim_end_matches('/');
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let more: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: `{answer}`"));
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(invalid)?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(invalid)?;
    // An answer cut short by a crash is no answer.
    let promised = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    if promised.is_some_and(|promised| promised != body.len()) {
        return Err(invalid());
    }
    Ok((status, body.to_owned()))
}
