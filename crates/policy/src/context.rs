//! What is known of a connection: the values that variables and condition keys take (`C-36` to `C-44`).

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::net::IpAddr;

use thingwire_contract::Partition;

use crate::error::Quoted;
use crate::holder::{CertificateHolder, is_substituted};
use crate::key::{Key, Selector};
use crate::settings::Settings;

/// What is known of one connection. Fill in what there is; what is `None` or empty has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The cloud's partition, for ARNs.
    pub partition: Partition,
    /// The cloud's region.
    pub region: String,
    /// The cloud's account id.
    pub account: String,
    /// Whether this is an MQTT connection; thing variables have values only then (`C-40`).
    pub mqtt: bool,
    /// Client identifier.
    pub client_id: Option<String>,
    /// Id of the certificate that proved the connection.
    pub certificate_id: Option<String>,
    /// Serial number of the certificate, as the certificate's text form has it.
    pub certificate_serial_number: Option<String>,
    /// Subject of the certificate.
    pub subject: CertificateHolder,
    /// Issuer of the certificate.
    pub issuer: CertificateHolder,
    /// Address of the client.
    pub source_ip: Option<IpAddr>,
    /// The domain it asked for (SNI).
    pub domain_name: Option<String>,
    /// The things that the certificate is attached to, and the thing with the name of the client id, if any.
    pub things: Vec<Thing>,
    /// `PersistentConnect` is a connect attribute (`C-37`).
    pub persistent: bool,
    /// The topic of the Will; `LastWill` is a connect attribute exactly if there is one (`C-37`).
    pub last_will_topic: Option<String>,
}

/// A thing of the registry, as seen from one certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thing {
    /// Its name.
    pub name: String,
    /// Its type.
    pub type_name: Option<String>,
    /// Its attributes, name and value.
    pub attributes: Vec<(String, String)>,
    /// Whether the certificate is attached to it.
    pub attached: bool,
    /// Whether the attachment is exclusive (`C-54`).
    pub exclusive: bool,
}

impl Thing {
    /// A thing with nothing but a name, that the certificate is attached to.
    #[must_use]
    pub fn attached(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            attached: true,
            ..Self::default()
        }
    }
}

/// Why a key has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// No such key.
    Unknown,
    /// The caller gave none.
    NotGiven,
    /// `C-40`: not an MQTT connection.
    NotMqtt,
    /// `C-41`: no thing belongs to the connection.
    NoThing,
    /// The thing has no such attribute, or no type.
    ThingHasNone,
    /// `C-43`: the certificate has no such value.
    CertificateHasNone,
    /// `C-44`: the value has characters that are not substituted, or is too long.
    NotSubstituted,
    /// `C-37`: several values cannot be a variable.
    Multivalued,
}

impl Context {
    /// A connection of which nothing is known, to the cloud of this region and account.
    #[must_use]
    pub fn new(region: &str, account: &str) -> Self {
        Self {
            partition: Partition::of_region(region),
            region: region.to_owned(),
            account: account.to_owned(),
            mqtt: true,
            client_id: None,
            certificate_id: None,
            certificate_serial_number: None,
            subject: CertificateHolder::default(),
            issuer: CertificateHolder::default(),
            source_ip: None,
            domain_name: None,
            things: Vec::new(),
            persistent: false,
            last_will_topic: None,
        }
    }

    /// The beginning of every ARN of the cloud: `arn:aws:iot:us-east-1:123456789012:`.
    #[must_use]
    pub fn arn_prefix(&self) -> String {
        format!(
            "arn:{}:iot:{}:{}:",
            self.partition.name(),
            self.region,
            self.account
        )
    }

    /// The thing of the connection (`C-41`): the one the certificate is exclusively attached to, else the one
    /// that is named like the client id and that the certificate is attached to.
    #[must_use]
    pub fn thing(&self) -> Option<&Thing> {
        let attached = || self.things.iter().filter(|thing| thing.attached);
        attached()
            .find(|thing| thing.exclusive)
            .or_else(|| attached().find(|thing| Some(&thing.name) == self.client_id.as_ref()))
    }

    /// What the variable `${name}` becomes on this connection (`C-39` to `C-44`), with the default [`Settings`].
    ///
    /// # Errors
    /// Why it has no value, in words (`C-45`).
    pub fn variable(&self, name: &str) -> Result<String, String> {
        let key = Key::of_variable(name);
        self.substitute(&key, &Settings::default())
            .map_err(|absent| self.reason(&key, absent))
    }

