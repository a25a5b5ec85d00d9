//! TestAuthorization and GetEffectivePolicies: `C-55` to `C-58`.

use serde_json::{Value, json};
use thingwire_broker::{Action, Authorize, Client, Decision};

use super::{Api, SEED_POLICY};

const PREFIX: &str = "arn:aws:iot:us-east-1:123456789012:";

fn question(action: &str, resource: &str) -> Value {
    json!({ "actionType": action, "resources": [format!("{PREFIX}{resource}")] })
}

fn policies(names: &[&str]) -> Value {
    let list: Vec<Value> = names
        .iter()
        .map(|name| json!({ "policyName": name, "policyArn": format!("{PREFIX}policy/{name}") }))
        .collect();
    json!({ "policies": list })
}

async fn decisions(api: &Api, path: &str, body: Value) -> Vec<String> {
    let answer = api.ok("POST", path, body).await;
    answer["authResults"]
        .as_array()
        .expect("results")
        .iter()
        .map(|result| result["authDecision"].as_str().expect("a word").to_owned())
        .collect()
}

/// `C-55`: the whole answer, for the seed's policy.
#[tokio::test]
async fn the_seeds_policy_in_every_action() {
    let api = Api::new();
    let (principal, _) = api.device("seed", "lamp").await;
    let infos = [
        question("CONNECT", "client/lamp"),
        question("PUBLISH", "topic/esp32/pub"),
        question("PUBLISH", "topic/esp32/other"),
        question("SUBSCRIBE", "topicfilter/esp32/sub"),
        question("RECEIVE", "topic/esp32/sub"),
    ];
    let body = json!({ "principal": principal, "authInfos": infos });
    let answer = api
        .ok("POST", "/test-authorization?clientId=lamp", body)
        .await;
    let results = answer["authResults"].as_array().expect("results");
    assert_eq!(results.len(), 5);
    for (result, info) in results.iter().zip(&infos) {
        let allowed = info["resources"][0] != format!("{PREFIX}topic/esp32/other");
        let (decision, by, silent) = if allowed {
            ("ALLOWED", policies(&["seed"]), policies(&[]))
        } else {
            ("IMPLICIT_DENY", policies(&[]), policies(&["seed"]))
        };
        let denied = json!({ "implicitDeny": silent, "explicitDeny": policies(&[]) });
        let expected = json!({
            "authInfo": info, "authDecision": decision, "allowed": by, "denied": denied, "missingContextValues": [],
        });
        assert_eq!(*result, expected);
    }
}

/// `C-56`: without a client id the thing is not known; with another one it is known that there is none.
#[tokio::test]
async fn missing_context_values_are_named() {
    let api = Api::new();
    let (principal, _) = api.device("seed", "lamp").await;
    let body = json!({ "principal": principal, "authInfos": [question("CONNECT", "client/lamp")] });
    for path in [
        "/test-authorization",
        "/test-authorization?clientId=",
        "/test-authorization?clientId=desk",
    ] {
        let answer = api.ok("POST", path, body.clone()).await;
        let result = &answer["authResults"][0];
        assert_eq!(result["authDecision"], "IMPLICIT_DENY", "{path}");
        assert_eq!(
            result["missingContextValues"],
            json!(["iot:Connection.Thing.ThingName"]),
            "{path}"
        );
    }
}

/// `C-55`, `C-8`, `C-10`: policies can be added and left out; a Deny wins wherever it comes from.
#[tokio::test]
async fn policies_are_added_and_left_out() {
    let api = Api::new();
    let (principal, _) = api.device("seed", "lamp").await;
    let deny = json!({
        "Version": "2012-10-17",
        "Statement": { "Effect": "Deny", "Action": "iot:Publish", "Resource": "*" },
    });
    api.ok(
        "POST",
        "/policies/quiet",
        json!({ "policyDocument": deny.to_string() }),
    )
    .await;
    let infos = json!([question("PUBLISH", "topic/esp32/pub")]);
    let path = "/test-authorization?clientId=lamp";
    let mut body = json!({ "principal": principal, "authInfos": infos, "policyNamesToAdd": ["quiet", "seed"] });
    let answer = api.ok("POST", path, body.clone()).await;
    let result = &answer["authResults"][0];
    assert_eq!(result["authDecision"], "EXPLICIT_DENY");
    assert_eq!(result["allowed"], policies(&["seed"]));
    assert_eq!(result["denied"]["explicitDeny"], policies(&["quiet"]));
    assert_eq!(result["denied"]["implicitDeny"], policies(&[]));

    body["policyNamesToSkip"] = json!(["quiet"]);
    assert_eq!(decisions(&api, path, body.clone()).await, ["ALLOWED"]);
    body["policyNamesToSkip"] = json!(["quiet", "seed"]);
    assert_eq!(decisions(&api, path, body).await, ["IMPLICIT_DENY"]);
}

