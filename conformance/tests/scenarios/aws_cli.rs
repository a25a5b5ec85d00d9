//! The unmodified AWS CLI performs the seed's console steps and cleans up after itself (G.6).

use std::fs;

use serde_json::{Value, json};
use thingwire_conformance::{Cloud, Finished, aws, finish, python};

use crate::{SEED_POLICY, STEP};

/// `aws iot …` against one cloud.
struct Cli<'a>(&'a Cloud);

impl Cli<'_> {
    fn run(&self, arguments: &[&str]) -> Finished {
        let mut command = aws(&self.0.ready).expect("looked for before");
        finish(
            command
                .arg("iot")
                .args(arguments)
                .current_dir(self.0.scratch()),
            STEP,
        )
    }

    /// The command must succeed; its JSON, or null when it prints nothing.
    fn ok(&self, arguments: &[&str]) -> Value {
        let text = self.run(arguments).success();
        if text.trim().is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).expect("JSON")
        }
    }

    /// The command must fail with this error.
    fn fails(&self, arguments: &[&str], error: &str) {
        let finished = self.run(arguments);
        assert_ne!(finished.code, Some(0), "{arguments:?} succeeded");
        assert!(
            finished.stderr.contains(&format!("({error})")),
            "{arguments:?}: {}",
            finished.stderr
        );
    }
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member]
        .as_str()
        .unwrap_or_else(|| panic!("no `{member}` in {value}"))
}

#[test]
fn the_seeds_console_steps_and_the_way_back() {
    if python().is_none() {
        return;
    }
    let cloud = Cloud::start();
    let cli = Cli(&cloud);
    let (region, account) = (cloud.ready.region.as_str(), cloud.ready.account_id.as_str());
    let arn = |resource: &str| format!("arn:aws:iot:{region}:{account}:{resource}");

    // A-2: where devices connect.
    let endpoint = cli.ok(&["describe-endpoint", "--endpoint-type", "iot:Data-ATS"]);
    assert_eq!(text(&endpoint, "endpointAddress"), cloud.ready.endpoint);
    cli.fails(
        &["describe-endpoint", "--endpoint-type", "iot:Nonsense"],
        "InvalidRequestException",
    ); // A-4

    // 1. The policy, its placeholders replaced as the seed's reader must (C-50).
    let policy = SEED_POLICY
        .replace("REGION", region)
        .replace("ACCOUNT_ID", account);
    fs::write(cloud.scratch().join("policy.json"), &policy).expect("a policy file");
    let create_policy = [
        "create-policy",
        "--policy-name",
        "esp32",
        "--policy-document",
        "file://policy.json",
    ];
    let created = cli.ok(&create_policy);
    assert_eq!(text(&created, "policyArn"), arn("policy/esp32"));
    assert_eq!(text(&created, "policyVersionId"), "1");
    cli.fails(&create_policy, "ResourceAlreadyExistsException"); // G-15
    cli.fails(
        &[
            "create-policy",
            "--policy-name",
            "bad",
            "--policy-document",
            "{",
        ],
        "MalformedPolicyException",
    ); // C-2

    // 2. Keys, certificate, thing.
    let create_keys = [
        "create-keys-and-certificate",
        "--set-as-active",
        "--certificate-pem-outfile",
        "certificate.pem",
        "--public-key-outfile",
        "public.key",
        "--private-key-outfile",
        "private.key",
    ];
    let certificate = cli.ok(&create_keys);
    let (principal, id) = (
        text(&certificate, "certificateArn"),
        text(&certificate, "certificateId"),
    );
    assert_eq!(principal, arn(&format!("cert/{id}"))); // A-25
    assert_eq!(id.len(), 64);
    let pem = fs::read_to_string(cloud.scratch().join("certificate.pem")).expect("the certificate");
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
    let thing = cli.ok(&["create-thing", "--thing-name", "esp32-demo"]);
    assert_eq!(text(&thing, "thingArn"), arn("thing/esp32-demo"));
    let again = cli.ok(&["create-thing", "--thing-name", "esp32-demo"]);
    assert_eq!(text(&again, "thingId"), text(&thing, "thingId")); // G-8
    let refused = [
        "create-thing",
        "--thing-name",
        "esp32-demo",
        "--attribute-payload",
        "attributes={a=b}",
    ];
    cli.fails(&refused, "ResourceAlreadyExistsException"); // G-8

    // 3. Attach both; doing it twice is no error (G-16).
    for _ in 0..2 {
        cli.ok(&[
            "attach-policy",
            "--policy-name",
            "esp32",
            "--target",
            principal,
        ]);
        cli.ok(&[
            "attach-thing-principal",
            "--thing-name",
            "esp32-demo",
            "--principal",
            principal,
        ]);
    }

    // What a person looks at afterwards.
    let thing = cli.ok(&["describe-thing", "--thing-name", "esp32-demo"]);
    assert_eq!(
        (text(&thing, "defaultClientId"), &thing["version"]),
        ("esp32-demo", &json!(1))
    ); // G-9
    let shown = cli.ok(&["describe-certificate", "--certificate-id", id]);
    assert_eq!(shown["certificateDescription"]["status"], "ACTIVE");
    assert_eq!(
        shown["certificateDescription"]["certificatePem"],
        pem.as_str()
    );
    let shown = cli.ok(&["get-policy", "--policy-name", "esp32"]);
    let document: Value = serde_json::from_str(text(&shown, "policyDocument")).expect("a document");
    assert_eq!(
        document,
        serde_json::from_str::<Value>(&policy).expect("a document")
    );
    let has = |list: &Value, member: &str, name: &str, wanted: &str| {
        let list = list[member]
            .as_array()
            .unwrap_or_else(|| panic!("no `{member}` in {list}"));
        list.iter()
            .any(|entry| entry == wanted || entry[name] == wanted)
    };
    assert!(has(
        &cli.ok(&["list-things"]),
        "things",
        "thingName",
        "esp32-demo"
    ));
    assert!(has(
        &cli.ok(&["list-policies"]),
        "policies",
        "policyName",
        "esp32"
    ));
    assert!(has(
        &cli.ok(&["list-certificates"]),
        "certificates",
        "certificateId",
        id
    ));
    let principals = cli.ok(&["list-thing-principals", "--thing-name", "esp32-demo"]);
    assert!(has(&principals, "principals", "", principal));
    let attached = cli.ok(&["list-attached-policies", "--target", principal]);
    assert!(has(&attached, "policies", "policyName", "esp32"));

    // The way back, and what stands in it.
    let delete_certificate = ["delete-certificate", "--certificate-id", id];
    cli.fails(
        &["delete-policy", "--policy-name", "esp32"],
        "DeleteConflictException",
    ); // G-15
    cli.fails(
        &["delete-thing", "--thing-name", "esp32-demo"],
        "InvalidRequestException",
    ); // G-11
    cli.fails(&delete_certificate, "CertificateStateException"); // G-13
    cli.ok(&[
        "update-certificate",
        "--certificate-id",
        id,
        "--new-status",
        "INACTIVE",
    ]);
    cli.fails(&delete_certificate, "DeleteConflictException"); // G-13
    cli.ok(&[
        "detach-thing-principal",
        "--thing-name",
        "esp32-demo",
        "--principal",
        principal,
    ]);
    cli.ok(&[
        "detach-policy",
        "--policy-name",
        "esp32",
        "--target",
        principal,
    ]);
    cli.ok(&delete_certificate);
    cli.ok(&["delete-thing", "--thing-name", "esp32-demo"]);
    cli.ok(&["delete-thing", "--thing-name", "esp32-demo"]); // G-11: deleting what is not there succeeds
    cli.ok(&["delete-policy", "--policy-name", "esp32"]);
    cli.fails(
        &["describe-thing", "--thing-name", "esp32-demo"],
        "ResourceNotFoundException",
    );
    cli.fails(
        &["get-policy", "--policy-name", "esp32"],
        "ResourceNotFoundException",
    );
    cli.fails(
        &["describe-certificate", "--certificate-id", id],
        "ResourceNotFoundException",
    );
}

