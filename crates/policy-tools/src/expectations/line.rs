//! The line format: one sentence a line, a device's description in indented lines below its name.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use thingwire_policy::Thing;

use super::{Device, Expectation, Expected, Suite, SuiteError, certificate_attribute};
use crate::resource;

/// One word and the column of its first character.
struct Word {
    text: String,
    column: usize,
}

/// Reads a file.
pub(super) fn parse(text: &str) -> Result<Suite, SuiteError> {
    let mut reader = Reader {
        suite: Suite::default(),
        described: None,
        described_names: Vec::new(),
        line: 0,
    };
    for (index, line) in text.lines().enumerate() {
        reader.line = index.saturating_add(1);
        reader.line(line)?;
    }
    Ok(reader.suite)
}

struct Reader {
    suite: Suite,
    /// The device that indented lines describe, and whether its usual things were replaced.
    described: Option<(usize, bool)>,
    /// Devices that have a description; a second one would be a mistake.
    described_names: Vec<String>,
    line: usize,
}

impl Reader {
    fn fail<T>(&self, column: usize, message: impl Into<String>) -> Result<T, SuiteError> {
        Err(SuiteError {
            line: self.line,
            column,
            message: message.into(),
        })
    }

    fn line(&mut self, line: &str) -> Result<(), SuiteError> {
        let words = self.words(line)?;
        let Some(first) = words.first() else {
            return Ok(());
        };
        if line.starts_with([' ', '\t']) {
            let Some((device, replaced)) = self.described else {
                return self.fail(
                    first.column,
                    "an indented line describes the device above it, and there is none",
                );
            };
            return self.property(device, replaced, &words);
        }
        self.described = None;
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        match texts.as_slice() {
            ["region", region] => self.once(first.column, "region", region),
            ["account", account] => self.once(first.column, "account", account),
            ["policy", file] => {
                self.suite.policies.push((*file).to_owned());
                Ok(())
            }
            ["device", name] => {
                if self.described_names.iter().any(|known| known == name) {
                    return self.fail(
                        first.column,
                        format!("device `{name}` is described twice; keep one description"),
                    );
                }
                if self.suite.devices.iter().any(|device| device.name == *name) {
                    return self.fail(
                        first.column,
                        format!("describe device `{name}` before its first expectation"),
                    );
                }
                self.described_names.push((*name).to_owned());
                self.described = Some((self.suite.device(name), false));
                Ok(())
            }
            ["device", _, "may", ..] => self.expectation(&words),
            ["region" | "account" | "policy", ..] => self.fail(
                first.column,
                format!("`{}` takes one word; put it in double quotes if it has spaces", first.text),
            ),
            ["device"] => self.fail(first.column, "`device` needs a name"),
            ["device", ..] => self.fail(
                words.get(2).map_or(first.column, |word| word.column),
                "after the device's name comes `may`, `may not` or `may never`; its description goes on lines of its own, indented",
            ),
            _ => self.fail(
                first.column,
                format!(
                    "`{}` begins no line; a line begins with `device`, `policy`, `region`, `account` or `#`",
                    first.text
                ),
            ),
        }
    }

    fn once(&mut self, column: usize, what: &str, value: &str) -> Result<(), SuiteError> {
        let rule = if what == "region" {
            &thingwire_contract::name::REGION
        } else {
            &thingwire_contract::name::ACCOUNT
        };
        if let Err(error) = rule.check(value) {
            return self.fail(column, error.to_string());
        }
        let slot = if what == "region" {
            &mut self.suite.region
        } else {
            &mut self.suite.account
        };
        if slot.replace(value.to_owned()).is_some() {
            return self.fail(column, format!("`{what}` is here twice; keep one"));
        }
        Ok(())
    }

    /// `device NAME may [not|never] ACTION [RESOURCE] [topic TOPIC]`
    fn expectation(&mut self, words: &[Word]) -> Result<(), SuiteError> {
        let mut rest = words.iter().skip(1);
        let name = rest
            .next()
            .map(|word| word.text.clone())
            .unwrap_or_default();
        let may = rest.next().map_or(1, |word| word.column);
        let mut rest = rest.peekable();
        let expected = match rest.peek().map(|word| word.text.as_str()) {
            Some("not") => Expected::MayNot,
            Some("never") => Expected::Never,
            _ => Expected::May,
        };
        if expected != Expected::May {
            rest.next();
        }
        let Some(verb) = rest.next() else {
            return self.fail(
                may,
                format!("`{}` needs an action, such as `publish`", expected.words()),
            );
        };
        let Some(action) = resource::action(&verb.text) else {
            return self.fail(
                verb.column,
                format!(
                    "`{}` is no action; write `connect`, `publish`, `subscribe`, `receive`, `retain`, or the name of any AWS IoT action",
                    verb.text
                ),
            );
        };
        let device = self.suite.device(&name);
        let own_client = self
            .suite
            .devices
            .get(device)
            .and_then(|device| device.client_id.clone());
        let named = match (rest.next(), action) {
            (Some(word), _) => word.text.clone(),
            // `device a may connect`: as itself.
            (None, thingwire_policy::Action::Connect) if own_client.is_some() => {
                own_client.unwrap_or_default()
            }
            (None, thingwire_policy::Action::ListRetainedMessages) => "*".to_owned(),
            (None, _) => {
                return self.fail(
                    verb.column,
                    format!("`{}` needs a resource, such as a topic", verb.text),
                );
            }
        };
        let topic = match (rest.next(), rest.next(), rest.next()) {
            (None, ..) => None,
            (Some(word), Some(topic), None) if word.text == "topic" => Some(topic.text.clone()),
            (Some(word), ..) => {
                return self.fail(
                    word.column,
                    format!(
                        "`{}` is too much; only `topic TOPIC` may follow the resource, and what has spaces needs double quotes",
                        word.text
                    ),
                );
            }
        };
        let words: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        self.suite.expectations.push(Expectation {
            line: self.line,
            device,
            expected,
            action,
            resource: resource::named(action, &named),
            topic,
            text: words.join(" "),
        });
        Ok(())
    }