/// `C-55`: of several resources of one question, the worst decides.
#[tokio::test]
async fn several_resources_are_allowed_together_or_not() {
    let api = Api::new();
    let (principal, _) = api.device("seed", "lamp").await;
    let both = json!({ "actionType": "PUBLISH", "resources": [
        format!("{PREFIX}topic/esp32/pub"), format!("{PREFIX}topic/esp32/other"),
    ] });
    let body = json!({ "principal": principal, "authInfos": [both] });
    let answer = api
        .ok("POST", "/test-authorization?clientId=lamp", body)
        .await;
    let result = &answer["authResults"][0];
    assert_eq!(result["authDecision"], "IMPLICIT_DENY");
    // It allows one of them, and has nothing to say about the other.
    assert_eq!(result["allowed"], policies(&["seed"]));
    assert_eq!(result["denied"]["implicitDeny"], policies(&["seed"]));
}

/// `C-58`: whatever the broker decides about a client, TestAuthorization says the same.
#[tokio::test]
async fn the_broker_and_the_test_agree() {
    let api = Api::new();
    let (principal, id) = api.device("seed", "lamp").await;
    let more = json!({
        "Version": "2012-10-17",
        "Statement": [
            { "Effect": "Allow", "Action": "iot:*", "Resource": format!("{PREFIX}*/a/*"),
              "Condition": { "Bool": { "iot:Connection.Thing.IsAttached": "true" } } },
            { "Effect": "Deny", "Action": ["iot:Publish", "iot:Subscribe"], "Resource": format!("{PREFIX}*/a/secret*") },
            { "Effect": "Allow", "Action": "iot:Publish", "Resource": format!("{PREFIX}topic/${{iot:CertificateId}}") },
        ],
    });
    api.ok(
        "POST",
        "/policies/more",
        json!({ "policyDocument": more.to_string() }),
    )
    .await;
    api.ok(
        "PUT",
        "/target-policies/more",
        json!({ "target": principal }),
    )
    .await;
    let own_topic = id.clone();
    let resources = [
        "lamp",
        "desk",
        "esp32/pub",
        "esp32/sub",
        "a/b",
        "a/secret",
        "$share/g/a/secret/1",
        "$share/g/a/x",
        "a/#",
        "#",
        "",
        &own_topic,
        "topic with spaces/ä",
    ];
    let actions = [
        (Action::Connect, "CONNECT", "client/"),
        (Action::Publish, "PUBLISH", "topic/"),
        (Action::Subscribe, "SUBSCRIBE", "topicfilter/"),
        (Action::Receive, "RECEIVE", "topic/"),
    ];
    let mut seen = [0; 2];
    for client_id in ["lamp", "desk"] {
        let client = Client {
            principal: id.as_str().into(),
            client_id: client_id.into(),
            address: "127.0.0.1:1".parse().expect("an address"),
            server_name: None,
            persistent: false,
            will_topic: None,
        };
        let broker = api.authorizer.permissions(&client);
        for (action, word, kind) in actions {
            for resource in resources {
                let allowed = broker.decide(action, resource) == Decision::Allow;
                let info = question(word, &format!("{kind}{resource}"));
                let body = json!({ "principal": principal, "authInfos": [info] });
                let path = format!("/test-authorization?clientId={client_id}");
                let said = decisions(&api, &path, body).await;
                assert_eq!(
                    said == ["ALLOWED"],
                    allowed,
                    "{client_id} {word} {resource}: {said:?}"
                );
                seen[usize::from(allowed)] += 1;
            }
        }
    }
    assert!(seen[0] > 20 && seen[1] > 20, "{seen:?}");
}

