//! What a publish over HTTPS says besides topic and payload (`F-24`), and the MQTT 5 properties that become of it.
//!
//! Members of the query and headers are checked like what a PUBLISH brings: the same limits (`B-72`), the same texts. Nothing here can panic;
//! an error names the member and what was expected.

use std::borrow::Cow;
use std::fmt;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use thingwire_broker::Rules;
use thingwire_mqtt::{Property, QoS, topic};

const USER_PROPERTIES: &str = "x-amz-mqtt5-user-properties";
const PAYLOAD_FORMAT: &str = "x-amz-mqtt5-payload-format-indicator";
const CORRELATION_DATA: &str = "x-amz-mqtt5-correlation-data";

/// What a text or a field of bytes can hold in MQTT.
const FIELD: usize = u16::MAX as usize;

/// The options of one publish.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) qos: QoS,
    pub(super) retain: bool,
    content_type: Option<String>,
    response_topic: Option<String>,
    expiry: Option<u32>,
    format: Option<u8>,
    correlation_data: Option<Vec<u8>>,
    user_properties: Vec<(String, String)>,
}

type Invalid = Cow<'static, str>;

impl Options {
    /// Of a request that says nothing.
    const fn none() -> Self {
        Self {
            qos: QoS::AtMostOnce,
            retain: false,
            content_type: None,
            response_topic: None,
            expiry: None,
            format: None,
            correlation_data: None,
            user_properties: Vec::new(),
        }
    }

    /// Reads a request's query and headers. What AWS does not know is left alone, a signature among it.
    pub(super) fn read(query: &str, headers: &HeaderMap, rules: &Rules) -> Result<Self, Invalid> {
        let mut options = Self::none();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("qos", "0") => options.qos = QoS::AtMostOnce,
                ("qos", "1") => options.qos = QoS::AtLeastOnce,
                ("qos", _) => return Err("qos is 0 or 1".into()),
                ("retain", "true") => options.retain = true,
                ("retain", "false") => options.retain = false,
                ("retain", _) => return Err("retain is true or false".into()),
                ("contentType", value) => {
                    let value = decoded("contentType", value)?;
                    fits("contentType", value.len(), rules.content_type_len)?;
                    options.content_type = Some(value);
                }
                ("responseTopic", value) => {
                    let value = decoded("responseTopic", value)?;
                    fits("responseTopic", value.len(), rules.topic_len)?;
                    if !topic::is_valid_name(&value) {
                        return Err("responseTopic is a topic without wildcards".into());
                    }
                    options.response_topic = Some(value);
                }
                ("messageExpiry", value) => {
                    let seconds = value.parse();
                    let what = "messageExpiry is a number of seconds, less than 4294967296";
                    options.expiry = Some(seconds.map_err(|_| what)?);
                }
                _ => {}
            }
        }
        let header = |name: &'static str| {
            let value = headers.get(name).map(|value| value.to_str());
            value
                .transpose()
                .map_err(|_| Invalid::from(format!("{name} is not text")))
        };
        options.format = match header(PAYLOAD_FORMAT)? {
            None => None,
            Some("UNSPECIFIED_BYTES") => Some(0),
            Some("UTF8_DATA") => Some(1),
            Some(_) => {
                return Err(format!("{PAYLOAD_FORMAT} is UNSPECIFIED_BYTES or UTF8_DATA").into());
            }
        };
        if let Some(value) = header(CORRELATION_DATA)? {
            let bytes = STANDARD
                .decode(value)
                .map_err(|_| format!("{CORRELATION_DATA} is base64"))?;
            fits(CORRELATION_DATA, bytes.len(), rules.correlation_data_len)?;
            options.correlation_data = Some(bytes);
        }
        if let Some(value) = header(USER_PROPERTIES)? {
            options.user_properties = user_properties(value)?;
            let len = |(name, value): &(String, String)| name.len().saturating_add(value.len());
            let sum = options.user_properties.iter().map(len).sum();
            fits(USER_PROPERTIES, sum, rules.user_properties_len)?;
        }
        Ok(options)
    }

    /// As the properties of a PUBLISH.
    pub(super) fn properties(&self) -> Vec<Property<'_>> {
        let mut list = Vec::new();
        list.extend(self.format.map(Property::PayloadFormatIndicator));
        list.extend(self.expiry.map(Property::MessageExpiryInterval));
        list.extend(self.content_type.as_deref().map(Property::ContentType));
        list.extend(self.response_topic.as_deref().map(Property::ResponseTopic));
        list.extend(
            self.correlation_data
                .as_deref()
                .map(Property::CorrelationData),
        );
        let pairs = self.user_properties.iter();
        list.extend(pairs.map(|(name, value)| Property::UserProperty(name, value)));
        list
    }
}