    /// The values of a key of the connection; the reason if there are none.
    pub(crate) fn values(&self, key: &Key, settings: &Settings) -> Result<Vec<String>, Absent> {
        let one = |value: Option<&String>| {
            value
                .map(|value| Vec::from([value.clone()]))
                .ok_or(Absent::NotGiven)
        };
        match key {
            Key::ClientId => one(self.client_id.as_ref()),
            Key::DomainName => one(self.domain_name.as_ref()),
            Key::CertificateId => one(self.certificate_id.as_ref()),
            Key::CertificateSerialNumber => one(self.certificate_serial_number.as_ref()),
            // An IPv4 client of a dual-stack listener is an IPv4 client.
            Key::SourceIp => one(self
                .source_ip
                .map(|address| address.to_canonical().to_string())
                .as_ref()),
            Key::ThingName => self.of_thing(settings, |thing| Some(&thing.name)),
            Key::ThingTypeName => self.of_thing(settings, |thing| thing.type_name.as_ref()),
            Key::Attribute(name) => self.of_thing(settings, |thing| {
                thing
                    .attributes
                    .iter()
                    .find(|(attribute, _)| attribute == name)
                    .map(|(_, value)| value)
            }),
            Key::IsAttached if !self.mqtt && !settings.thing_variables_outside_mqtt => {
                Err(Absent::NotMqtt)
            }
            Key::IsAttached => Ok(Vec::from([self.thing().is_some().to_string()])),
            Key::Subject(attribute, selector) => {
                self.subject.select(attribute, *selector, settings)
            }
            Key::Issuer(attribute, selector) => self.issuer.select(attribute, *selector, settings),
            Key::AvailableKeys => present(self.available_keys(), Absent::CertificateHasNone),
            Key::ConnectAttributes => present(self.connect_attributes(), Absent::NotGiven),
            Key::LastWillTopic => one(self
                .last_will_topic
                .as_ref()
                .map(|topic| self.topic_arn(topic))
                .as_ref()),
            Key::Topic | Key::IncludeSocketInformation => Err(Absent::NotGiven),
            Key::Unknown(_) => Err(Absent::Unknown),
        }
    }

    /// The value of a variable (`C-39` to `C-44`).
    pub(crate) fn substitute(&self, key: &Key, settings: &Settings) -> Result<String, Absent> {
        match key {
            Key::ConnectAttributes
            | Key::AvailableKeys
            | Key::Subject(_, Selector::List)
            | Key::Issuer(_, Selector::List) => return Err(Absent::Multivalued),
            _ => {}
        }
        let value = self
            .values(key, settings)?
            .into_iter()
            .next()
            .ok_or(Absent::NotGiven)?;
        let refused = matches!(
            key,
            Key::Subject(..) | Key::Issuer(..) | Key::CertificateSerialNumber
        ) && !is_substituted(&value);
        if refused {
            Err(Absent::NotSubstituted)
        } else {
            Ok(value)
        }
    }

    fn of_thing<'a>(
        &'a self,
        settings: &Settings,
        value: impl Fn(&'a Thing) -> Option<&'a String>,
    ) -> Result<Vec<String>, Absent> {
        if !self.mqtt && !settings.thing_variables_outside_mqtt {
            return Err(Absent::NotMqtt);
        }
        let thing = self.thing().ok_or(Absent::NoThing)?;
        value(thing)
            .map(|value| Vec::from([value.clone()]))
            .ok_or(Absent::ThingHasNone)
    }

    fn connect_attributes(&self) -> Vec<String> {
        let persistent = self.persistent.then(|| "PersistentConnect".to_owned());
        let last_will = self
            .last_will_topic
            .is_some()
            .then(|| "LastWill".to_owned());
        persistent.into_iter().chain(last_will).collect()
    }

