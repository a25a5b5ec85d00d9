//! A request taken apart: labels of the path, query, headers, members of the body (`G-1`).
//!
//! Everything here comes from outside. What has the wrong form is refused in AWS's words (`G-7`); nothing panics, and a body has
//! a limit in size and in time.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use thingwire_contract::limit::PAGE_ITEMS;

use super::answer::ApiError;
use crate::registry::{DEFAULT_PAGE_SIZE, PageRequest};

/// Most bytes of a body. The largest legal one is a policy document of 404,600 characters, escaped.
pub(super) const MAX_BODY: usize = 1024 * 1024;

/// Longest time a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The decoded labels of a path, by name.
#[derive(Debug)]
pub(super) struct Labels(Vec<(&'static str, String)>);

impl Labels {
    /// Matches a path against a template. None if it is another path; an error if it is this one with a label that is not UTF-8.
    pub(super) fn read(template: &'static str, path: &str) -> Option<Result<Self, ApiError>> {
        let mut labels = Vec::new();
        let mut segments = path.split('/');
        for part in template.split('/') {
            let segment = segments.next()?;
            match part
                .strip_prefix('{')
                .and_then(|part| part.strip_suffix('}'))
            {
                Some(name) => labels.push((name, segment)),
                None if part == segment => {}
                None => return None,
            }
        }
        if segments.next().is_some() {
            return None;
        }
        let decoded = labels
            .into_iter()
            .map(|(name, segment)| Ok((name, decode(name, segment)?)))
            .collect::<Result<_, ApiError>>();
        Some(decoded.map(Self))
    }
}

/// Takes a request off the connection, whatever it is: with a body left unread, the connection could not be used again.
/// Waits for the body; dropping it drops the request.
pub(super) async fn receive(request: Request) -> Result<(Parts, Bytes), ApiError> {
    let (head, body) = request.into_parts();
    let request = Request::from_parts(head.clone(), body);
    // The limit of the size is the router's.
    let body = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, &()))
        .await
        .map_err(|_| ApiError::invalid("The body of the request did not arrive in time"))?
        .map_err(|error| {
            if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
                ApiError::too_large(MAX_BODY)
            } else {
                ApiError::invalid("The body of the request did not arrive whole")
            }
        })?;
    Ok((head, body))
}

/// One request.
#[derive(Debug)]
pub(super) struct Call {
    labels: Labels,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Map<String, Value>,
}

impl Call {
    /// Reads query and body of a request whose path was matched.
    pub(super) fn read(labels: Labels, head: &Parts, body: &[u8]) -> Result<Self, ApiError> {
        Ok(Self {
            labels,
            query: head
                .uri
                .query()
                .map_or_else(|| Ok(Vec::new()), read_query)?,
            headers: head.headers.clone(),
            body: read_body(body)?,
        })
    }

