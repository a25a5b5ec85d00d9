//! Policies, their versions, and what they are attached to.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use super::{Api, SEED_POLICY, label};

fn document(text: &str) -> Value {
    json!({ "policyDocument": text })
}

/// `C-4`, `C-6`: what CreatePolicy and GetPolicy say; the document comes back as it was sent.
#[tokio::test]
async fn a_policy_is_made_and_shown() {
    let api = Api::new();
    let name = "esp32+policy=a,b.c@d-e";
    let made = api
        .ok(
            "POST",
            &format!("/policies/{}", label(name)),
            document(SEED_POLICY),
        )
        .await;
    let arn = format!("arn:aws:iot:us-east-1:123456789012:policy/{name}");
    assert_eq!(
        made,
        json!({
            "policyName": name,
            "policyArn": arn,
            "policyDocument": SEED_POLICY,
            "policyVersionId": "1",
        })
    );
    let shown = api
        .ok("GET", &format!("/policies/{}", label(name)), Value::Null)
        .await;
    assert_eq!(shown["policyDocument"], SEED_POLICY);
    assert_eq!(shown["defaultVersionId"], "1");
    assert!(
        shown["creationDate"].is_number() && shown["lastModifiedDate"].is_number(),
        "G-6"
    );
}

/// `G-15`: a name is taken once.
#[tokio::test]
async fn a_policy_name_is_taken() {
    let api = Api::new();
    api.ok("POST", "/policies/p", document(SEED_POLICY)).await;
    let reply = api.call("POST", "/policies/p", document(SEED_POLICY)).await;
    assert_eq!(reply.body["resourceId"], "p");
    assert_eq!(
        reply.is(409, "ResourceAlreadyExistsException"),
        "Policy cannot be created - name already exists (name=p)"
    );
}

/// `C-2`, `C-3`: a document that the engine cannot enforce is refused here, and nothing is made.
#[tokio::test]
async fn a_malformed_policy_is_refused() {
    let api = Api::new();
    let long = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"iot:Publish","Resource":"{}"}}]}}"#,
        "x".repeat(2048)
    );
    for (text, place) in [
        ("", "line 1, column 1"),
        ("this is not JSON", "line 1, column 1"),
        ("[]", "line 1, column 1"),
        (r#"{"Version":"2012-10-17"}"#, "Statement"),
        (
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Maybe","Action":"iot:Publish","Resource":"*"}]}"#,
            "(Statement[0].Effect): ",
        ),
        (
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Fly","Resource":"*"}]}"#,
            "(Statement[0].Action): ",
        ),
        (&long, "characters"),
    ] {
        let message = api
            .refused(
                "POST",
                "/policies/p",
                document(text),
                400,
                "MalformedPolicyException",
            )
            .await;
        assert!(
            message.starts_with("Policy document is Malformed"),
            "{message}"
        );
        assert!(message.contains(place), "{message}");
    }
    assert_eq!(
        api.ok("GET", "/policies", Value::Null).await,
        json!({ "policies": [] })
    );
    for body in [
        Value::Null,
        json!({}),
        json!({ "policyDocument": { "Version": "2012-10-17" } }),
    ] {
        api.refused("POST", "/policies/p", body, 400, "InvalidRequestException")
            .await;
    }
    let tagged = json!({ "policyDocument": SEED_POLICY, "tags": [{ "Key": "a", "Value": "b" }] });
    api.refused(
        "POST",
        "/policies/p",
        tagged,
        400,
        "InvalidRequestException",
    )
    .await;
    api.refused(
        "POST",
        "/policies/a%20b",
        document(SEED_POLICY),
        400,
        "InvalidRequestException",
    )
    .await;
}

