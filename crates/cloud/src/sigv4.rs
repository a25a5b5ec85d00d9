//! Signature Version 4, from the side that verifies: who sent this request, and when?
//!
//! A request is signed in its query (as browsers must, who cannot set headers on a WebSocket) or in its `Authorization` header. AWS IoT
//! wants the session token of a signed query outside the signature, added afterwards; so that is what is verified. Everything here comes from
//! strangers: what cannot be understood is refused, nothing panics, and no secret is in an answer.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::Duration;

use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};
use time::{Date, Month, PrimitiveDateTime, Time};

use crate::access_keys::{AccessKey, AccessKeys};
use crate::pki::hex;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What AWS services are called in a credential scope for the data plane (`A-5`).
const SERVICES: [&str; 3] = ["iotdevicegateway", "iotdata", "iot-jobs-data"];
/// A signed query is good for a week at most.
const LONGEST: u64 = 604_800;
/// No request needs more headers to be signed.
const SIGNED_HEADERS: usize = 32;

/// A request as it was signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// As it stood in the request, encoded.
    pub(crate) path: &'a str,
    /// Without the question mark.
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// What a signature is judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judge<'a> {
    pub(crate) keys: &'a AccessKeys,
    pub(crate) region: &'a str,
    /// How far the clocks may be apart.
    pub(crate) skew: Duration,
    /// Seconds since the Unix epoch.
    pub(crate) now: i64,
}

/// Why a request is not believed. The client hears only that it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejected {
    #[error(
        "the request is not signed: sign its query or its headers with Signature Version 4, or use a client certificate"
    )]
    Unsigned,
    #[error("the signature cannot be understood: {0}")]
    Form(&'static str),
    #[error("access key `{0}` is not in the list of this cloud")]
    UnknownKey(String),
    #[error("the credential scope is for {what} `{found}`, not `{expected}`")]
    Scope {
        what: &'static str,
        found: String,
        expected: String,
    },
    #[error("the signature is {0} s from the future: compare the clocks")]
    Early(u64),
    #[error("the signature expired {0} s ago: sign again, or compare the clocks")]
    Late(u64),
    #[error("the session token is not the one of access key `{0}`")]
    Token(String),
    #[error("the signature of access key `{0}` does not match: is the secret key the right one?")]
    Mismatch(String),
}

/// What a signature says, wherever it stands.
struct Signature<'a> {
    /// `<key>/<date>/<region>/<service>/aws4_request`.
    credential: String,
    date: String,
    signed_headers: String,
    signature: String,
    token: Option<String>,
    /// Seconds after `date` during which it is good.
    good_for: u64,
    /// The query without what was added after signing, decoded.
    query: Vec<(Vec<u8>, Vec<u8>)>,
    payload: Option<&'a str>,
}

/// Verifies a request and answers the id of the access key that signed it.
pub(crate) fn verify(request: &Request<'_>, judge: &Judge<'_>) -> Result<String, Rejected> {
    let signature = match request.headers.get("authorization") {
        Some(header) => {
            let header = header
                .to_str()
                .map_err(|_| Rejected::Form("the Authorization header is not text"))?;
            of_header(header, request, judge.skew)?
        }
        None => of_query(request, judge.skew)?,
    };
    let scope: Vec<&str> = signature.credential.split('/').collect();
    let [id, date, region, service, "aws4_request"] = scope[..] else {
        return Err(Rejected::Form(
            "the credential is not `key/date/region/service/aws4_request`",
        ));
    };
    let key = judge
        .keys
        .get(id)
        .ok_or_else(|| Rejected::UnknownKey(shown(id)))?;
    let scope_is_not = |what, found: &str, expected: &str| Rejected::Scope {
        what,
        found: shown(found),
        expected: expected.to_owned(),
    };
    if region != judge.region {
        return Err(scope_is_not("region", region, judge.region));
    }
    if !SERVICES.contains(&service) {
        return Err(scope_is_not("service", service, "iotdevicegateway"));
    }
    if !signature.date.starts_with(date) {
        return Err(Rejected::Form(
            "the date of the credential is not the one of the request",
        ));
    }
    judge_time(&signature, judge)?;
    if signature.token != key.session_token {
        return Err(Rejected::Token(id.to_owned()));
    }
    for path in paths(request.path) {
        for host in hosts(request.headers) {
            let canonical = canonical_request(request, &path, &signature, &host)?;
            if matches(key, &signature, (date, region, service), &canonical) {
                return Ok(id.to_owned());
            }
        }
    }
    Err(Rejected::Mismatch(id.to_owned()))
}