    /// A label of the path, empty if the template has none of that name.
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels
            .0
            .iter()
            .find(|(known, _)| *known == name)
            .map_or("", |(_, value)| value)
    }

    /// A member of the query.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// A Boolean of the query; absent is false.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.query(name) {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(text) => Err(not_one_of(name, text, "[true, false]")),
        }
    }

    /// A whole number of the query.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        self.query(name)
            .map(|text| {
                text.parse()
                    .map_err(|_| ApiError::constraint(name, text, "Member must be a whole number"))
            })
            .transpose()
    }

    /// The value of a required header.
    pub(super) fn header(&self, name: &str, member: &str) -> Result<&str, ApiError> {
        let Some(value) = self.headers.get(name) else {
            return Err(ApiError::missing(member));
        };
        value
            .to_str()
            .map_err(|_| ApiError::invalid(format!("The header {name} must be ASCII text")))
    }

    /// A string of the body.
    pub(super) fn text(&self, member: &str) -> Result<Option<&str>, ApiError> {
        match self.body.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong_type(member, "a string")),
        }
    }

    /// A string of the body that must be there.
    pub(super) fn required_text(&self, member: &str) -> Result<&str, ApiError> {
        self.text(member)?.ok_or_else(|| ApiError::missing(member))
    }

    /// A whole number of the body.
    pub(super) fn integer(&self, member: &str) -> Result<Option<u64>, ApiError> {
        match self.body.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_u64()
                .map(Some)
                .ok_or_else(|| wrong_type(member, "a whole number")),
        }
    }

    /// A list of the body.
    pub(super) fn list(&self, member: &str) -> Result<Option<&[Value]>, ApiError> {
        match self.body.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(_) => Err(wrong_type(member, "a list")),
        }
    }

    /// The strings of a list of the body; absent is empty.
    pub(super) fn texts(&self, member: &str) -> Result<Vec<&str>, ApiError> {
        let items = self.list(member)?.unwrap_or_default();
        items
            .iter()
            .map(|item| {
                item.as_str()
                    .ok_or_else(|| wrong_type(member, "a list of strings"))
            })
            .collect()
    }

    /// An object of the body.
    pub(super) fn object(&self, member: &str) -> Result<Option<&Map<String, Value>>, ApiError> {
        match self.body.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members)),
            Some(_) => Err(wrong_type(member, "an object")),
        }
    }

    /// Refuses a member of the body that has a meaning which the local cloud does not have yet: better than to ignore it.
    pub(super) fn refuse(&self, member: &str) -> Result<(), ApiError> {
        let given = match self.body.get(member) {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::Array(items)) => !items.is_empty(),
            Some(_) => true,
        };
        if given {
            return Err(ApiError::invalid(format!(
                "The local cloud does not know `{member}` yet; leave it out"
            )));
        }
        Ok(())
    }

    /// The page asked for by `nextToken` and `maxResults` (`G-22`).
    pub(super) fn page_by_token(&self) -> Result<PageRequest, ApiError> {
        self.page("nextToken", "maxResults")
    }

    /// The page asked for by `marker` and `pageSize` (`G-22`).
    pub(super) fn page_by_marker(&self) -> Result<PageRequest, ApiError> {
        self.page("marker", "pageSize")
    }

    fn page(&self, token: &str, size: &str) -> Result<PageRequest, ApiError> {
        let most = u64::try_from(PAGE_ITEMS).unwrap_or(u64::MAX);
        let items = match self.number(size)? {
            None => DEFAULT_PAGE_SIZE,
            Some(0) => {
                let rule = "Member must have value greater than or equal to 1";
                return Err(ApiError::constraint(size, "0", rule));
            }
            Some(number) if number > most => {
                let rule = format!("Member must have value less than or equal to {PAGE_ITEMS}");
                return Err(ApiError::constraint(size, &number.to_string(), &rule));
            }
            Some(number) => usize::try_from(number).unwrap_or(PAGE_ITEMS),
        };
        Ok(PageRequest {
            token: self.query(token).map(str::to_owned),
            size: items,
        })
    }
}

/// AWS's words for a value outside an enumeration.
pub(super) fn not_one_of(member: &str, value: &str, set: &str) -> ApiError {
    ApiError::constraint(
        member,
        value,
        &format!("Member must satisfy enum value set: {set}"),
    )
}

/// For a member of another JSON type.
pub(super) fn wrong_type(member: &str, kind: &str) -> ApiError {
    ApiError::invalid(format!("The member `{member}` of the body must be {kind}"))
}

fn read_body(bytes: &[u8]) -> Result<Map<String, Value>, ApiError> {
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(ApiError::invalid(
            "The body of the request must be a JSON object",
        )),
        Err(error) => Err(ApiError::invalid(format!(
            "The body of the request is not JSON: {error}"
        ))),
    }
}

fn read_query(query: &str) -> Result<Vec<(String, String)>, ApiError> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode("query", &name.replace('+', " "))?;
            let value = decode(&name, &value.replace('+', " "))?;
            Ok((name, value))
        })
        .collect()
}

fn decode(member: &str, text: &str) -> Result<String, ApiError> {
    percent_decode_str(text)
        .decode_utf8()
        .map(|decoded| decoded.into_owned())
        .map_err(|_| ApiError::invalid(format!("The value at '{member}' is not UTF-8")))
}