/// Base64 of a JSON array of objects of one pair each.
fn user_properties(header: &str) -> Result<Vec<(String, String)>, Invalid> {
    let invalid = || {
        Invalid::from(format!(
            "{USER_PROPERTIES} is base64 of a JSON array of objects with one text each"
        ))
    };
    let json = STANDARD.decode(header).map_err(|_| invalid())?;
    let list: Vec<Pair> = serde_json::from_slice(&json).map_err(|_| invalid())?;
    let pairs = list.into_iter().map(|Pair(name, value)| {
        for text in [&name, &value] {
            fits(USER_PROPERTIES, text.len(), FIELD)?;
            if text.contains('\0') {
                return Err(invalid());
            }
        }
        Ok((name, value))
    });
    pairs.collect()
}

/// A JSON object with one member. A map would swallow the first of two with the same name.
struct Pair(String, String);

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Pair;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with one text")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Pair, A::Error> {
                let one = members.next_entry()?;
                let more = members.next_key::<IgnoredAny>()?;
                match (one, more) {
                    (Some((name, value)), None) => Ok(Pair(name, value)),
                    _ => Err(A::Error::custom("not one member")),
                }
            }
        }
        deserializer.deserialize_map(One)
    }
}

/// A text of the query. `[MQTT-1.5.4-2]`: without NUL.
fn decoded(name: &str, value: &str) -> Result<String, Invalid> {
    let text = percent_decode_str(value).decode_utf8();
    match text {
        Ok(text) if !text.contains('\0') => Ok(text.into_owned()),
        _ => Err(format!("{name} is UTF-8 without NUL").into()),
    }
}

fn fits(name: &str, len: usize, limit: usize) -> Result<(), Invalid> {
    // User properties are many fields, and the limit of the whole may be none at all.
    let limit = if name == USER_PROPERTIES {
        limit
    } else {
        limit.min(FIELD)
    };
    if len > limit {
        return Err(format!("B-72: {name} has at most {limit} bytes").into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use thingwire_broker::Behaviour;

    use super::*;

    fn read(query: &str, headers: &[(&'static str, &str)]) -> Result<Options, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        Options::read(query, &map, &Rules::of(Behaviour::Aws)).map_err(Cow::into_owned)
    }

    #[test]
    fn every_member_becomes_a_property_f_24() {
        let pairs = STANDARD.encode(r#"[{"a":"1"},{"a":"2"},{"":""}]"#);
        let options = read(
            "qos=1&retain=true&contentType=text%2Fplain&responseTopic=a%2Fb&messageExpiry=5&X-Amz-Date=x",
            &[
                (PAYLOAD_FORMAT, "UTF8_DATA"),
                (CORRELATION_DATA, "AAE="),
                (USER_PROPERTIES, &pairs),
            ],
        )
        .unwrap();
        assert_eq!((options.qos, options.retain), (QoS::AtLeastOnce, true));
        assert_eq!(
            options.properties(),
            [
                Property::PayloadFormatIndicator(1),
                Property::MessageExpiryInterval(5),
                Property::ContentType("text/plain"),
                Property::ResponseTopic("a/b"),
                Property::CorrelationData(&[0, 1]),
                Property::UserProperty("a", "1"),
                Property::UserProperty("a", "2"),
                Property::UserProperty("", ""),
            ]
        );
        assert_eq!(read("", &[]), Ok(Options::none()));
    }

    #[test]
    fn what_is_out_of_form_is_named_b_72() {
        let long = "x".repeat(257);
        let large = STANDARD.encode(vec![0; 8_193]);
        let value = "x".repeat(8_192);
        let many = STANDARD.encode(format!(r#"[{{"a":"{value}"}}]"#));
        for query in [
            "qos=2".to_owned(),
            "retain=".to_owned(),
            format!("contentType={long}"),
            "contentType=%ff".to_owned(),
            "contentType=a%00".to_owned(),
            "responseTopic=a%2F%23".to_owned(),
            "responseTopic=".to_owned(),
            format!("responseTopic={long}"),
            "messageExpiry=-1".to_owned(),
            "messageExpiry=4294967296".to_owned(),
        ] {
            let name = query.split('=').next().unwrap_or_default();
            let error = read(&query, &[]).unwrap_err();
            assert!(error.contains(name), "{query}: {error}");
        }
        for (name, value) in [
            (PAYLOAD_FORMAT, "utf8"),
            (CORRELATION_DATA, "not base64"),
            (CORRELATION_DATA, &large),
            (USER_PROPERTIES, "e30="),
            (USER_PROPERTIES, &STANDARD.encode(r#"[{"a":1}]"#)),
            (USER_PROPERTIES, &STANDARD.encode(r#"[{"a":"1","b":"2"}]"#)),
            (USER_PROPERTIES, &STANDARD.encode(r#"[{"a":"1","a":"2"}]"#)),
            (USER_PROPERTIES, &STANDARD.encode(r#"[{}]"#)),
            (USER_PROPERTIES, &STANDARD.encode(r#"[{"a":"\u0000"}]"#)),
            (USER_PROPERTIES, &many),
        ] {
            let error = read("", &[(name, value)]).unwrap_err();
            assert!(error.contains(name), "{value}: {error}");
        }
    }
}