/// A stranger's text for the log: on one line, and no longer than any access key.
fn shown(text: &str) -> String {
    text.escape_debug().take(128).collect()
}

fn judge_time(signature: &Signature<'_>, judge: &Judge<'_>) -> Result<(), Rejected> {
    let signed = seconds(&signature.date)
        .ok_or(Rejected::Form("X-Amz-Date is not like 20260131T235959Z"))?;
    let skew = i64::try_from(judge.skew.as_secs()).unwrap_or(i64::MAX);
    let early = signed.saturating_sub(judge.now);
    if early > skew {
        return Err(Rejected::Early(early.unsigned_abs()));
    }
    let good_for = i64::try_from(signature.good_for).unwrap_or(i64::MAX);
    let late = judge.now.saturating_sub(signed.saturating_add(good_for));
    if late > 0 {
        return Err(Rejected::Late(late.unsigned_abs()));
    }
    Ok(())
}

/// `20260131T235959Z` in seconds since the Unix epoch.
fn seconds(text: &str) -> Option<i64> {
    let digits = |range: std::ops::Range<usize>| -> Option<u16> {
        let digits = text.get(range)?;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    let small = |range| digits(range).and_then(|value| u8::try_from(value).ok());
    if text.len() != 16 || text.get(8..9) != Some("T") || text.get(15..) != Some("Z") {
        return None;
    }
    let month = Month::try_from(small(4..6)?).ok()?;
    let date = Date::from_calendar_date(i32::from(digits(0..4)?), month, small(6..8)?).ok()?;
    let time = Time::from_hms(small(9..11)?, small(11..13)?, small(13..15)?).ok()?;
    Some(
        PrimitiveDateTime::new(date, time)
            .assume_utc()
            .unix_timestamp(),
    )
}

/// The signature in a query.
fn of_query<'a>(request: &Request<'a>, skew: Duration) -> Result<Signature<'a>, Rejected> {
    let mut query = decoded(request.query);
    let mut take = |name: &str| -> Result<Option<String>, Rejected> {
        let mut found = None;
        for (_, value) in query.extract_if(.., |(key, _)| key == name.as_bytes()) {
            if found.is_some() {
                return Err(Rejected::Form("a parameter is there twice"));
            }
            let text =
                String::from_utf8(value).map_err(|_| Rejected::Form("a parameter is not text"))?;
            found = Some(text);
        }
        Ok(found)
    };
    let Some(signature) = take("X-Amz-Signature")? else {
        return Err(Rejected::Unsigned);
    };
    let token = take("X-Amz-Security-Token")?;
    let get = |name: &'static str| {
        let value = query.iter().find(|(key, _)| key == name.as_bytes());
        value.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    if get("X-Amz-Algorithm").as_deref() != Some(ALGORITHM) {
        return Err(Rejected::Form("X-Amz-Algorithm is not AWS4-HMAC-SHA256"));
    }
    let good_for = match get("X-Amz-Expires") {
        None => skew.as_secs(),
        Some(text) => text
            .parse()
            .ok()
            .filter(|seconds| (1..=LONGEST).contains(seconds))
            .ok_or(Rejected::Form("X-Amz-Expires is not 1 to 604800"))?,
    };
    Ok(Signature {
        credential: get("X-Amz-Credential")
            .ok_or(Rejected::Form("there is no X-Amz-Credential"))?,
        date: get("X-Amz-Date").ok_or(Rejected::Form("there is no X-Amz-Date"))?,
        signed_headers: get("X-Amz-SignedHeaders")
            .ok_or(Rejected::Form("there is no X-Amz-SignedHeaders"))?,
        signature,
        token,
        good_for,
        query,
        payload: None,
    })
}

/// The signature in an `Authorization` header; the token is in a header of its own then, and signed.
fn of_header<'a>(
    header: &str,
    request: &Request<'a>,
    skew: Duration,
) -> Result<Signature<'a>, Rejected> {
    let fields = header.strip_prefix(ALGORITHM).ok_or(Rejected::Form(
        "the Authorization header is not AWS4-HMAC-SHA256",
    ))?;
    let field = |name: &str, missing: &'static str| {
        fields
            .split(',')
            .filter_map(|field| field.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned())
            .ok_or(Rejected::Form(missing))
    };
    let text = |name: &str| {
        request
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    Ok(Signature {
        credential: field("Credential", "there is no Credential")?,
        signed_headers: field("SignedHeaders", "there is no SignedHeaders")?,
        signature: field("Signature", "there is no Signature")?,
        date: text("x-amz-date")
            .ok_or(Rejected::Form("there is no X-Amz-Date header"))?
            .to_owned(),
        token: text("x-amz-security-token").map(str::to_owned),
        good_for: skew.as_secs(),
        query: decoded(request.query),
        payload: text("x-amz-content-sha256"),
    })
}