/// `G-16`, `G-18`: attached by PUT, listed by POST with the ARN in the path, detached by POST.
#[tokio::test]
async fn a_policy_is_attached() {
    let api = Api::new();
    let (arn, _) = api.device("p", "a").await;
    let target = json!({ "target": arn });
    api.ok("PUT", "/target-policies/p", target.clone()).await;
    let attached = format!("/attached-policies/{}", label(&arn));
    assert_eq!(
        api.ok("POST", &attached, Value::Null).await,
        json!({ "policies": [{
            "policyName": "p",
            "policyArn": "arn:aws:iot:us-east-1:123456789012:policy/p",
        }] })
    );
    assert_eq!(
        api.ok("POST", "/policy-targets/p", Value::Null).await,
        json!({ "targets": [arn] })
    );
    let message = api
        .refused(
            "DELETE",
            "/policies/p",
            Value::Null,
            409,
            "DeleteConflictException",
        )
        .await;
    assert_eq!(
        message,
        "The policy cannot be deleted as the policy is attached to one or more principals (name=p)"
    );
    for _ in 0..2 {
        api.ok("POST", "/target-policies/p", target.clone()).await;
    }
    assert_eq!(
        api.ok("POST", &attached, Value::Null).await,
        json!({ "policies": [] })
    );
    api.ok("DELETE", "/policies/p", Value::Null).await;
    api.refused(
        "GET",
        "/policies/p",
        Value::Null,
        404,
        "ResourceNotFoundException",
    )
    .await;
    api.refused(
        "DELETE",
        "/policies/p",
        Value::Null,
        404,
        "ResourceNotFoundException",
    )
    .await;
}

/// `G-16`, `G-17`: the same under the old names, with the principal or the policy in a header.
#[tokio::test]
async fn a_policy_is_attached_the_old_way() {
    let api = Api::new();
    let (arn, _) = api.certificate(true).await;
    api.ok("POST", "/policies/p", document(SEED_POLICY)).await;
    let call = async |method: &str, path: &str, header: &str, value: &str| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header, value);
        api.send(request.body(Body::empty()).expect("a request"))
            .await
    };
    let principal = "x-amzn-iot-principal";
    let attached = call("PUT", "/principal-policies/p", principal, &arn).await;
    assert_eq!(attached.status, 200);
    let policies = call("GET", "/principal-policies", principal, &arn).await;
    assert_eq!(policies.body["policies"][0]["policyName"], "p");
    let principals = call("GET", "/policy-principals", "x-amzn-iot-policy", "p").await;
    assert_eq!(principals.body, json!({ "principals": [arn] }));
    let detached = call("DELETE", "/principal-policies/p", principal, &arn).await;
    assert_eq!(detached.status, 200);
    let policies = call("GET", "/principal-policies", principal, &arn).await;
    assert_eq!(policies.body, json!({ "policies": [] }));
    api.refused(
        "GET",
        "/principal-policies",
        Value::Null,
        400,
        "InvalidRequestException",
    )
    .await;
}

/// `C-7`: policy and target must be there; other kinds of target are refused by name.
#[tokio::test]
async fn a_target_that_is_not_there() {
    let api = Api::new();
    let (arn, _) = api.device("p", "a").await;
    let unknown = format!("arn:aws:iot:us-east-1:123456789012:cert/{}", "0".repeat(64));
    for (policy, target) in [("q", &arn), ("p", &unknown)] {
        let path = format!("/target-policies/{policy}");
        api.refused(
            "PUT",
            &path,
            json!({ "target": target }),
            404,
            "ResourceNotFoundException",
        )
        .await;
    }
    let path = format!("/attached-policies/{}", label(&unknown));
    api.refused("POST", &path, Value::Null, 404, "ResourceNotFoundException")
        .await;
    api.refused(
        "POST",
        "/policy-targets/q",
        Value::Null,
        404,
        "ResourceNotFoundException",
    )
    .await;
    let group = "arn:aws:iot:us-east-1:123456789012:thinggroup/g";
    api.refused(
        "PUT",
        "/target-policies/p",
        json!({ "target": group }),
        404,
        "ResourceNotFoundException",
    )
    .await;
    for target in [json!("us-east-1:1234"), json!("a"), json!(7), Value::Null] {
        api.refused(
            "PUT",
            "/target-policies/p",
            json!({ "target": target }),
            400,
            "InvalidRequestException",
        )
        .await;
    }
}

