//! Requests signed by AWS's own signer, as they are and changed in one place.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SessionTokenMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use axum::http;

use super::{Judge, Rejected, Request, verify};
use crate::access_keys::AccessKeys;

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const NOW: i64 = 1_800_000_000;

/// What somebody signs.
#[derive(Clone)]
struct Asked {
    secret: &'static str,
    token: Option<&'static str>,
    location: SignatureLocation,
    expires: Option<u64>,
    service: &'static str,
    region: &'static str,
    at: i64,
    method: &'static str,
    url: &'static str,
    body: &'static [u8],
    path: UriPathNormalizationMode,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            secret: SECRET,
            token: None,
            location: SignatureLocation::QueryParams,
            expires: Some(60),
            service: "iotdevicegateway",
            region: "us-east-1",
            at: NOW,
            method: "GET",
            url: "https://localhost:4443/mqtt",
            body: b"",
            path: UriPathNormalizationMode::Enabled,
        }
    }
}

impl Asked {
    /// The request on the wire, signed by aws-sigv4.
    fn signed(&self) -> http::Request<&'static [u8]> {
        let credentials =
            Credentials::new(ID, self.secret, self.token.map(str::to_owned), None, "test");
        let identity = credentials.into();
        let mut settings = SigningSettings::default();
        settings.signature_location = self.location;
        settings.session_token_mode = match self.location {
            SignatureLocation::QueryParams => SessionTokenMode::Exclude,
            _ => SessionTokenMode::Include,
        };
        settings.uri_path_normalization_mode = self.path;
        settings.expires_in = self.expires.map(Duration::from_secs);
        let params = SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(self.at).unwrap()))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let mut request = http::Request::builder()
            .method(self.method)
            .uri(self.url)
            .body(self.body)
            .unwrap();
        let host = request.uri().authority().unwrap().to_string();
        let signable = SignableRequest::new(
            self.method,
            self.url,
            std::iter::empty(),
            SignableBody::Bytes(self.body),
        )
        .unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        instructions.apply_to_request_http1x(&mut request);
        request.headers_mut().insert("host", host.parse().unwrap());
        request
    }

    fn judged(&self) -> Result<String, Rejected> {
        judged(&self.signed())
    }
}

fn keys(token: Option<&str>) -> AccessKeys {
    let mut keys = AccessKeys::default();
    let token = token.map_or(String::new(), |token| {
        format!("aws_session_token={token}\n")
    });
    keys.add(&format!(
        "[p]\naws_access_key_id={ID}\naws_secret_access_key={SECRET}\n{token}"
    ))
    .unwrap();
    keys
}

fn judged_with(request: &http::Request<&[u8]>, keys: &AccessKeys) -> Result<String, Rejected> {
    verify(
        &Request {
            method: request.method().as_str(),
            path: request.uri().path(),
            query: request.uri().query().unwrap_or_default(),
            headers: request.headers(),
            body: request.body(),
        },
        &Judge {
            keys,
            region: "us-east-1",
            skew: Duration::from_secs(300),
            now: NOW,
        },
    )
}

fn judged(request: &http::Request<&[u8]>) -> Result<String, Rejected> {
    judged_with(request, &keys(None))
}

/// `A-5`, `A-9`: all the names of the data plane's service.
#[test]
fn what_aws_signs_is_believed() {
    for service in ["iotdevicegateway", "iotdata", "iot-jobs-data"] {
        for (location, url) in [
            (
                SignatureLocation::QueryParams,
                "https://localhost:4443/mqtt",
            ),
            (
                SignatureLocation::QueryParams,
                "https://localhost/mqtt?b=2&a=%20x&a=1",
            ),
            (
                SignatureLocation::Headers,
                "https://localhost/topics/a%2Fb%20c?qos=1",
            ),
        ] {
            let asked = Asked {
                service,
                location,
                url,
                expires: (location == SignatureLocation::QueryParams).then_some(60),
                ..Asked::default()
            };
            assert_eq!(asked.judged(), Ok(ID.to_owned()), "{url} {service}");
        }
    }
    let publish = Asked {
        location: SignatureLocation::Headers,
        expires: None,
        method: "POST",
        url: "https://localhost/topics/a?qos=1",
        body: b"payload",
        ..Asked::default()
    };
    assert_eq!(publish.judged(), Ok(ID.to_owned()));
    let mut changed = publish.signed();
    *changed.body_mut() = b"payloaD";
    assert_eq!(judged(&changed), Err(Rejected::Mismatch(ID.to_owned())));
}

/// Signers disagree about empty segments and dots: most sign the path without them, and all send it as it is.
#[test]
fn a_path_is_believed_as_it_is_and_normalized() {
    for path in [
        "/topics//a",
        "/topics/a//b/",
        "/topics/a/",
        "/topics/a/./b",
        "/topics/x/../a",
        "/topics/a/..",
        "/topics/a.b/..c",
        "/../topics/a%2F..%2Fb",
    ] {
        for mode in [
            UriPathNormalizationMode::Enabled,
            UriPathNormalizationMode::Disabled,
        ] {
            let asked = Asked {
                location: SignatureLocation::Headers,
                expires: None,
                method: "POST",
                url: format!("https://localhost{path}?qos=1").leak(),
                path: mode,
                ..Asked::default()
            };
            assert_eq!(asked.judged(), Ok(ID.to_owned()), "{path} {mode:?}");
        }
    }
    let asked = Asked {
        url: "https://localhost/topics/a//b",
        ..Asked::default()
    };
    let mut other = asked.signed();
    let query = other.uri().query().unwrap().to_owned();
    *other.uri_mut() = format!("https://localhost/topics/a//c?{query}")
        .parse()
        .unwrap();
    assert_eq!(judged(&other), Err(Rejected::Mismatch(ID.to_owned())));
}

