//! Things and their principals.

use serde_json::{Value, json};

use super::{Api, label};

/// `G-9`: what a new thing has, and what DescribeThing says of it.
#[tokio::test]
async fn a_thing_is_made_and_described() {
    let api = Api::new();
    let attributes = json!({ "attributes": { "version": "v1", "location": "Seattle" } });
    let made = api
        .ok(
            "POST",
            "/things/esp32-demo",
            json!({ "attributePayload": attributes }),
        )
        .await;
    let arn = "arn:aws:iot:us-east-1:123456789012:thing/esp32-demo";
    assert_eq!(made["thingName"], "esp32-demo");
    assert_eq!(made["thingArn"], arn);
    let described = api.ok("GET", "/things/esp32-demo", Value::Null).await;
    assert_eq!(
        described,
        json!({
            "defaultClientId": "esp32-demo",
            "thingName": "esp32-demo",
            "thingId": made["thingId"],
            "thingArn": arn,
            "attributes": { "version": "v1", "location": "Seattle" },
            "version": 1,
        })
    );
}

/// `G-8`: the same again is the same thing; something else under the same name is a conflict that names it.
#[tokio::test]
async fn creating_a_thing_twice() {
    let api = Api::new();
    let first = api.ok("POST", "/things/a", Value::Null).await;
    assert_eq!(api.ok("POST", "/things/a", json!({})).await, first);
    let other = json!({ "attributePayload": { "attributes": { "k": "v" } } });
    let reply = api.call("POST", "/things/a", other).await;
    assert_eq!(reply.body["resourceId"], first["thingId"]);
    assert_eq!(reply.body["resourceArn"], first["thingArn"]);
    reply.is(409, "ResourceAlreadyExistsException");
}

/// `G-9`, `G-7`: names and attributes outside their patterns are refused in AWS's words, nothing is made.
#[tokio::test]
async fn names_and_attributes_have_patterns() {
    let api = Api::new();
    for name in ["my%20thing", "a%2Fb", "%C3%A4", &"x".repeat(129), ""] {
        let message = api
            .refused(
                "POST",
                &format!("/things/{name}"),
                Value::Null,
                400,
                "InvalidRequestException",
            )
            .await;
        assert!(
            message.contains("at 'thingName' failed to satisfy constraint: Member must"),
            "{message}"
        );
    }
    for attributes in [
        json!({ "k k": "v" }),
        json!({ "k": "v v" }),
        json!({ "": "v" }),
        json!({ "k": "v".repeat(801) }),
        json!({ "a": "1", "b": "2", "c": "3", "d": "4" }),
        json!({ "k": 1 }),
        json!(["k"]),
    ] {
        let body = json!({ "attributePayload": { "attributes": attributes } });
        api.refused("POST", "/things/a", body, 400, "InvalidRequestException")
            .await;
    }
    assert_eq!(
        api.ok("GET", "/things", Value::Null).await,
        json!({ "things": [] })
    );
}

/// Thing types and billing groups are not there yet: refused, never ignored.
#[tokio::test]
async fn a_thing_type_that_is_not_there() {
    let api = Api::new();
    for member in ["thingTypeName", "billingGroupName"] {
        api.refused(
            "POST",
            "/things/a",
            json!({ member: "t" }),
            404,
            "ResourceNotFoundException",
        )
        .await;
    }
}