/// `C-5`: ten policies, not eleven.
#[tokio::test]
async fn a_certificate_has_ten_policies_at_most() {
    let api = Api::new();
    let (arn, _) = api.certificate(true).await;
    for number in 0..11 {
        api.ok(
            "POST",
            &format!("/policies/p{number}"),
            document(SEED_POLICY),
        )
        .await;
    }
    let target = json!({ "target": arn });
    for number in 0..10 {
        api.ok(
            "PUT",
            &format!("/target-policies/p{number}"),
            target.clone(),
        )
        .await;
    }
    api.refused(
        "PUT",
        "/target-policies/p10",
        target.clone(),
        410,
        "LimitExceededException",
    )
    .await;
    // One that is attached already is no eleventh.
    api.ok("PUT", "/target-policies/p3", target).await;
    let path = format!("/attached-policies/{}?pageSize=4", label(&arn));
    let page = api.ok("POST", &path, Value::Null).await;
    assert_eq!(page["policies"].as_array().expect("a list").len(), 4);
    let path = format!(
        "{path}&marker={}",
        page["nextMarker"].as_str().expect("a marker")
    );
    assert_eq!(
        api.ok("POST", &path, Value::Null).await["policies"][0]["policyName"],
        "p4"
    );
}

/// `C-4`, `G-15`: five versions, one of them the default; ids are not used again.
#[tokio::test]
async fn a_policy_has_versions() {
    let api = Api::new();
    api.ok("POST", "/policies/p", document(SEED_POLICY)).await;
    let other = SEED_POLICY.replace("esp32/pub", "esp32/other");
    let made = api
        .ok("POST", "/policies/p/version", document(&other))
        .await;
    assert_eq!(made["policyVersionId"], "2");
    assert_eq!(made["isDefaultVersion"], false);
    assert_eq!(
        api.ok("GET", "/policies/p", Value::Null).await["policyDocument"],
        SEED_POLICY
    );
    api.ok("PATCH", "/policies/p/version/2", Value::Null).await;
    assert_eq!(
        api.ok("GET", "/policies/p", Value::Null).await["policyDocument"],
        other.as_str()
    );
    let message = api
        .refused(
            "DELETE",
            "/policies/p/version/2",
            Value::Null,
            400,
            "InvalidRequestException",
        )
        .await;
    assert_eq!(message, "Cannot delete the default version of a policy");
    let message = api
        .refused(
            "DELETE",
            "/policies/p",
            Value::Null,
            409,
            "DeleteConflictException",
        )
        .await;
    assert!(message.contains("one or more policy versions"), "{message}");

    for _ in 3..=5 {
        api.ok(
            "POST",
            "/policies/p/version?setAsDefault=true",
            document(SEED_POLICY),
        )
        .await;
    }
    let message = api
        .refused(
            "POST",
            "/policies/p/version",
            document(&other),
            409,
            "VersionsLimitExceededException",
        )
        .await;
    assert_eq!(
        message,
        "The policy p already has the maximum number of versions (5)"
    );
    api.ok("DELETE", "/policies/p/version/1", Value::Null).await;
    let made = api
        .ok("POST", "/policies/p/version", document(&other))
        .await;
    assert_eq!(made["policyVersionId"], "6");
    let shown = api.ok("GET", "/policies/p/version/5", Value::Null).await;
    assert_eq!(shown["isDefaultVersion"], true);
    let list = api.ok("GET", "/policies/p/version", Value::Null).await;
    let ids: Vec<&Value> = list["policyVersions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|version| &version["versionId"])
        .collect();
    assert_eq!(ids, ["2", "3", "4", "5", "6"]);

    for id in ["1", "99999999999"] {
        for method in ["GET", "PATCH", "DELETE"] {
            let path = format!("/policies/p/version/{id}");
            api.refused(method, &path, Value::Null, 404, "ResourceNotFoundException")
                .await;
        }
    }
    api.refused(
        "GET",
        "/policies/p/version/x",
        Value::Null,
        400,
        "InvalidRequestException",
    )
    .await;
    api.refused(
        "POST",
        "/policies/p/version",
        document("{}"),
        400,
        "MalformedPolicyException",
    )
    .await;
}

/// `G-22`
#[tokio::test]
async fn policies_are_listed_in_the_order_of_creation() {
    let api = Api::new();
    for name in ["b", "c", "a"] {
        api.ok("POST", &format!("/policies/{name}"), document(SEED_POLICY))
            .await;
    }
    let names = |body: &Value| -> Vec<String> {
        let list = body["policies"].as_array().expect("a list").iter();
        list.map(|item| item["policyName"].as_str().expect("a name").to_owned())
            .collect()
    };
    let oldest = api
        .ok("GET", "/policies?isAscendingOrder=true", Value::Null)
        .await;
    assert_eq!(names(&oldest), ["b", "c", "a"]);
    assert_eq!(
        names(&api.ok("GET", "/policies", Value::Null).await),
        ["a", "c", "b"]
    );
}