/// What a stranger calls their key is a line of the log, and cannot be two.
#[test]
fn a_stranger_s_words_stay_on_their_line() {
    let mut request = Asked::default().signed();
    let long = "x".repeat(200);
    for (credential, expected) in [
        (
            format!("a%0Ab%1B{long}%2F"),
            format!("access key `a\\nb\\u{{1b}}{}`", &long[..118]),
        ),
        (
            format!("{ID}%2F20270115%2Fmars%0D%0A%2F"),
            "region `mars\\r\\n`".to_owned(),
        ),
    ] {
        let uri = Asked::default().signed().uri().to_string();
        let (before, after) = uri.split_once("X-Amz-Credential=").unwrap();
        let mut parts = after.splitn(6, "%2F");
        let rest: Vec<_> = parts.by_ref().skip(1).collect();
        let rest = match credential.contains("mars") {
            true => &rest[2..],
            false => &rest[..],
        };
        *request.uri_mut() = format!("{before}X-Amz-Credential={credential}{}", rest.join("%2F"))
            .parse()
            .unwrap();
        let said = judged(&request).unwrap_err().to_string();
        assert!(said.contains(&expected), "{said}");
    }
}

#[test]
fn a_client_that_signs_the_name_without_the_port_is_believed() {
    let mut request = Asked {
        url: "https://localhost/mqtt",
        ..Asked::default()
    }
    .signed();
    request
        .headers_mut()
        .insert("host", "localhost:4443".parse().unwrap());
    assert_eq!(judged(&request), Ok(ID.to_owned()));
    request
        .headers_mut()
        .insert("host", "elsewhere:4443".parse().unwrap());
    assert_eq!(judged(&request), Err(Rejected::Mismatch(ID.to_owned())));
}

/// The session token of a signed query is added after signing, as AWS IoT wants it; in headers it is signed.
#[test]
fn a_session_token_belongs_to_its_key() {
    for (location, expires) in [
        (SignatureLocation::QueryParams, Some(60)),
        (SignatureLocation::Headers, None),
    ] {
        let asked = Asked {
            token: Some("the+token/=="),
            location,
            expires,
            ..Asked::default()
        };
        let request = asked.signed();
        let known = keys(Some("the+token/=="));
        assert_eq!(judged_with(&request, &known), Ok(ID.to_owned()));
        let refused = Err(Rejected::Token(ID.to_owned()));
        assert_eq!(judged_with(&request, &keys(None)), refused);
        assert_eq!(judged_with(&request, &keys(Some("other"))), refused);
        let without = Asked {
            token: None,
            ..asked
        };
        assert_eq!(judged_with(&without.signed(), &known), refused);
    }
}

/// `A-10`: the clocks may be a little apart; a signature has an end.
#[test]
fn a_signature_has_its_time() {
    let at = |offset: i64, expires| {
        Asked {
            at: NOW + offset,
            expires: Some(expires),
            ..Asked::default()
        }
        .judged()
    };
    assert_eq!(at(300, 60), Ok(ID.to_owned()));
    assert_eq!(at(301, 60), Err(Rejected::Early(301)));
    assert_eq!(at(-60, 60), Ok(ID.to_owned()));
    assert_eq!(at(-61, 60), Err(Rejected::Late(1)));
    assert_eq!(at(-86_000, 86_400), Ok(ID.to_owned()));
    let header = |offset: i64| {
        Asked {
            at: NOW + offset,
            location: SignatureLocation::Headers,
            expires: None,
            ..Asked::default()
        }
        .judged()
    };
    assert_eq!(header(-300), Ok(ID.to_owned()));
    assert_eq!(header(-301), Err(Rejected::Late(1)));
}

#[test]
fn the_wrong_key_scope_or_request_is_not() {
    let wrong = |asked: Asked| asked.judged().unwrap_err();
    assert_eq!(
        wrong(Asked {
            secret: "another",
            ..Asked::default()
        }),
        Rejected::Mismatch(ID.to_owned())
    );
    assert!(matches!(
        wrong(Asked {
            region: "eu-west-1",
            ..Asked::default()
        }),
        Rejected::Scope { what: "region", .. }
    ));
    assert!(matches!(
        wrong(Asked {
            service: "s3",
            ..Asked::default()
        }),
        Rejected::Scope {
            what: "service",
            ..
        }
    ));
    let request = Asked::default().signed();
    assert_eq!(
        judged_with(&request, &AccessKeys::default()),
        Err(Rejected::UnknownKey(ID.to_owned()))
    );
    let unsigned = http::Request::get("https://localhost/mqtt").body(&b""[..]);
    assert_eq!(judged(&unsigned.unwrap()), Err(Rejected::Unsigned));
}

/// Each byte of a signed query changed once: never believed, never a panic.
#[test]
fn a_changed_query_is_never_believed() {
    let request = Asked::default().signed();
    let query = request.uri().query().unwrap().to_owned();
    for index in 0..query.len() {
        for change in [b'0', b'%', b'&', b'='] {
            let mut bytes = query.clone().into_bytes();
            if bytes[index] == change {
                continue;
            }
            bytes[index] = change;
            let changed = String::from_utf8(bytes).unwrap();
            let answer = verify(
                &Request {
                    method: "GET",
                    path: "/mqtt",
                    query: &changed,
                    headers: request.headers(),
                    body: b"",
                },
                &Judge {
                    keys: &keys(None),
                    region: "us-east-1",
                    skew: Duration::from_secs(300),
                    now: NOW,
                },
            );
            assert!(answer.is_err(), "{changed}");
        }
    }
}