/// `G-9`, `G-10`: replacing, merging, removing by an empty value, and the expected version.
#[tokio::test]
async fn a_thing_is_updated() {
    let api = Api::new();
    let payload = |attributes: Value, merge: bool| json!({ "attributePayload": { "attributes": attributes, "merge": merge } });
    api.ok(
        "POST",
        "/things/a",
        payload(json!({ "x": "1", "y": "2" }), false),
    )
    .await;
    api.ok(
        "PATCH",
        "/things/a",
        payload(json!({ "y": "", "z": "3" }), true),
    )
    .await;
    let thing = api.ok("GET", "/things/a", Value::Null).await;
    assert_eq!(thing["attributes"], json!({ "x": "1", "z": "3" }));
    assert_eq!(thing["version"], 2);
    api.ok("PATCH", "/things/a", payload(json!({ "n": "1" }), false))
        .await;
    let thing = api.ok("GET", "/things/a", Value::Null).await;
    assert_eq!(thing["attributes"], json!({ "n": "1" }));

    let message = api
        .refused(
            "PATCH",
            "/things/a",
            json!({ "expectedVersion": 2 }),
            409,
            "VersionConflictException",
        )
        .await;
    assert_eq!(
        message,
        "The version for thing a does not match the expected version."
    );
    api.ok("PATCH", "/things/a", json!({ "expectedVersion": 3 }))
        .await;
    api.refused(
        "DELETE",
        "/things/a?expectedVersion=3",
        Value::Null,
        409,
        "VersionConflictException",
    )
    .await;
    api.refused(
        "PATCH",
        "/things/b",
        json!({}),
        404,
        "ResourceNotFoundException",
    )
    .await;
}

/// `G-11`: deleting what is not there succeeds, deleting what is attached does not.
#[tokio::test]
async fn a_thing_is_deleted() {
    let api = Api::new();
    let (arn, _) = api.device("p", "a").await;
    let message = api
        .refused(
            "DELETE",
            "/things/a",
            Value::Null,
            400,
            "InvalidRequestException",
        )
        .await;
    assert_eq!(
        message,
        "Cannot delete. Thing a is still attached to one or more principals"
    );
    assert_eq!(
        api.principal("DELETE", "/things/a/principals", &arn)
            .await
            .status,
        200
    );
    api.ok("DELETE", "/things/a", Value::Null).await;
    api.ok("DELETE", "/things/a", Value::Null).await;
    api.refused(
        "GET",
        "/things/a",
        Value::Null,
        404,
        "ResourceNotFoundException",
    )
    .await;
}

/// `G-22`: pages of a list, and its filters.
#[tokio::test]
async fn things_are_listed() {
    let api = Api::new();
    for number in 0..7 {
        let color = if number % 2 == 0 { "red" } else { "blue" };
        let body = json!({ "attributePayload": { "attributes": { "color": color } } });
        api.ok("POST", &format!("/things/t{number}"), body).await;
    }
    let names = |body: &Value| -> Vec<String> {
        let things = body["things"].as_array().expect("a list").iter();
        things
            .map(|thing| thing["thingName"].as_str().expect("a name").to_owned())
            .collect()
    };
    let first = api.ok("GET", "/things?maxResults=5", Value::Null).await;
    assert_eq!(names(&first), ["t0", "t1", "t2", "t3", "t4"]);
    assert_eq!(first["things"][0]["attributes"]["color"], "red");
    let token = first["nextToken"].as_str().expect("a token");
    let second = api
        .ok(
            "GET",
            &format!("/things?maxResults=5&nextToken={}", label(token)),
            Value::Null,
        )
        .await;
    assert_eq!(names(&second), ["t5", "t6"]);
    assert!(second["nextToken"].is_null());

    let blue = api
        .ok(
            "GET",
            "/things?attributeName=color&attributeValue=blue",
            Value::Null,
        )
        .await;
    assert_eq!(names(&blue), ["t1", "t3", "t5"]);
    let prefixed = "/things?attributeName=color&attributeValue=r&usePrefixAttributeValue=true";
    assert_eq!(names(&api.ok("GET", prefixed, Value::Null).await).len(), 4);
    for wrong in [
        "maxResults=0",
        "maxResults=251",
        "maxResults=x",
        "nextToken=00",
        "usePrefixAttributeValue=1",
    ] {
        api.refused(
            "GET",
            &format!("/things?{wrong}"),
            Value::Null,
            400,
            "InvalidRequestException",
        )
        .await;
    }
}

