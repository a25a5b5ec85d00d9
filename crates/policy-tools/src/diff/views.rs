//! The connections for which two policies are compared.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use thingwire_policy::{Context, Thing};

use crate::expectations::certificate_attribute;
use crate::glob::{Glob, Token};
use crate::policy::{ConditionPart, Policy};

/// Connections that are tried at most; policies of 2048 characters ask for fewer.
const VIEWS: usize = 48;

/// A connection and what people call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// In words.
    pub name: String,
    /// What is known of it.
    pub context: Context,
    /// `iot:Topic`, for direct messages.
    pub topic: Option<String>,
}

/// The connections to try: the given one, the same without its thing, and one for each value that a condition of
/// these policies asks for.
#[must_use]
pub fn views<'p>(base: &Context, policies: impl IntoIterator<Item = &'p Policy>) -> Vec<View> {
    let view = |name: &str, context: Context| View {
        name: name.into(),
        context,
        topic: None,
    };
    let mut unattached = base.clone();
    for thing in &mut unattached.things {
        thing.attached = false;
    }
    let mut views = Vec::from([
        view("a device attached to its thing", base.clone()),
        view("a device that is not attached to its thing", unattached),
    ]);
    let mut everything = view(
        "a device for which all conditions hold that can",
        base.clone(),
    );
    for policy in policies {
        for condition in policy
            .statements
            .iter()
            .flat_map(|statement| &statement.conditions)
        {
            for value in &condition.values {
                let Some(value) = example(&value.text, base) else {
                    continue;
                };
                let mut one = view(
                    &format!("a device with {} `{value}`", condition.key),
                    base.clone(),
                );
                if put(&mut one, condition, &value)
                    && !views.iter().any(|known| known.name == one.name)
                {
                    views.push(one);
                    put(&mut everything, condition, &value);
                }
            }
        }
    }
    if views.len() > 2 {
        views.push(everything);
    }
    views.truncate(VIEWS);
    views
}

/// A text that a condition's value stands for.
fn example(value: &str, base: &Context) -> Option<String> {
    let resolved = Glob::parse(value).resolve(base).ok()?;
    Some(
        resolved
            .tokens
            .iter()
            .map(|token| match token {
                Token::Char(character) => *character,
                _ => 'x',
            })
            .collect(),
    )
}

/// Gives a connection the value of a condition's key; `false` if it is not one of a connection's own.
fn put(view: &mut View, condition: &ConditionPart, value: &str) -> bool {
    let context = &mut view.context;
    let key = condition.key.to_ascii_lowercase();
    let text = || Some(String::from(value));
    match key.as_str() {
        "iot:clientid" => {
            // The thing goes with the client, as it does for most devices.
            context.client_id = text();
            context.things = Vec::from([Thing {
                name: value.into(),
                ..context.things.first().cloned().unwrap_or_default()
            }]);
        }
        "iot:domainname" => context.domain_name = text(),
        "iot:certificateid" => context.certificate_id = text(),
        "iot:certificate.serialnumber" => context.certificate_serial_number = text(),
        "aws:sourceip" => {
            let address = value
                .split('/')
                .next()
                .and_then(|address| address.parse().ok());
            if address.is_none() {
                return false;
            }
            context.source_ip = address;
        }
        "iot:connectattributes" => match value {
            "PersistentConnect" => context.persistent = true,
            "LastWill" => {
                context.last_will_topic.get_or_insert_with(|| "will".into());
            }
            _ => return false,
        },
        "iot:lastwilltopic" => {
            let topic = value
                .split_once(":topic/")
                .map(|(_, topic)| String::from(topic));
            if topic.is_none() {
                return false;
            }
            context.last_will_topic = topic;
        }
        "iot:topic" => view.topic = text(),
        "iot:connection.thing.thingtypename" => {
            let Some(thing) = context.things.first_mut() else {
                return false;
            };
            thing.type_name = text();
        }
        _ => return put_named(context, &condition.key, value),
    }
    true
}

/// Attributes of the thing and of the certificate.
fn put_named(context: &mut Context, key: &str, value: &str) -> bool {
    const ATTRIBUTES: &str = "iot:Connection.Thing.Attributes[";
    if let Some((start, rest)) = key.split_at_checked(ATTRIBUTES.len())
        && start.eq_ignore_ascii_case(ATTRIBUTES)
        && let Some(name) = rest.strip_suffix(']')
        && let Some(thing) = context.things.first_mut()
    {
        thing.attributes.retain(|(known, _)| known != name);
        thing.attributes.push((name.into(), value.into()));
        return true;
    }
    for (holder, start) in [
        (&mut context.subject, "iot:Certificate.Subject."),
        (&mut context.issuer, "iot:Certificate.Issuer."),
    ] {
        let Some((begin, rest)) = key.split_at_checked(start.len()) else {
            continue;
        };
        if !begin.eq_ignore_ascii_case(start) {
            continue;
        }
        let (name, before) = match rest.rsplit_once('.') {
            Some((name, "List" | "list")) => (name, 0),
            Some((name, index)) if index.bytes().all(|digit| digit.is_ascii_digit()) => {
                (name, index.parse().unwrap_or(0))
            }
            _ => (rest, 0_usize),
        };
        let Some(attribute) = certificate_attribute(name) else {
            return false;
        };
        // C-43: `.N` is the value after N others; five count (C-44).
        for _ in 0..before.min(4) {
            holder.add(attribute, "x");
        }
        holder.add(attribute, value);
        return true;
    }
    false
}