/// What has the wrong form or names what is not there; `C-9`: Cognito identities are not here yet, and say so.
#[tokio::test]
async fn wrong_questions_are_refused() {
    let api = Api::new();
    let (principal, id) = api.device("seed", "lamp").await;
    let info = question("PUBLISH", "topic/a");
    let unknown = principal.replace(&id, &"0".repeat(64));
    let eleven: Vec<&Value> = std::iter::repeat_n(&info, 11).collect();
    let invalid = (400, "InvalidRequestException");
    let missing = (404, "ResourceNotFoundException");
    for (body, (status, exception), says) in [
        (json!({ "principal": principal }), invalid, "authInfos"),
        (
            json!({ "principal": principal, "authInfos": [] }),
            invalid,
            "between 1 and 10",
        ),
        (
            json!({ "principal": principal, "authInfos": eleven }),
            invalid,
            "between 1 and 10",
        ),
        (
            json!({ "principal": principal, "authInfos": {} }),
            invalid,
            "a list",
        ),
        (
            json!({ "principal": principal, "authInfos": ["PUBLISH"] }),
            invalid,
            "a list of objects",
        ),
        (json!({ "authInfos": [info] }), invalid, "principal"),
        (
            json!({ "principal": "us-east-1:0a1b", "authInfos": [info] }),
            invalid,
            "Cognito",
        ),
        (
            json!({ "principal": unknown, "authInfos": [info] }),
            missing,
            "not found",
        ),
        (
            json!({ "principal": principal, "authInfos": [info], "cognitoIdentityPoolId": "us-east-1:1" }),
            invalid,
            "cognitoIdentityPoolId",
        ),
        (
            json!({ "principal": principal, "authInfos": [info], "policyNamesToAdd": ["nothing"] }),
            missing,
            "nothing",
        ),
        (
            json!({ "principal": principal, "authInfos": [info], "policyNamesToSkip": ["nothing"] }),
            missing,
            "nothing",
        ),
        (
            json!({ "principal": principal, "authInfos": [info], "policyNamesToSkip": [1] }),
            invalid,
            "a list of strings",
        ),
        (
            json!({ "principal": principal, "authInfos": [{ "actionType": "FLY", "resources": [] }] }),
            invalid,
            "FLY",
        ),
        (
            json!({ "principal": principal, "authInfos": [{ "resources": ["arn:aws:iot:::topic/a"] }] }),
            invalid,
            "actionType",
        ),
        (
            json!({ "principal": principal, "authInfos": [{ "actionType": "PUBLISH" }] }),
            invalid,
            "resources",
        ),
        (
            json!({ "principal": principal, "authInfos": [{ "actionType": "PUBLISH", "resources": [] }] }),
            invalid,
            "greater than or equal to 1",
        ),
        (
            json!({ "principal": principal, "authInfos": [{ "actionType": "PUBLISH", "resources": ["topic/a"] }] }),
            invalid,
            "must be an ARN",
        ),
    ] {
        let message = api
            .refused(
                "POST",
                "/test-authorization",
                body.clone(),
                status,
                exception,
            )
            .await;
        assert!(message.contains(says), "{body}: {message}");
    }
}

/// `C-57`: the operative documents of the policies that apply to a principal.
#[tokio::test]
async fn effective_policies_are_listed() {
    let api = Api::new();
    let (principal, id) = api.device("seed", "lamp").await;
    let other = SEED_POLICY.replace("esp32", "desk");
    let version = json!({ "policyDocument": other });
    api.ok("POST", "/policies/seed/version?setAsDefault=true", version)
        .await;
    let one = json!({ "effectivePolicies": [{
        "policyName": "seed", "policyArn": format!("{PREFIX}policy/seed"), "policyDocument": other,
    }] });
    for path in ["/effective-policies", "/effective-policies?thingName=lamp"] {
        let body = json!({ "principal": principal });
        assert_eq!(api.ok("POST", path, body).await, one);
    }
    // A thing alone has the policies of its groups, and it has no groups.
    assert_eq!(
        api.ok("POST", "/effective-policies?thingName=lamp", Value::Null)
            .await,
        json!({ "effectivePolicies": [] })
    );
    for (path, body, status, exception) in [
        (
            "/effective-policies",
            json!({}),
            400,
            "InvalidRequestException",
        ),
        (
            "/effective-policies?thingName=desk",
            json!({ "principal": principal }),
            404,
            "ResourceNotFoundException",
        ),
        (
            "/effective-policies",
            json!({ "principal": principal.replace(&id, &"0".repeat(64)) }),
            404,
            "ResourceNotFoundException",
        ),
    ] {
        api.refused("POST", path, body, status, exception).await;
    }
}