    fn available_keys(&self) -> Vec<String> {
        let names = |holder: &'static str, of: &CertificateHolder| {
            of.attributes()
                .map(move |attribute| format!("iot:Certificate.{holder}.{attribute}"))
                .collect::<Vec<_>>()
        };
        let mut keys = names("Subject", &self.subject);
        keys.extend(names("Issuer", &self.issuer));
        if self.certificate_serial_number.is_some() {
            keys.push("iot:Certificate.SerialNumber".to_owned());
        }
        keys
    }

    fn topic_arn(&self, topic: &str) -> String {
        format!("{}topic/{topic}", self.arn_prefix())
    }

    /// The reason in words, for people who do not know the rules.
    pub(crate) fn reason(&self, key: &Key, absent: Absent) -> String {
        match absent {
            Absent::Unknown => "AWS IoT has no variable of that name".to_owned(),
            Absent::NotGiven => "the connection has none".to_owned(),
            Absent::NotMqtt => "thing variables have values on MQTT connections only".to_owned(),
            Absent::NoThing => self.why_no_thing(),
            Absent::ThingHasNone => {
                let thing = self.thing().map_or("", |thing| &thing.name);
                match key {
                    Key::ThingTypeName => format!("thing {} has no thing type", Quoted(thing)),
                    Key::Attribute(name) => format!("thing {} has no attribute {}", Quoted(thing), Quoted(name)),
                    _ => format!("thing {} has none", Quoted(thing)),
                }
            }
            Absent::CertificateHasNone => "the certificate has no such value".to_owned(),
            Absent::NotSubstituted => {
                "the certificate's value has one of `* $ + ? #` in it, or is longer than 1024 characters".to_owned()
            }
            Absent::Multivalued => "a key with several values cannot be used as a variable".to_owned(),
        }
    }

    /// `C-41`, told from the registry's point of view.
    fn why_no_thing(&self) -> String {
        let Some(client_id) = &self.client_id else {
            return "the connection has no client id".to_owned();
        };
        if self
            .things
            .iter()
            .any(|thing| &thing.name == client_id && !thing.attached)
        {
            return format!(
                "the certificate is not attached to thing {}",
                Quoted(client_id)
            );
        }
        let attached: Vec<String> = self
            .things
            .iter()
            .filter(|thing| thing.attached)
            .map(|thing| Quoted(&thing.name).to_string())
            .collect();
        let to = if attached.is_empty() {
            "no thing".to_owned()
        } else {
            attached.join(", ")
        };
        format!(
            "client id {} is not the name of a thing that the certificate is attached to (it is attached to {to})",
            Quoted(client_id)
        )
    }
}

