//! The seed's policy against a real registry: who may do what, and what a refusal says (`C-51`, vectors V001 to V008).

mod groups;

use std::collections::BTreeMap;
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair, SanType};
use thingwire_broker::{Action, Authorize, Client, Decision};
use thingwire_store::faults::Disk;
use thingwire_store::{RedbStore, Store, Write};

use super::{Authorizer, PLAINTEXT_PRINCIPAL};
use crate::pki;
use crate::registry::{
    AttachmentType, CertificateMode, CertificateStatus, NewCertificate, Place, Registry, Timestamp,
};

const NOW: Timestamp = Timestamp(1_795_000_000_000);

/// The seed's policy, with the placeholders replaced (`C-50`).
const SEED: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":"iot:Connect",
     "Resource":"arn:aws:iot:us-east-1:123456789012:client/${iot:Connection.Thing.ThingName}"},
    {"Effect":"Allow","Action":"iot:Subscribe",
     "Resource":"arn:aws:iot:us-east-1:123456789012:topicfilter/esp32/sub"},
    {"Effect":"Allow","Action":"iot:Receive",
     "Resource":"arn:aws:iot:us-east-1:123456789012:topic/esp32/sub"},
    {"Effect":"Allow","Action":"iot:Publish",
     "Resource":"arn:aws:iot:us-east-1:123456789012:topic/esp32/pub"}]}"#;

struct World {
    store: Arc<RedbStore>,
    registry: Arc<Registry>,
    authorizer: Authorizer,
}

impl World {
    /// A registry with the seed's policy, and things `thing1` and `thing2`.
    fn new() -> Self {
        let place = Place {
            region: "us-east-1".to_owned(),
            account_id: "123456789012".to_owned(),
        };
        let store = Arc::new(RedbStore::with_backend(Disk::new()).expect("a store"));
        let same = Arc::clone(&store) as Arc<dyn Store>;
        let registry = Arc::new(Registry::open(same, place).expect("a registry"));
        registry.create_policy("seed", SEED, NOW).expect("a policy");
        for name in ["thing1", "thing2"] {
            registry
                .create_thing(name, BTreeMap::new())
                .expect("a thing");
        }
        Self {
            store,
            authorizer: Authorizer::new(Arc::clone(&registry)),
            registry,
        }
    }

    /// A new ACTIVE certificate; gives its id.
    fn certificate(&self, params: CertificateParams) -> String {
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        let info = pki::inspect(&pem).expect("a certificate");
        let new = NewCertificate {
            id: info.certificate_id,
            pem: info.pem,
            not_before: info.not_before,
            not_after: info.not_after,
            mode: CertificateMode::SniOnly,
        };
        let certificate = self
            .registry
            .register_certificate(new, CertificateStatus::Active, NOW);
        certificate.expect("registered").id.clone()
    }

    /// A new certificate with this policy, attached to these things.
    fn device(&self, policy: &str, things: &[(&str, AttachmentType)]) -> String {
        let id = self.certificate(CertificateParams::default());
        self.attach(policy, &id);
        for (thing, kind) in things {
            let arn = self.registry.place().certificate_arn(&id);
            self.registry
                .attach_thing_principal(thing, &arn, *kind)
                .expect("attached");
        }
        id
    }

    fn attach(&self, policy: &str, id: &str) {
        let arn = self.registry.place().certificate_arn(id);
        self.registry.attach_policy(policy, &arn).expect("attached");
    }

    fn decide(&self, id: &str, client_id: &str, action: Action, resource: &str) -> Decision {
        self.authorizer
            .permissions(&client(id, client_id))
            .decide(action, resource)
    }

    /// May a client of that id connect with this certificate?
    fn connects(&self, id: &str, client_id: &str) -> bool {
        self.decide(id, client_id, Action::Connect, client_id) == Decision::Allow
    }

    fn why_not(&self, id: &str, client_id: &str, action: Action, resource: &str) -> String {
        match self.decide(id, client_id, action, resource) {
            Decision::Deny(reason) => reason,
            Decision::Allow => panic!("{action:?} {resource} was allowed"),
        }
    }
}

fn client(principal: &str, client_id: &str) -> Client {
    Client {
        principal: principal.into(),
        client_id: client_id.into(),
        address: "192.0.2.7:50000".parse().expect("an address"),
        server_name: None,
        persistent: false,
        will_topic: None,
    }
}