fn decoded(query: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (
                percent_decode_str(key).collect(),
                percent_decode_str(value).collect(),
            )
        })
        .collect()
}

/// The `Host` as it came; and without its port, for some clients sign the name alone and send both.
fn hosts(headers: &HeaderMap) -> Vec<String> {
    let host = headers
        .get("host")
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let mut hosts = vec![host.to_owned()];
    if let Some((name, port)) = host.rsplit_once(':')
        && port.bytes().all(|byte| byte.is_ascii_digit())
    {
        hosts.push(name.to_owned());
    }
    hosts
}

/// The path as it came; and without empty segments, `.` and `..`, for signers of all services but S3 sign that and send the other.
fn paths(path: &str) -> Vec<Cow<'_, str>> {
    let mut paths = vec![Cow::Borrowed(path)];
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    let mut normal = format!("/{}", segments.join("/"));
    if ["/", "/.", "/.."].iter().any(|end| path.ends_with(end)) && !normal.ends_with('/') {
        normal.push('/');
    }
    if normal != path {
        paths.push(Cow::Owned(normal));
    }
    paths
}

fn canonical_request(
    request: &Request<'_>,
    path: &str,
    signature: &Signature<'_>,
    host: &str,
) -> Result<String, Rejected> {
    let names: Vec<&str> = signature.signed_headers.split(';').collect();
    if !names.contains(&"host") {
        return Err(Rejected::Form("the host header is not signed"));
    }
    if names.len() > SIGNED_HEADERS {
        return Err(Rejected::Form("too many headers are signed"));
    }
    let mut headers = String::new();
    for name in &names {
        let values: Vec<String> = if *name == "host" {
            vec![host.to_owned()]
        } else {
            let values = request.headers.get_all(*name).iter();
            values
                .map(|value| {
                    let text = String::from_utf8_lossy(value.as_bytes());
                    text.split_whitespace().collect::<Vec<_>>().join(" ")
                })
                .collect()
        };
        headers.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    let mut query: Vec<(String, String)> = signature
        .query
        .iter()
        .map(|(key, value)| (encoded(key, b""), encoded(value, b"")))
        .collect();
    query.sort_unstable();
    let query: Vec<String> = query
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let digest = hex(&Sha256::digest(request.body));
    // What the header claims must be true; "not signed" is a claim that TLS makes harmless.
    let payload = match signature.payload {
        Some("UNSIGNED-PAYLOAD") => "UNSIGNED-PAYLOAD",
        _ => digest.as_str(),
    };
    Ok(format!(
        "{}\n{}\n{}\n{headers}\n{}\n{payload}",
        request.method,
        // Encoded once more, as all services but S3 want it.
        encoded(path.as_bytes(), b"/"),
        query.join("&"),
        signature.signed_headers,
    ))
}

fn matches(
    key: &AccessKey,
    signature: &Signature<'_>,
    (date, region, service): (&str, &str, &str),
    canonical: &str,
) -> bool {
    let to_sign = format!(
        "{ALGORITHM}\n{}\n{date}/{region}/{service}/aws4_request\n{}",
        signature.date,
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let mut signing = format!("AWS4{}", key.secret).into_bytes();
    for part in [date, region, service, "aws4_request"] {
        let Some(mac) = mac(&signing, part) else {
            return false;
        };
        signing = mac.finalize().into_bytes().to_vec();
    }
    let (Some(mac), Some(claimed)) = (mac(&signing, &to_sign), unhex(&signature.signature)) else {
        return false;
    };
    // Compares in constant time.
    mac.verify_slice(&claimed).is_ok()
}

fn mac(key: &[u8], text: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(text.as_bytes());
    Some(mac)
}

/// Everything but letters, digits, `-._~` and these becomes `%XX`.
fn encoded(bytes: &[u8], also: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || also.contains(byte);
        if plain {
            text.push(char::from(*byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