fn present(values: Vec<String>, absent: Absent) -> Result<Vec<String>, Absent> {
    if values.is_empty() {
        Err(absent)
    } else {
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(context: &Context, name: &str) -> Result<String, Absent> {
        context.substitute(&Key::of_variable(name), &Settings::default())
    }

    fn with_things(client_id: &str, things: &[(&str, bool, bool)]) -> Context {
        let mut context = Context::new("us-east-1", "123456789012");
        context.client_id = Some(client_id.into());
        for (name, attached, exclusive) in things {
            context.things.push(Thing {
                name: (*name).into(),
                attached: *attached,
                exclusive: *exclusive,
                ..Thing::default()
            });
        }
        context
    }

    #[test]
    fn the_thing_of_a_connection() {
        // C-41, C-53
        let name = |client_id, things: &[_]| {
            value(
                &with_things(client_id, things),
                "iot:Connection.Thing.ThingName",
            )
            .ok()
        };
        assert_eq!(name("a", &[("a", true, false)]).as_deref(), Some("a"));
        assert_eq!(
            name("b", &[("a", true, false)]),
            None,
            "client id is not the thing's name"
        );
        assert_eq!(name("a", &[("a", false, false)]), None, "not attached");
        assert_eq!(
            name("b", &[("a", true, true)]).as_deref(),
            Some("a"),
            "exclusive: whatever the client id"
        );
        assert_eq!(
            name("A", &[("a", true, false)]),
            None,
            "names are compared exactly"
        );
    }

    /// `C-41`: for people who wonder why the variable has no value.
    #[test]
    fn why_a_connection_has_no_thing() {
        let why = |client_id, things: &[_]| with_things(client_id, things).why_no_thing();
        let attached_elsewhere = why("a", &[("a", false, false), ("b", true, false)]);
        assert_eq!(
            attached_elsewhere,
            "the certificate is not attached to thing `a`"
        );
        let no_such_thing = why("a", &[("c", false, false), ("b", true, false)]);
        assert!(
            no_such_thing.ends_with("(it is attached to `b`)"),
            "{no_such_thing}"
        );
        let nothing = why("a", &[]);
        assert!(
            nothing.ends_with("(it is attached to no thing)"),
            "{nothing}"
        );
    }

    /// `C-42`: each attribute once, under its key; a serial number where there is one.
    #[test]
    fn the_keys_that_a_certificate_has() {
        let mut context = with_things("a", &[]);
        assert_eq!(context.available_keys(), Vec::<String>::new());
        for unit in ["one", "two"] {
            context.subject.add("OrganizationalUnit", unit);
        }
        context.issuer.add("CommonName", "root");
        context.certificate_serial_number = Some("7".into());
        assert_eq!(
            context.available_keys(),
            [
                "iot:Certificate.Subject.OrganizationalUnit",
                "iot:Certificate.Issuer.CommonName",
                "iot:Certificate.SerialNumber"
            ]
        );
    }

    #[test]
    fn is_attached_is_true_or_false_on_mqtt() {
        // C-40
        let mut context = with_things("a", &[("a", false, false)]);
        assert_eq!(
            value(&context, "iot:Connection.Thing.IsAttached").as_deref(),
            Ok("false")
        );
        context.things.push(Thing::attached("a"));
        assert_eq!(
            value(&context, "iot:Connection.Thing.IsAttached").as_deref(),
            Ok("true")
        );
        context.mqtt = false;
        assert_eq!(
            value(&context, "iot:Connection.Thing.IsAttached"),
            Err(Absent::NotMqtt)
        );
        assert_eq!(
            value(&context, "iot:Connection.Thing.ThingName"),
            Err(Absent::NotMqtt)
        );
    }

    #[test]
    fn certificate_values() {
        // C-42 to C-44
        let mut context = Context::new("us-east-1", "123456789012");
        for organization in ["one", "two", "three", "four", "five", "six"] {
            context.subject.add("Organization", organization);
        }
        context.subject.add("CommonName", "a+b");
        context.subject.add("Title", "A, B; C");
        context.subject.add("Surname", &"x".repeat(1025));
        context.subject.add("ShoeSize", "44");
        let get = |name: &str| value(&context, &format!("iot:Certificate.Subject.{name}"));
        assert_eq!(get("Organization").as_deref(), Ok("one"));
        assert_eq!(get("Organization.0").as_deref(), Ok("one"));
        assert_eq!(get("Organization.1").as_deref(), Ok("two"));
        assert_eq!(get("Organization.4").as_deref(), Ok("five"));
        assert_eq!(
            get("Organization.5"),
            Err(Absent::CertificateHasNone),
            "five values are considered"
        );
        assert_eq!(get("Organization.List"), Err(Absent::Multivalued));
        assert_eq!(get("CommonName"), Err(Absent::NotSubstituted));
        assert_eq!(get("Title").as_deref(), Ok("A\\, B\\; C"));
        assert_eq!(get("Surname"), Err(Absent::NotSubstituted));
        assert_eq!(get("ShoeSize"), Err(Absent::Unknown));
        let zero = Settings {
            no_index_zero: true,
            ..Settings::default()
        };
        let key = Key::of_variable("iot:Certificate.Subject.Organization.0");
        assert_eq!(
            context.substitute(&key, &zero),
            Err(Absent::CertificateHasNone)
        );
    }

    #[test]
    fn a_variable_has_a_value_or_a_reason() {
        // C-39, C-45
        let context = with_things("thing1", &[("thing1", true, false)]);
        assert_eq!(
            context.variable("iot:Connection.Thing.ThingName"),
            Ok("thing1".into())
        );
        assert_eq!(
            context.variable("iot:Oops"),
            Err("AWS IoT has no variable of that name".into())
        );
    }

    #[test]
    fn an_ipv4_client_looks_the_same_on_a_dual_stack_listener() {
        let mut context = Context::new("us-east-1", "123456789012");
        context.source_ip = "::ffff:192.0.2.7".parse().ok();
        assert_eq!(value(&context, "aws:SourceIp").as_deref(), Ok("192.0.2.7"));
    }

    #[test]
    fn reasons_name_the_way_out() {
        let reason = |context: &Context| context.reason(&Key::ThingName, Absent::NoThing);
        assert_eq!(
            reason(&with_things("other", &[("thing1", true, false)])),
            "client id `other` is not the name of a thing that the certificate is attached to (it is attached to `thing1`)"
        );
        assert_eq!(
            reason(&with_things("thing1", &[("thing1", false, false)])),
            "the certificate is not attached to thing `thing1`"
        );
    }

    #[test]
    fn the_longest_value_that_is_substituted_is_measured_in_the_certificate() {
        // C-44: the back-slash is ours and does not count.
        let with = |text: &str| {
            let mut context = Context::new("us-east-1", "123456789012");
            context.subject.add("CommonName", text);
            value(&context, "iot:Certificate.Subject.CommonName")
        };
        let longest = format!("\\,{}", "v".repeat(1022));
        assert_eq!(with(&longest), Ok(format!("\\\\\\,{}", "v".repeat(1022))));
        assert_eq!(with(&format!("{longest}v")), Err(Absent::NotSubstituted));
    }
}