const PLAIN: AttachmentType = AttachmentType::NonExclusiveThing;
const EXCLUSIVE: AttachmentType = AttachmentType::ExclusiveThing;

/// `C-41`: the thing that stands in a record, for each way to be attached.
#[test]
fn the_thing_of_a_connection_has_its_name_in_records() {
    let world = World::new();
    let plain = world.device("seed", &[("thing1", PLAIN)]);
    let exclusive = world.device("seed", &[("thing2", EXCLUSIVE)]);
    for (id, client_id, thing) in [
        (&plain, "thing1", Some("thing1")),
        (&plain, "thing2", None),
        (&exclusive, "session-42", Some("thing2")),
        (&"0".repeat(64), "thing1", None),
    ] {
        let name = world.authorizer.thing_name(&client(id, client_id));
        assert_eq!(name.as_deref(), thing, "{client_id}");
    }
}

/// V001: client id = name of a thing to which the certificate is attached; then exactly the seed's four permissions.
#[test]
fn v001_the_device_itself() {
    let world = World::new();
    let id = world.device("seed", &[("thing1", PLAIN)]);
    assert!(world.connects(&id, "thing1"));
    for (action, resource, allowed) in [
        (Action::Subscribe, "esp32/sub", true),
        (Action::Receive, "esp32/sub", true),
        (Action::Publish, "esp32/pub", true),
        (Action::RetainPublish, "esp32/pub", false),
        (Action::Publish, "esp32/sub", false),
        (Action::Subscribe, "esp32/pub", false),
        (Action::Subscribe, "esp32/#", false),
        (Action::Subscribe, "#", false),
        (Action::Receive, "esp32/pub", false),
        (Action::Publish, "esp32/pub/x", false),
        (Action::Publish, "ESP32/pub", false),
    ] {
        let decision = world.decide(&id, "thing1", action, resource);
        assert_eq!(
            decision == Decision::Allow,
            allowed,
            "{action:?} {resource}"
        );
    }
}

/// V002, V003, V004: another client id; a thing to which the certificate is not attached; no such thing. The reason says which.
#[test]
fn v002_to_v004_somebody_else() {
    let world = World::new();
    let id = world.device("seed", &[("thing1", PLAIN)]);
    for (client_id, reason) in [
        ("other", "`thing1`"),
        ("thing2", "not attached to thing `thing2`"),
        ("Thing1", "`Thing1`"),
        ("", "client"),
    ] {
        assert!(!world.connects(&id, client_id), "{client_id}");
        let why = world.why_not(&id, client_id, Action::Connect, client_id);
        assert!(why.contains("iot:Connect") && why.contains(reason), "{why}");
    }
}

/// `D-2`: events name the thing of an exclusive attachment and no other.
#[test]
fn d_2_only_an_exclusive_thing_is_named() {
    let world = World::new();
    let plain = world.device("seed", &[("thing1", PLAIN), ("thing2", PLAIN)]);
    let exclusive = world.device("seed", &[("thing2", EXCLUSIVE)]);
    let named = crate::start::exclusive_thing(Arc::clone(&world.registry));
    assert_eq!(named(&client(&plain, "thing1")), None);
    assert_eq!(
        named(&client(&exclusive, "thing1")),
        Some("thing2".to_owned())
    );
}

/// V005, V006, `C-53`: an exclusive attachment makes the thing known whatever the client id, which then still must be its name.
#[test]
fn v005_v006_an_exclusive_thing() {
    let world = World::new();
    let id = world.device("seed", &[("thing1", EXCLUSIVE)]);
    assert!(!world.connects(&id, "sess-42"));
    assert!(world.connects(&id, "thing1"));
    // Named like another thing, it is still the exclusive one.
    assert!(!world.connects(&id, "thing2"));
}

/// V007: the text of the variable as client id is not the variable.
#[test]
fn v007_the_variable_as_client_id() {
    let world = World::new();
    let id = world.device("seed", &[("thing1", PLAIN)]);
    assert!(!world.connects(&id, "${iot:Connection.Thing.ThingName}"));
    assert!(!world.connects(&id, "*"));
}

/// V008: a certificate attached to several things is each of them, by client id.
#[test]
fn v008_one_certificate_for_two_things() {
    let world = World::new();
    let id = world.device("seed", &[("thing1", PLAIN), ("thing2", PLAIN)]);
    assert!(world.connects(&id, "thing1") && world.connects(&id, "thing2"));
    assert!(!world.connects(&id, "thing3"));
}

