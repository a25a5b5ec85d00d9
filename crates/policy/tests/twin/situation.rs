//! A connection as the twin sees it, and the values that keys and variables have there (`C-36` to `C-44`).

use std::net::IpAddr;

use thingwire_contract::Partition;
use thingwire_policy::{Action, Context, Request, Settings, Thing};

/// What is asked: an action on a resource, and what came with the request alone.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) action: Action,
    /// What follows the ARN's prefix, or a whole ARN.
    pub(crate) resource: String,
    pub(crate) topic: Option<String>,
    pub(crate) include_socket_information: Option<bool>,
}

impl Asked {
    pub(crate) fn request(&self) -> Request<'_> {
        Request {
            topic: self.topic.as_deref(),
            include_socket_information: self.include_socket_information,
        }
    }
}

/// Names of a certificate's subject or issuer, with their values in order, as they are in the certificate.
pub(crate) type Names = Vec<(&'static str, Vec<String>)>;

#[derive(Clone, Debug)]
pub(crate) struct Registered {
    pub(crate) name: String,
    pub(crate) type_name: Option<String>,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) attached: bool,
    pub(crate) exclusive: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Situation {
    pub(crate) partition: Partition,
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) mqtt: bool,
    pub(crate) client_id: Option<String>,
    pub(crate) certificate_id: Option<String>,
    pub(crate) serial_number: Option<String>,
    pub(crate) subject: Names,
    pub(crate) issuer: Names,
    pub(crate) source_ip: Option<IpAddr>,
    pub(crate) domain_name: Option<String>,
    pub(crate) things: Vec<Registered>,
    pub(crate) persistent: bool,
    pub(crate) last_will_topic: Option<String>,
}

/// The values of a key in a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Values {
    Absent,
    One(String),
    Many(Vec<String>),
}

impl Situation {
    /// The whole ARN of what is asked for. `C-17`: the suffix `*` is one like any other.
    pub(crate) fn arn(&self, resource: &str) -> String {
        if resource.starts_with("arn:") {
            return resource.to_string();
        }
        let partition = self.partition.name();
        format!(
            "arn:{partition}:iot:{}:{}:{resource}",
            self.region, self.account
        )
    }

    /// `C-41`: (b) the exclusive thing whatever the client id, else (a) the attached thing named like the client id.
    fn thing(&self) -> Option<&Registered> {
        self.things
            .iter()
            .find(|thing| thing.attached && thing.exclusive)
            .or_else(|| {
                self.things
                    .iter()
                    .find(|thing| thing.attached && Some(&thing.name) == self.client_id.as_ref())
            })
    }

    /// `C-39` to `C-44`, and `C-37`: what has several values is no variable.
    pub(crate) fn variable(&self, name: &str, settings: &Settings) -> Option<String> {
        let nothing_asked = Asked {
            action: Action::Connect,
            resource: String::new(),
            topic: None,
            include_socket_information: None,
        };
        let of_certificate = name.starts_with("iot:Certificate.");
        match self.raw_values(name, settings, &nothing_asked) {
            Values::One(value) if of_certificate => substitutable(&value).then(|| escaped(&value)),
            Values::One(value) => Some(value),
            Values::Absent | Values::Many(_) => None,
        }
    }

    /// `C-36`; `C-44`: values of a certificate come escaped.
    pub(crate) fn values(&self, key: &str, settings: &Settings, asked: &Asked) -> Values {
        match self.raw_values(key, settings, asked) {
            Values::One(value) if key.starts_with("iot:Certificate.") => {
                Values::One(escaped(&value))
            }
            Values::Many(values) if key.starts_with("iot:Certificate.") => {
                Values::Many(values.iter().map(|value| escaped(value)).collect())
            }
            other => other,
        }
    }