    /// One indented line.
    fn property(&mut self, index: usize, replaced: bool, words: &[Word]) -> Result<(), SuiteError> {
        let line = self.line;
        let column = words.first().map_or(1, |word| word.column);
        let fail = |message: String| {
            Err(SuiteError {
                line,
                column,
                message,
            })
        };
        let Some(device) = self.suite.devices.get_mut(index) else {
            return fail("there is no device here".into());
        };
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        match texts.as_slice() {
            ["client", "none"] => device.client_id = None,
            ["client", id] => {
                // The usual thing has the name of the usual client; a client of another name must say its thing.
                device.client_id = Some((*id).to_owned());
                if !replaced {
                    device.things = Vec::from([Thing::attached(id)]);
                }
            }
            ["thing", "none"] => {
                device.things.clear();
                self.described = Some((index, true));
            }
            ["thing", name] | ["thing", name, "attached"] => {
                thing(device, replaced, Thing::attached(name));
                self.described = Some((index, true));
            }
            ["thing", name, "unattached"] => {
                let one = Thing {
                    attached: false,
                    ..Thing::attached(name)
                };
                thing(device, replaced, one);
                self.described = Some((index, true));
            }
            ["thing", name, "exclusive"] => {
                let one = Thing {
                    exclusive: true,
                    ..Thing::attached(name)
                };
                thing(device, replaced, one);
                self.described = Some((index, true));
            }
            ["type", name] => match device.things.last_mut() {
                Some(thing) => thing.type_name = Some((*name).to_owned()),
                None => return fail("a type belongs to a thing, and this device has none".into()),
            },
            ["attribute", name, value] => match device.things.last_mut() {
                Some(thing) => thing
                    .attributes
                    .push(((*name).to_owned(), (*value).to_owned())),
                None => {
                    return fail(
                        "an attribute belongs to a thing, and this device has none".into(),
                    );
                }
            },
            ["over", "mqtt"] => device.mqtt = true,
            ["over", "https"] => device.mqtt = false,
            ["certificate", id] => device.certificate_id = Some((*id).to_owned()),
            ["serial", number] => device.serial_number = Some((*number).to_owned()),
            [holder @ ("subject" | "issuer"), name, value] => {
                let Some(attribute) = certificate_attribute(name) else {
                    return fail(format!(
                        "policies know no certificate attribute `{name}`; one is `CommonName`"
                    ));
                };
                let pair = (attribute.to_owned(), (*value).to_owned());
                if *holder == "subject" {
                    device.subject.push(pair);
                } else {
                    device.issuer.push(pair);
                }
            }
            ["address", address] => match address.parse() {
                Ok(address) => device.source_ip = Some(address),
                Err(_) => return fail(format!("`{address}` is no IP address")),
            },
            ["domain", name] => device.domain_name = Some((*name).to_owned()),
            ["persistent"] => device.persistent = true,
            ["will", topic] => device.last_will_topic = Some((*topic).to_owned()),
            ["policy", file] => device.policies.push((*file).to_owned()),
            [word, ..] => {
                return fail(format!(
                    "`{word}` with these words describes no device; known are `client ID`, `thing NAME [unattached|exclusive]`, `type NAME`, `attribute NAME VALUE`, `certificate ID`, `serial NUMBER`, `subject NAME VALUE`, `issuer NAME VALUE`, `address IP`, `domain NAME`, `persistent`, `will TOPIC`, `over https`, `policy FILE`"
                ));
            }
            [] => {}
        }
        Ok(())
    }

    /// The words of a line; a word in double quotes may have spaces, and `\"` and `\\` in it.
    fn words(&self, line: &str) -> Result<Vec<Word>, SuiteError> {
        let mut words = Vec::new();
        let mut characters = line.chars().zip(1_usize..).peekable();
        while let Some((character, column)) = characters.next() {
            if character.is_whitespace() {
                continue;
            }
            if character == '#' && words.is_empty() {
                return Ok(words);
            }
            let mut text = String::new();
            if character == '"' {
                let mut closed = false;
                while let Some((character, column)) = characters.next() {
                    match character {
                        '"' => {
                            closed = true;
                            break;
                        }
                        '\\' => match characters.next() {
                            Some((escaped @ ('"' | '\\'), _)) => text.push(escaped),
                            _ => {
                                return self.fail(
                                    column,
                                    "inside double quotes, a `\\` stands before `\"` or `\\`",
                                );
                            }
                        },
                        character => text.push(character),
                    }
                }
                if !closed {
                    return self.fail(column, "a double quote that is never closed");
                }
                if characters
                    .peek()
                    .is_some_and(|(next, _)| !next.is_whitespace())
                {
                    return self.fail(column, "a space is needed behind the closing double quote");
                }
            } else {
                text.push(character);
                while let Some((next, _)) = characters.next_if(|(next, _)| !next.is_whitespace()) {
                    text.push(next);
                }
            }
            words.push(Word { text, column });
        }
        Ok(words)
    }
}

/// The first thing that is named replaces the usual one.
fn thing(device: &mut Device, replaced: bool, thing: Thing) {
    if !replaced {
        device.things.clear();
    }
    device.things.push(thing);
}