/// `C-50`: with the placeholders left in, nothing matches.
#[test]
fn placeholders_left_in_deny_everything() {
    let world = World::new();
    let text = SEED.replace("us-east-1:123456789012", "REGION:ACCOUNT_ID");
    world
        .registry
        .create_policy("raw", &text, NOW)
        .expect("a policy");
    let id = world.device("raw", &[("thing1", PLAIN)]);
    assert!(!world.connects(&id, "thing1"));
}

/// `C-10`: a Deny of one policy overrides the Allow of another, and is named.
#[test]
fn a_deny_overrides() {
    let world = World::new();
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iot:Publish","Resource":"*"}]}"#;
    world
        .registry
        .create_policy("quiet", deny, NOW)
        .expect("a policy");
    let id = world.device("seed", &[("thing1", PLAIN)]);
    world.attach("quiet", &id);
    assert!(world.connects(&id, "thing1"));
    let why = world.why_not(&id, "thing1", Action::Publish, "esp32/pub");
    assert!(why.contains("`quiet`"), "{why}");
}

/// A stored policy that the engine cannot read denies everything, for it may hold a Deny; the reason names it.
#[test]
fn a_policy_that_cannot_be_read_denies_everything() {
    let world = World::new();
    let id = world.device("seed", &[("thing1", PLAIN)]);
    let policy = r#"{"format":1,"name":"odd","versions":{"1":{"document":"from the future","created":0}},
        "default_version":1,"next_version":2,"created":0,"modified":0,"generation_id":"g","sequence":99}"#;
    let attachment = format!("{id}/odd");
    let rows = [
        ("registry.policies", "odd", policy),
        (
            "registry.policy-attachments",
            &attachment,
            r#"{"format":1}"#,
        ),
    ];
    let batch = rows.map(|(table, key, value)| Write::Put {
        table,
        key: key.as_bytes().to_vec(),
        value: value.as_bytes().to_vec(),
    });
    assert!(world.connects(&id, "thing1"));
    world.store.commit(batch.to_vec()).expect("rows");
    let place = world.registry.place().clone();
    let reopened = Registry::open(world.store, place).expect("a registry");
    let authorizer = Authorizer::new(Arc::new(reopened));
    let decision = authorizer
        .permissions(&client(&id, "thing1"))
        .decide(Action::Connect, "thing1");
    assert!(
        matches!(&decision, Decision::Deny(why) if why.contains("policy `odd` cannot be read")),
        "{decision:?}"
    );
}

/// `C-11`: every change that matters raises the generation, and the next permissions know it.
#[test]
fn a_change_takes_effect_at_once() {
    let world = World::new();
    let id = world.device("seed", &[("thing1", PLAIN)]);
    let arn = world.registry.place().certificate_arn(&id);
    let registry = &world.registry;
    let mut generation = world.authorizer.generation();
    let mut step = |what: &str, change: &dyn Fn(), connects: bool| {
        change();
        assert!(world.authorizer.generation() > generation, "{what}");
        generation = world.authorizer.generation();
        assert_eq!(world.connects(&id, "thing1"), connects, "{what}");
    };
    step(
        "detach policy",
        &|| registry.detach_policy("seed", &arn).expect("detached"),
        false,
    );
    step(
        "attach policy",
        &|| registry.attach_policy("seed", &arn).expect("attached"),
        true,
    );
    step(
        "detach thing",
        &|| {
            registry
                .detach_thing_principal("thing1", &arn)
                .expect("detached")
        },
        false,
    );
    step(
        "attach thing",
        &|| {
            registry
                .attach_thing_principal("thing1", &arn, PLAIN)
                .expect("attached")
        },
        true,
    );
    let narrower = SEED.replace("client/", "client/x-");
    let version = || {
        registry
            .create_policy_version("seed", &narrower, true, NOW)
            .expect("a version")
    };
    step("new default version", &|| assert_eq!(version(), 2), false);
    step(
        "old default version",
        &|| {
            registry
                .set_default_policy_version("seed", 1, NOW)
                .expect("set")
        },
        true,
    );
    let status = |status| {
        registry
            .set_certificate_status(&id, status, NOW)
            .expect("set")
    };
    step("deactivate", &|| status(CertificateStatus::Inactive), false);
    step("activate", &|| status(CertificateStatus::Active), true);
    let why = |world: &World| world.why_not(&id, "thing1", Action::Connect, "thing1");
    status(CertificateStatus::Revoked);
    assert!(why(&world).contains("REVOKED"), "{}", why(&world));

    // What nobody is attached to decides nothing: clients keep their decisions while others are provisioned.
    let generation = world.authorizer.generation();
    registry
        .create_thing("new", BTreeMap::new())
        .expect("a thing");
    registry.create_policy("new", SEED, NOW).expect("a policy");
    world.certificate(CertificateParams::default());
    assert_eq!(world.authorizer.generation(), generation);
}