/// `G-16`, `G-17`: a principal is attached, twice without harm, shown from both sides, and detached.
#[tokio::test]
async fn a_principal_is_attached_to_a_thing() {
    let api = Api::new();
    let (arn, _) = api.device("p", "a").await;
    assert_eq!(
        api.principal("PUT", "/things/a/principals", &arn)
            .await
            .status,
        200
    );
    let principals = api.ok("GET", "/things/a/principals", Value::Null).await;
    assert_eq!(principals, json!({ "principals": [arn] }));
    let things = api.principal("GET", "/principals/things", &arn).await;
    assert_eq!(things.body, json!({ "things": ["a"] }));
    let objects = api.ok("GET", "/things/a/principals-v2", Value::Null).await;
    assert_eq!(
        objects["thingPrincipalObjects"],
        json!([{ "principal": arn, "thingPrincipalType": "NON_EXCLUSIVE_THING" }])
    );

    assert_eq!(
        api.principal("DELETE", "/things/a/principals", &arn)
            .await
            .status,
        200
    );
    assert_eq!(
        api.ok("GET", "/things/a/principals", Value::Null).await,
        json!({ "principals": [] })
    );
    api.principal("DELETE", "/things/a/principals", &arn)
        .await
        .is(404, "ResourceNotFoundException");
}

/// What is named must be there, and must be a certificate of this account.
#[tokio::test]
async fn a_principal_that_is_not_there() {
    let api = Api::new();
    let (arn, _) = api.device("p", "a").await;
    let unknown = format!("arn:aws:iot:us-east-1:123456789012:cert/{}", "0".repeat(64));
    for (path, principal) in [
        ("/things/b/principals", &arn),
        ("/things/a/principals", &unknown),
    ] {
        for method in ["PUT", "DELETE"] {
            api.principal(method, path, principal)
                .await
                .is(404, "ResourceNotFoundException");
        }
    }
    api.principal("GET", "/principals/things", &unknown)
        .await
        .is(404, "ResourceNotFoundException");
    api.refused(
        "GET",
        "/things/b/principals",
        Value::Null,
        404,
        "ResourceNotFoundException",
    )
    .await;
    for wrong in [
        "",
        "cert",
        "us-east-1:1234",
        "arn:aws:iot:us-east-1:123456789012:thing/a",
    ] {
        api.principal("PUT", "/things/a/principals", wrong)
            .await
            .is(400, "InvalidRequestException");
    }
    // Without the header at all.
    api.refused(
        "PUT",
        "/things/a/principals",
        Value::Null,
        400,
        "InvalidRequestException",
    )
    .await;
}

/// `C-54`: an exclusive attachment leaves no room for another.
#[tokio::test]
async fn an_exclusive_principal_has_one_thing() {
    let api = Api::new();
    for name in ["a", "b"] {
        api.ok("POST", &format!("/things/{name}"), Value::Null)
            .await;
    }
    let (arn, _) = api.certificate(true).await;
    let exclusive =
        |thing: &str| format!("/things/{thing}/principals?thingPrincipalType=EXCLUSIVE_THING");
    let path = exclusive("a");
    assert_eq!(api.principal("PUT", &path, &arn).await.status, 200);
    assert_eq!(
        api.principal("PUT", &path, &arn).await.status,
        200,
        "idempotent (G-16)"
    );
    api.principal("PUT", "/things/b/principals", &arn)
        .await
        .is(400, "InvalidRequestException");
    api.principal("PUT", "/things/a/principals", &arn)
        .await
        .is(400, "InvalidRequestException");
    assert_eq!(
        api.principal("DELETE", "/things/a/principals", &arn)
            .await
            .status,
        200
    );
    assert_eq!(
        api.principal("PUT", "/things/b/principals", &arn)
            .await
            .status,
        200
    );
    api.principal("PUT", &path, &arn)
        .await
        .is(400, "InvalidRequestException");
    let shown = api
        .ok(
            "GET",
            "/things/b/principals-v2?thingPrincipalType=EXCLUSIVE_THING",
            Value::Null,
        )
        .await;
    assert_eq!(shown, json!({ "thingPrincipalObjects": [] }));
    api.principal(
        "PUT",
        "/things/b/principals?thingPrincipalType=SOMETIMES",
        &arn,
    )
    .await
    .is(400, "InvalidRequestException");
}