#[test]
fn certificates_from_a_request_and_from_elsewhere() {
    if python().is_none() {
        return;
    }
    let cloud = Cloud::start();
    let cli = Cli(&cloud);

    // A-24: the same request twice gives two certificates.
    let key = rcgen::KeyPair::generate().expect("a key");
    let request = rcgen::CertificateParams::default()
        .serialize_request(&key)
        .and_then(|request| request.pem());
    fs::write(
        cloud.scratch().join("request.pem"),
        request.expect("a request"),
    )
    .expect("a file");
    let create = [
        "create-certificate-from-csr",
        "--set-as-active",
        "--certificate-signing-request",
        "file://request.pem",
    ];
    let (first, second) = (cli.ok(&create), cli.ok(&create));
    assert_ne!(
        text(&first, "certificateId"),
        text(&second, "certificateId")
    );

    // G-21: without the flag a certificate is INACTIVE.
    let made = cli.ok(&["create-keys-and-certificate"]);
    let shown = cli.ok(&[
        "describe-certificate",
        "--certificate-id",
        text(&made, "certificateId"),
    ]);
    assert_eq!(shown["certificateDescription"]["status"], "INACTIVE");

    // A-33: a certificate of somebody else's authority; A-26: REVOKED is the end.
    let other = thingwire_conformance::Authority::new("somebody").client("a device");
    fs::write(cloud.scratch().join("other.pem"), &other.certificate).expect("a file");
    let register = [
        "register-certificate-without-ca",
        "--certificate-pem",
        "file://other.pem",
        "--status",
        "ACTIVE",
    ];
    let registered = cli.ok(&register);
    let id = text(&registered, "certificateId");
    cli.fails(&register, "ResourceAlreadyExistsException"); // G-14
    cli.ok(&[
        "update-certificate",
        "--certificate-id",
        id,
        "--new-status",
        "REVOKED",
    ]);
    cli.fails(
        &[
            "update-certificate",
            "--certificate-id",
            id,
            "--new-status",
            "ACTIVE",
        ],
        "CertificateStateException",
    );
}

