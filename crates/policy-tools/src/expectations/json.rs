//! The same as JSON, for programs that write expectations. The engine's reader knows the place of everything.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use thingwire_contract::name;
use thingwire_policy::json::{self, Member, Node, Value};
use thingwire_policy::{Action, Position, Thing};

use super::{Device, Expectation, Expected, Suite, SuiteError, certificate_attribute};
use crate::resource;

/// Reads a file.
pub(super) fn parse(text: &str) -> Result<Suite, SuiteError> {
    let reader = Reader { text };
    let root =
        json::parse(text).or_else(|(offset, problem)| reader.fail(offset, problem.to_string()))?;
    let mut suite = Suite::default();
    // Devices first, wherever they stand: an expectation mentions them.
    for member in reader.object(&root)? {
        match member.name.as_str() {
            "region" => suite.region = Some(reader.checked(&member.node, &name::REGION)?),
            "account" => suite.account = Some(reader.checked(&member.node, &name::ACCOUNT)?),
            "policies" => suite.policies = reader.texts(&member.node)?,
            "devices" => {
                for member in reader.object(&member.node)? {
                    suite.devices.push(reader.device(member)?);
                }
            }
            "expectations" => {}
            _ => {
                return reader.unknown(
                    member,
                    "`region`, `account`, `policies`, `devices`, `expectations`",
                );
            }
        }
    }
    if let Some(list) = crate::place::value_at(&root, "expectations") {
        for node in reader.list(list)? {
            let expectation = reader.expectation(&mut suite, node)?;
            suite.expectations.push(expectation);
        }
    }
    Ok(suite)
}

struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn fail<T>(&self, offset: usize, message: impl Into<String>) -> Result<T, SuiteError> {
        let position = Position::of(self.text, offset);
        Err(SuiteError {
            line: position.line,
            column: position.column,
            message: message.into(),
        })
    }

    fn unknown<T>(&self, member: &Member, known: &str) -> Result<T, SuiteError> {
        self.fail(
            member.offset,
            format!("`{}` has no meaning here; known are {known}", member.name),
        )
    }

    fn object<'n>(&self, node: &'n Node) -> Result<&'n [Member], SuiteError> {
        match &node.value {
            Value::Object(members) => Ok(members),
            other => self.fail(
                node.offset,
                format!("expected an object, found {}", other.type_name()),
            ),
        }
    }

    fn list<'n>(&self, node: &'n Node) -> Result<&'n [Node], SuiteError> {
        match &node.value {
            Value::Array(items) => Ok(items),
            other => self.fail(
                node.offset,
                format!("expected a list, found {}", other.type_name()),
            ),
        }
    }

    fn string(&self, node: &Node) -> Result<String, SuiteError> {
        match &node.value {
            Value::String(text) => Ok(text.clone()),
            other => self.fail(
                node.offset,
                format!("expected a text, found {}", other.type_name()),
            ),
        }
    }

    fn bool(&self, node: &Node) -> Result<bool, SuiteError> {
        match &node.value {
            Value::Bool(value) => Ok(*value),
            other => self.fail(
                node.offset,
                format!("expected true or false, found {}", other.type_name()),
            ),
        }
    }

    fn checked(&self, node: &Node, rule: &'static name::Rule) -> Result<String, SuiteError> {
        let text = self.string(node)?;
        match rule.check(&text) {
            Ok(_) => Ok(text),
            Err(error) => self.fail(node.offset, error.to_string()),
        }
    }

    /// One text or a list of them.
    fn texts(&self, node: &Node) -> Result<Vec<String>, SuiteError> {
        match &node.value {
            Value::Array(items) => items.iter().map(|item| self.string(item)).collect(),
            _ => Ok(Vec::from([self.string(node)?])),
        }
    }

    fn device(&self, member: &Member) -> Result<Device, SuiteError> {
        let mut device = Device::named(&member.name);
        let mut things = None;
        for member in self.object(&member.node)? {
            let node = &member.node;
            match member.name.as_str() {
                "client" if node.value == Value::Null => device.client_id = None,
                "client" => device.client_id = Some(self.string(node)?),
                "things" => {
                    let list = self.list(node)?;
                    things = Some(
                        list.iter()
                            .map(|node| self.thing(node))
                            .collect::<Result<_, _>>()?,
                    );
                }
                "over" => {
                    device.mqtt = match self.string(node)?.as_str() {
                        "mqtt" => true,
                        "https" => false,
                        _ => {
                            return self
                                .fail(node.offset, "a device speaks over `mqtt` or `https`");
                        }
                    }
                }
                "certificate" => device.certificate_id = Some(self.string(node)?),
                "serial" => device.serial_number = Some(self.string(node)?),
                "subject" => device.subject = self.holder(node)?,
                "issuer" => device.issuer = self.holder(node)?,
                "address" => {
                    let text = self.string(node)?;
                    match text.parse() {
                        Ok(address) => device.source_ip = Some(address),
                        Err(_) => {
                            return self.fail(node.offset, format!("`{text}` is no IP address"));
                        }
                    }
                }
                "domain" => device.domain_name = Some(self.string(node)?),
                "persistent" => device.persistent = self.bool(node)?,
                "will" => device.last_will_topic = Some(self.string(node)?),
                "policies" => device.policies = self.texts(node)?,
                _ => {
                    return self.unknown(
                        member,
                        "`client`, `things`, `over`, `certificate`, `serial`, `subject`, `issuer`, `address`, `domain`, `persistent`, `will`, `policies`",
                    );
                }
            }
        }
        // As in the line format: the usual thing has the client's name.
        device.things = things.unwrap_or_else(|| {
            let client = device.client_id.as_deref().unwrap_or(&device.name);
            Vec::from([Thing::attached(client)])
        });
        Ok(device)
    }

    fn thing(&self, node: &Node) -> Result<Thing, SuiteError> {
        let mut thing = Thing::attached("");
        for member in self.object(node)? {
            match member.name.as_str() {
                "name" => thing.name = self.string(&member.node)?,
                "attached" => thing.attached = self.bool(&member.node)?,
                "exclusive" => thing.exclusive = self.bool(&member.node)?,
                "type" => thing.type_name = Some(self.string(&member.node)?),
                "attributes" => {
                    for attribute in self.object(&member.node)? {
                        let value = self.string(&attribute.node)?;
                        thing.attributes.push((attribute.name.clone(), value));
                    }
                }
                _ => {
                    return self.unknown(
                        member,
                        "`name`, `attached`, `exclusive`, `type`, `attributes`",
                    );
                }
            }
        }
        if thing.name.is_empty() {
            return self.fail(node.offset, "a thing needs a `name`");
        }
        Ok(thing)
    }

    fn holder(&self, node: &Node) -> Result<Vec<(String, String)>, SuiteError> {
        let mut found = Vec::new();
        for member in self.object(node)? {
            let Some(attribute) = certificate_attribute(&member.name) else {
                return self.unknown(
                    member,
                    "the certificate attributes of policies, such as `CommonName`",
                );
            };
            for value in self.texts(&member.node)? {
                found.push((attribute.to_owned(), value));
            }
        }
        Ok(found)
    }

    fn expectation(&self, suite: &mut Suite, node: &Node) -> Result<Expectation, SuiteError> {
        let (mut device, mut expected, mut action, mut named, mut topic) =
            (None, None, None, None, None);
        for member in self.object(node)? {
            let node = &member.node;
            match member.name.as_str() {
                "device" => device = Some(self.string(node)?),
                "expect" => {
                    expected = Some(match self.string(node)?.as_str() {
                        "may" => Expected::May,
                        "may not" => Expected::MayNot,
                        "may never" => Expected::Never,
                        _ => {
                            return self
                                .fail(node.offset, "expected `may`, `may not` or `may never`");
                        }
                    });
                }
                "action" => {
                    let text = self.string(node)?;
                    match resource::action(&text) {
                        Some(known) => action = Some(known),
                        None => return self.fail(node.offset, format!("`{text}` is no action")),
                    }
                }
                "resource" => named = Some(self.string(node)?),
                "topic" => topic = Some(self.string(node)?),
                _ => {
                    return self
                        .unknown(member, "`device`, `expect`, `action`, `resource`, `topic`");
                }
            }
        }
        let (Some(name), Some(expected), Some(action)) = (device, expected, action) else {
            return self.fail(
                node.offset,
                "an expectation needs `device`, `expect` and `action`",
            );
        };
        let device = suite.device(&name);
        let client = suite
            .devices
            .get(device)
            .and_then(|device| device.client_id.clone());
        let Some(named) = named
            .or(client.filter(|_| action == Action::Connect))
            .or_else(|| (action == Action::ListRetainedMessages).then(|| "*".to_owned()))
        else {
            return self.fail(
                node.offset,
                "this action needs a `resource`, such as a topic",
            );
        };
        let mut text = format!("device {name} {} {action} {named}", expected.words());
        if let Some(topic) = &topic {
            text.push_str(&format!(" topic {topic}"));
        }
        Ok(Expectation {
            line: Position::of(self.text, node.offset).line,
            device,
            expected,
            action,
            resource: resource::named(action, &named),
            topic,
            text,
        })
    }
}
