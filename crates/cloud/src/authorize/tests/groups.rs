//! Policies of thing groups: whose they are, and from when on (`C-8`, `C-41`, `C-54`).

use std::collections::BTreeMap;

use thingwire_broker::{Action, Authorize, Decision};

use super::{EXCLUSIVE, NOW, PLAIN, World};
use crate::registry::GroupChange;

/// Allows everything under `<name>/`, and to connect under any name.
fn allows(name: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Action":"iot:Publish","Resource":"arn:aws:iot:us-east-1:123456789012:topic/{name}/*"}},
            {{"Effect":"Allow","Action":"iot:Connect","Resource":"*"}}]}}"#
    )
}

/// `site` above `hall` above `lamps`, and `spare` beside them; each with a policy of its name.
fn world() -> World {
    let world = World::new();
    let registry = &world.registry;
    for (name, parent) in [
        ("site", None),
        ("hall", Some("site")),
        ("lamps", Some("hall")),
        ("spare", None),
    ] {
        registry
            .create_thing_group(name, parent, GroupChange::default(), BTreeMap::new(), NOW)
            .expect("a group");
        registry
            .create_policy(name, &allows(name), NOW)
            .expect("a policy");
        let arn = registry.place().thing_group_arn(name);
        registry.attach_policy(name, &arn).expect("attached");
    }
    world
}

impl World {
    /// The groups whose topics a client may publish to.
    fn may(&self, id: &str, client_id: &str) -> Vec<&'static str> {
        ["site", "hall", "lamps", "spare"]
            .into_iter()
            .filter(|name| {
                let topic = format!("{name}/1");
                self.decide(id, client_id, Action::Publish, &topic) == Decision::Allow
            })
            .collect()
    }

    fn enter(&self, thing: &str, group: &str) {
        self.registry
            .update_thing_groups_for_thing(thing, &[group], &[])
            .expect("added");
    }
}

/// `C-8`: a thing's client has the policies of the thing's groups and of all their ancestors, and not those below or beside.
#[test]
fn a_group_and_its_ancestors() {
    let world = world();
    let id = world.device("seed", &[("thing1", PLAIN)]);
    assert!(world.may(&id, "thing1").is_empty());
    world.enter("thing1", "hall");
    assert_eq!(world.may(&id, "thing1"), ["site", "hall"]);
    world.enter("thing1", "spare");
    assert_eq!(world.may(&id, "thing1"), ["site", "hall", "spare"]);
}

/// `C-8`, `C-41`, `C-54`: only for a client that is the thing, by its name and attachment or by an exclusive attachment.
#[test]
fn only_for_the_thing_itself() {
    let world = world();
    world.enter("thing1", "lamps");
    let plain = world.device("seed", &[("thing1", PLAIN), ("thing2", PLAIN)]);
    let stranger = world.device("seed", &[("thing2", PLAIN)]);
    let exclusive = world.device("seed", &[("thing1", EXCLUSIVE)]);
    for (id, client_id, is_the_thing) in [
        (&plain, "thing1", true),
        (&plain, "thing2", false),
        (&plain, "other", false),
        (&stranger, "thing1", false),
        (&exclusive, "thing1", true),
        (&exclusive, "session-42", true),
    ] {
        let expected: &[&str] = if is_the_thing {
            &["site", "hall", "lamps"]
        } else {
            &[]
        };
        assert_eq!(world.may(id, client_id), expected, "{client_id}");
    }
}

/// `C-8`, `C-10`: a group's policy alone lets a certificate without policies in; a Deny of an ancestor overrides the
/// certificate's Allow, and the refusal names it.
#[test]
fn groups_allow_and_deny() {
    let world = world();
    world.enter("thing1", "lamps");
    let bare = world.certificate(rcgen::CertificateParams::default());
    let registry = &world.registry;
    let arn = registry.place().certificate_arn(&bare);
    registry
        .attach_thing_principal("thing1", &arn, PLAIN)
        .expect("attached");
    assert!(world.connects(&bare, "thing1"));
    assert!(!world.connects(&bare, "thing2"));

    let deny = allows("esp32").replace("Allow", "Deny");
    registry
        .create_policy("quiet", &deny, NOW)
        .expect("a policy");
    let id = world.device("seed", &[("thing1", PLAIN)]);
    assert!(world.connects(&id, "thing1"));
    let site = registry.place().thing_group_arn("site");
    registry.attach_policy("quiet", &site).expect("attached");
    let why = world.why_not(&id, "thing1", Action::Publish, "esp32/pub");
    assert!(why.contains("policy `quiet`"), "{why}");
}

/// `C-11`: whatever changes the groups of a thing with clients, or the policies of these groups, counts at once.
#[test]
fn a_change_of_groups_takes_effect_at_once() {
    let world = world();
    let id = world.device("seed", &[("thing1", PLAIN)]);
    let registry = &world.registry;
    let mut generation = world.authorizer.generation();
    let mut step = |what: &str, change: &dyn Fn(), may: &[&str]| {
        change();
        assert!(world.authorizer.generation() > generation, "{what}");
        generation = world.authorizer.generation();
        assert_eq!(world.may(&id, "thing1"), may, "{what}");
    };
    let hall = registry.place().thing_group_arn("hall");
    step(
        "into a group",
        &|| world.enter("thing1", "lamps"),
        &["site", "hall", "lamps"],
    );
    step(
        "detach from an ancestor",
        &|| registry.detach_policy("hall", &hall).expect("detached"),
        &["site", "lamps"],
    );
    step(
        "attach to an ancestor",
        &|| registry.attach_policy("spare", &hall).expect("attached"),
        &["site", "lamps", "spare"],
    );
    step(
        "delete the group",
        &|| registry.delete_thing_group("lamps", None).expect("deleted"),
        &[],
    );
    step(
        "into another",
        &|| world.enter("thing1", "hall"),
        &["site", "spare"],
    );
    step(
        "out of it",
        &|| {
            registry
                .update_thing_groups_for_thing("thing1", &[], &["hall"])
                .expect("removed")
        },
        &[],
    );

    // A thing without certificates, and what people write about a group, decide nothing.
    let generation = world.authorizer.generation();
    world.enter("thing2", "hall");
    registry
        .update_thing_group("hall", GroupChange::default(), None)
        .expect("updated");
    assert_eq!(world.authorizer.generation(), generation);
}