/// `C-5`, `C-8`, `C-57`, `G-19`: groups, who is in them, and which policies a thing has by them.
#[test]
fn thing_groups_and_their_policies() {
    if python().is_none() {
        return;
    }
    let cloud = Cloud::start();
    let cli = Cli(&cloud);
    let (region, account) = (cloud.ready.region.as_str(), cloud.ready.account_id.as_str());
    let arn = |resource: &str| format!("arn:aws:iot:{region}:{account}:{resource}");
    let words = |line: &str| cli.ok(&line.split(' ').collect::<Vec<_>>());
    let names = |line: &str| {
        let answer = words(line);
        let lists = answer.as_object().expect("an object").values();
        let entries = lists.filter_map(Value::as_array).flatten();
        entries
            .map(|entry| {
                let member = ["groupName", "policyName"]
                    .into_iter()
                    .find_map(|name| entry[name].as_str());
                member.or(entry.as_str()).expect("a name").to_owned()
            })
            .collect::<Vec<_>>()
            .join(" ")
    };

    let made = words("create-thing-group --thing-group-name site --tags Key=team,Value=a");
    assert_eq!(text(&made, "thingGroupArn"), arn("thinggroup/site"));
    words(
        "create-thing-group --thing-group-name hall --parent-group-name site --thing-group-properties thingGroupDescription=lamps,attributePayload={attributes={floor=2}}",
    );
    let shown = words("describe-thing-group --thing-group-name hall");
    assert_eq!(
        shown["thingGroupMetadata"]["rootToParentThingGroups"][0]["groupName"],
        "site"
    );
    assert_eq!(
        shown["thingGroupProperties"]["attributePayload"]["attributes"]["floor"],
        "2"
    );
    words(
        "update-thing-group --thing-group-name hall --thing-group-properties thingGroupDescription=lights --expected-version 1",
    );
    assert_eq!(names("list-thing-groups --no-recursive"), "site");
    assert_eq!(names("list-thing-groups --page-size 1"), "hall site");

    words("create-thing --thing-name lamp");
    words("add-thing-to-thing-group --thing-name lamp --thing-group-name hall");
    assert_eq!(
        names("list-things-in-thing-group --thing-group-name site --recursive"),
        "lamp"
    );
    assert_eq!(
        names("list-thing-groups-for-thing --thing-name lamp"),
        "hall site"
    );

    let document = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iot:*","Resource":"*"}}"#;
    for (policy, group) in [("everywhere", "site"), ("inside", "hall")] {
        cli.ok(&[
            "create-policy",
            "--policy-name",
            policy,
            "--policy-document",
            document,
        ]);
        let target = arn(&format!("thinggroup/{group}"));
        cli.ok(&[
            "attach-policy",
            "--policy-name",
            policy,
            "--target",
            &target,
        ]);
        assert_eq!(
            names(&format!("list-targets-for-policy --policy-name {policy}")),
            target
        );
    }
    let hall = arn("thinggroup/hall");
    assert_eq!(
        names(&format!("list-attached-policies --target {hall}")),
        "inside"
    );
    assert_eq!(
        names(&format!(
            "list-attached-policies --target {hall} --recursive"
        )),
        "everywhere inside"
    );
    assert_eq!(
        names("get-effective-policies --thing-name lamp"),
        "everywhere inside"
    );
    cli.fails(
        &["delete-policy", "--policy-name", "inside"],
        "DeleteConflictException",
    );

    words(
        "update-thing-groups-for-thing --thing-name lamp --thing-groups-to-add site --thing-groups-to-remove hall",
    );
    assert_eq!(
        names("get-effective-policies --thing-name lamp"),
        "everywhere"
    );
    words("remove-thing-from-thing-group --thing-name lamp --thing-group-name site");
    assert_eq!(names("get-effective-policies --thing-name lamp"), "");
    cli.fails(
        &["delete-thing-group", "--thing-group-name", "site"],
        "InvalidRequestException",
    );
    words("delete-thing-group --thing-group-name hall");
    words("delete-thing-group --thing-group-name site");
    cli.fails(
        &["describe-thing-group", "--thing-group-name", "site"],
        "ResourceNotFoundException",
    );
    words("delete-policy --policy-name inside");
}