    fn raw_values(&self, key: &str, settings: &Settings, asked: &Asked) -> Values {
        if let Some(name) = key.strip_prefix("iot:Connection.Thing.") {
            return self.thing_value(name, settings);
        }
        if let Some(name) = key.strip_prefix("iot:Certificate.Subject.") {
            return certificate_values(&self.subject, name, settings);
        }
        if let Some(name) = key.strip_prefix("iot:Certificate.Issuer.") {
            return certificate_values(&self.issuer, name, settings);
        }
        match key {
            "iot:ClientId" => one(self.client_id.clone()),
            "aws:SourceIp" => one(self.source_ip.map(|ip| ip.to_string())),
            "iot:DomainName" => one(self.domain_name.clone()),
            "iot:CertificateId" => one(self.certificate_id.clone()),
            "iot:Certificate.SerialNumber" => one(self.serial_number.clone()),
            "iot:ConnectAttributes" => {
                let mut values = Vec::new();
                if self.persistent {
                    values.push("PersistentConnect".to_string());
                }
                if self.last_will_topic.is_some() {
                    values.push("LastWill".to_string());
                }
                Values::Many(values)
            }
            "iot:LastWillTopic" => one(self
                .last_will_topic
                .as_ref()
                .map(|topic| self.arn(&format!("topic/{topic}")))),
            "iot:Topic" => one(asked.topic.clone()),
            "iot:IncludeSocketInformation" => {
                one(asked.include_socket_information.map(|yes| yes.to_string()))
            }
            _ => Values::Absent,
        }
    }

    /// `C-40`: only for MQTT.
    fn thing_value(&self, name: &str, settings: &Settings) -> Values {
        if !self.mqtt && !settings.thing_variables_outside_mqtt {
            return Values::Absent;
        }
        let thing = self.thing();
        if name == "IsAttached" {
            return Values::One(thing.is_some().to_string());
        }
        let Some(thing) = thing else {
            return Values::Absent;
        };
        match name {
            "ThingName" => Values::One(thing.name.clone()),
            "ThingTypeName" => one(thing.type_name.clone()),
            _ => {
                let attribute = name
                    .strip_prefix("Attributes[")
                    .and_then(|rest| rest.strip_suffix(']'));
                one(attribute.and_then(|wanted| {
                    thing
                        .attributes
                        .iter()
                        .find(|(name, _)| name == wanted)
                        .map(|(_, value)| value.clone())
                }))
            }
        }
    }

    /// The same for the engine.
    pub(crate) fn context(&self) -> Context {
        let mut context = Context::new(&self.region, &self.account);
        context.partition = self.partition;
        context.mqtt = self.mqtt;
        context.client_id.clone_from(&self.client_id);
        context.certificate_id.clone_from(&self.certificate_id);
        context
            .certificate_serial_number
            .clone_from(&self.serial_number);
        for (name, values) in &self.subject {
            for value in values {
                context.subject.add(name, value);
            }
        }
        for (name, values) in &self.issuer {
            for value in values {
                context.issuer.add(name, value);
            }
        }
        context.source_ip = self.source_ip;
        context.domain_name.clone_from(&self.domain_name);
        for thing in &self.things {
            context.things.push(Thing {
                name: thing.name.clone(),
                type_name: thing.type_name.clone(),
                attributes: thing.attributes.clone(),
                attached: thing.attached,
                exclusive: thing.exclusive,
            });
        }
        context.persistent = self.persistent;
        context.last_will_topic.clone_from(&self.last_will_topic);
        context
    }
}

/// `C-43`: the bare name is the first value, `.N` the one after N others, `.List` all of them.
fn certificate_values(names: &Names, key: &str, settings: &Settings) -> Values {
    for (name, values) in names {
        let Some(selector) = key.strip_prefix(name) else {
            continue;
        };
        // C-44: five values count.
        let counted = || values.iter().take(5);
        if selector.is_empty() {
            return one(counted().next().cloned());
        }
        if selector == ".List" {
            return Values::Many(counted().cloned().collect());
        }
        let index = selector
            .strip_prefix('.')
            .and_then(|digits| digits.parse::<usize>().ok());
        if let Some(index) = index {
            if index == 0 && settings.no_index_zero {
                return Values::Absent;
            }
            return one(counted().nth(index).cloned());
        }
    }
    Values::Absent
}

/// `C-44`: whether a value is substituted at all. These limits are about variables; a condition sees every value.
fn substitutable(value: &str) -> bool {
    !value.contains(['*', '$', '+', '?', '#']) && value.chars().count() <= 1024
}

fn escaped(value: &str) -> String {
    let mut escaped = String::new();
    for character in value.chars() {
        if [',', '"', '\\', '+', '=', '<', '>', ';'].contains(&character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

fn one(value: Option<String>) -> Values {
    value.map_or(Values::Absent, Values::One)
}