/// `A-21`, `A-8`: an unknown certificate may nothing; a client of the plaintext listener everything.
#[test]
fn principals_without_a_certificate() {
    let world = World::new();
    let unknown = "0".repeat(64);
    let why = world.why_not(&unknown, "thing1", Action::Connect, "thing1");
    assert!(why.contains("not registered"), "{why}");
    assert!(world.connects(PLAINTEXT_PRINCIPAL, "any"));
}

/// `C-39` to `C-42`: variables of client, thing and certificate get their values from the registry and the connection.
#[test]
fn variables_get_their_values() {
    let world = World::new();
    let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Publish","Resource":[
        "arn:aws:iot:us-east-1:123456789012:topic/client/${iot:ClientId}",
        "arn:aws:iot:us-east-1:123456789012:topic/certificate/${iot:CertificateId}",
        "arn:aws:iot:us-east-1:123456789012:topic/site/${iot:Connection.Thing.Attributes[site]}",
        "arn:aws:iot:us-east-1:123456789012:topic/attached/${iot:Connection.Thing.IsAttached}",
        "arn:aws:iot:us-east-1:123456789012:topic/name/${iot:Certificate.Subject.CommonName}",
        "arn:aws:iot:us-east-1:123456789012:topic/maker/${iot:Certificate.Issuer.Organization}",
        "arn:aws:iot:us-east-1:123456789012:topic/host/${iot:Certificate.Subject.AlternativeName.DNSName}",
        "arn:aws:iot:us-east-1:123456789012:topic/from/${aws:SourceIp}"]}]}"#;
    world
        .registry
        .create_policy("variables", text, NOW)
        .expect("a policy");
    let attributes = BTreeMap::from([("site".to_owned(), "roof".to_owned())]);
    world
        .registry
        .create_thing("lamp", attributes)
        .expect("a thing");
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "dev-7");
    params
        .distinguished_name
        .push(DnType::OrganizationName, "ACME");
    params.subject_alt_names = vec![SanType::DnsName("lamp.example".try_into().expect("a name"))];
    let id = world.certificate(params);
    world.attach("variables", &id);
    let arn = world.registry.place().certificate_arn(&id);
    world
        .registry
        .attach_thing_principal("lamp", &arn, PLAIN)
        .expect("attached");
    let certificate = format!("certificate/{id}");
    for topic in [
        "client/lamp",
        &certificate,
        "site/roof",
        "attached/true",
        "name/dev-7",
        "maker/ACME",
        "host/lamp.example",
        "from/192.0.2.7",
    ] {
        let decision = world.decide(&id, "lamp", Action::Publish, topic);
        assert_eq!(decision, Decision::Allow, "{topic}");
    }
    let why = world.why_not(&id, "lamp", Action::Publish, "site/cellar");
    assert!(
        why.contains("iot:Publish") && why.contains("site/cellar"),
        "{why}"
    );
}

/// `C-36`, `C-37`: what CONNECT asked for can be a condition.
#[test]
fn conditions_see_the_connection() {
    let world = World::new();
    let text = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"iot:Connect","Resource":"*"},
        {"Effect":"Deny","Action":"iot:Connect","Resource":"*",
         "Condition":{"ForAnyValue:StringEquals":{"iot:ConnectAttributes":["PersistentConnect","LastWill"]}}}]}"#;
    world
        .registry
        .create_policy("simple", text, NOW)
        .expect("a policy");
    let id = world.device("simple", &[]);
    let decide = |change: &dyn Fn(&mut Client)| {
        let mut client = client(&id, "a");
        change(&mut client);
        world
            .authorizer
            .permissions(&client)
            .decide(Action::Connect, "a")
            == Decision::Allow
    };
    assert!(decide(&|_| {}));
    assert!(!decide(&|client| client.persistent = true));
    assert!(!decide(&|client| client.will_topic = Some("w".into())));
}
