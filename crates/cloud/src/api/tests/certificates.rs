//! The life of a certificate.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Api, csr, own_certificate};

/// `A-23`, `A-25`, `G-6`, `G-21`: what CreateCertificateFromCsr and DescribeCertificate say.
#[tokio::test]
async fn a_certificate_is_issued_from_a_request() {
    let api = Api::new();
    let made = api
        .ok(
            "POST",
            "/certificates",
            json!({ "certificateSigningRequest": csr() }),
        )
        .await;
    let id = made["certificateId"].as_str().expect("an id");
    assert_eq!(id.len(), 64);
    let arn = format!("arn:aws:iot:us-east-1:123456789012:cert/{id}");
    assert_eq!(made["certificateArn"], arn.as_str());
    let body = api
        .ok("GET", &format!("/certificates/{id}"), Value::Null)
        .await;
    let described = &body["certificateDescription"];
    assert_eq!(described["certificateArn"], arn.as_str());
    assert_eq!(described["certificatePem"], made["certificatePem"]);
    assert_eq!(
        described["status"], "INACTIVE",
        "setAsActive is false by default"
    );
    assert_eq!(described["ownedBy"], "123456789012");
    assert_eq!(described["certificateMode"], "DEFAULT");
    assert_eq!(described["customerVersion"], 1);
    assert_eq!(
        described["validity"]["notAfter"], 2_524_607_999_i64,
        "2049-12-31T23:59:59Z"
    );
    let created = described["creationDate"]
        .as_f64()
        .expect("seconds, as a number");
    assert!((1.7e9..4.0e9).contains(&created), "{created}");
}

/// `G-21`: the private key is answered once and kept nowhere.
#[tokio::test]
async fn keys_are_made_and_forgotten() {
    let api = Api::new();
    let made = api
        .ok(
            "POST",
            "/keys-and-certificate?setAsActive=true",
            Value::Null,
        )
        .await;
    let private = made["keyPair"]["PrivateKey"].as_str().expect("a key");
    assert!(private.starts_with("-----BEGIN"), "PEM");
    assert!(
        made["keyPair"]["PublicKey"]
            .as_str()
            .expect("a key")
            .contains("PUBLIC KEY")
    );
    let id = made["certificateId"].as_str().expect("an id");
    let described = api
        .ok("GET", &format!("/certificates/{id}"), Value::Null)
        .await;
    assert_eq!(described["certificateDescription"]["status"], "ACTIVE");
    assert!(described["certificateDescription"]["keyPair"].is_null());
    let secret: Vec<u8> = private.lines().nth(1).expect("a line").bytes().collect();
    let image = api.disk.image();
    assert!(
        !image.windows(secret.len()).any(|part| part == secret),
        "the key is on the disk"
    );
}

/// `A-33`, `G-14`: a certificate of one's own is registered once.
#[tokio::test]
async fn a_certificate_is_registered_without_a_ca() {
    let api = Api::new();
    let body = json!({ "certificatePem": own_certificate(), "status": "ACTIVE" });
    let made = api
        .ok("POST", "/certificate/register-no-ca", body.clone())
        .await;
    let id = made["certificateId"].as_str().expect("an id");
    let described = api
        .ok("GET", &format!("/certificates/{id}"), Value::Null)
        .await;
    assert_eq!(described["certificateDescription"]["status"], "ACTIVE");
    assert_eq!(
        described["certificateDescription"]["certificateMode"],
        "SNI_ONLY"
    );

    let again = api.call("POST", "/certificate/register-no-ca", body).await;
    assert_eq!(again.body["resourceId"], made["certificateId"]);
    assert_eq!(again.body["resourceArn"], made["certificateArn"]);
    let message = again.is(409, "ResourceAlreadyExistsException");
    assert_eq!(
        message,
        "The certificate is already provisioned or registered"
    );
}

/// Requests and certificates that are not what they should be, each refused by name.
#[tokio::test]
async fn what_is_not_a_certificate() {
    let api = Api::new();
    for wrong in [
        json!("hello"),
        json!(own_certificate()),
        json!("x".repeat(5000)),
        json!(1),
        json!(""),
        Value::Null,
    ] {
        api.refused(
            "POST",
            "/certificates",
            json!({ "certificateSigningRequest": wrong }),
            400,
            "InvalidRequestException",
        )
        .await;
    }
    for (wrong, exception) in [
        (
            json!({ "certificatePem": "hello" }),
            "CertificateValidationException",
        ),
        (
            json!({ "certificatePem": csr() }),
            "CertificateValidationException",
        ),
        (json!({ "certificatePem": "" }), "InvalidRequestException"),
        (json!({}), "InvalidRequestException"),
        (
            json!({ "certificatePem": own_certificate(), "status": "GREEN" }),
            "InvalidRequestException",
        ),
        (
            json!({ "certificatePem": own_certificate(), "status": "REGISTER_INACTIVE" }),
            "InvalidRequestException",
        ),
    ] {
        api.refused("POST", "/certificate/register-no-ca", wrong, 400, exception)
            .await;
    }
    for id in ["xyz", &"0".repeat(63), &"g".repeat(64)] {
        api.refused(
            "GET",
            &format!("/certificates/{id}"),
            Value::Null,
            400,
            "InvalidRequestException",
        )
        .await;
    }
    let unknown = format!("/certificates/{}", "0".repeat(64));
    for (method, query) in [("GET", ""), ("PUT", "?newStatus=ACTIVE"), ("DELETE", "")] {
        let path = format!("{unknown}{query}");
        api.refused(method, &path, Value::Null, 404, "ResourceNotFoundException")
            .await;
    }
}

/// `A-26`: what UpdateCertificate may set, and that REVOKED is the end.
#[tokio::test]
async fn a_certificate_changes_its_status() {
    let api = Api::new();
    let (_, id) = api.certificate(true).await;
    let set = |status: &str| format!("/certificates/{id}?newStatus={status}");
    let status = async || {
        let body = api
            .ok("GET", &format!("/certificates/{id}"), Value::Null)
            .await;
        let described = &body["certificateDescription"];
        (
            described["status"].clone(),
            described["customerVersion"].clone(),
        )
    };
    api.ok("PUT", &set("INACTIVE"), Value::Null).await;
    assert_eq!(status().await, (json!("INACTIVE"), json!(2)));
    api.ok("PUT", &set("ACTIVE"), Value::Null).await;
    for name in [
        "PENDING_TRANSFER",
        "PENDING_ACTIVATION",
        "REGISTER_INACTIVE",
        "active",
        "",
    ] {
        api.refused(
            "PUT",
            &set(name),
            Value::Null,
            400,
            "InvalidRequestException",
        )
        .await;
    }
    let path = format!("/certificates/{id}");
    api.refused("PUT", &path, Value::Null, 400, "InvalidRequestException")
        .await;
    api.ok("PUT", &set("REVOKED"), Value::Null).await;
    for name in ["ACTIVE", "INACTIVE"] {
        api.refused(
            "PUT",
            &set(name),
            Value::Null,
            406,
            "CertificateStateException",
        )
        .await;
    }
    assert_eq!(status().await, (json!("REVOKED"), json!(4)));
}

/// `A-27`: whoever cares is told when a certificate stops being ACTIVE, and only then.
#[tokio::test]
async fn leaving_active_is_told() {
    let api = Api::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&told);
    api.registry.on_certificate_left_active(Box::new(move |id| {
        list.lock().expect("a list").push(id.to_owned())
    }));
    let (_, id) = api.certificate(true).await;
    let (_, idle) = api.certificate(false).await;
    for (id, status) in [
        (&id, "ACTIVE"),
        (&idle, "REVOKED"),
        (&id, "INACTIVE"),
        (&id, "REVOKED"),
    ] {
        let path = format!("/certificates/{id}?newStatus={status}");
        api.ok("PUT", &path, Value::Null).await;
    }
    assert_eq!(*told.lock().expect("a list"), [id]);
}

/// `G-13`: ACTIVE first, then things, then policies; `forceDelete` helps against policies only.
#[tokio::test]
async fn a_certificate_is_deleted_in_order() {
    let api = Api::new();
    let (arn, id) = api.device("p", "a").await;
    let path = format!("/certificates/{id}");
    let forced = format!("/certificates/{id}?forceDelete=true");
    for path in [&path, &forced] {
        let message = api
            .refused(
                "DELETE",
                path,
                Value::Null,
                406,
                "CertificateStateException",
            )
            .await;
        assert_eq!(
            message,
            format!("Certificate must be deactivated (not ACTIVE) before deletion. Id: {id}")
        );
    }
    let inactive = format!("/certificates/{id}?newStatus=INACTIVE");
    api.ok("PUT", &inactive, Value::Null).await;
    for path in [&path, &forced] {
        let message = api
            .refused("DELETE", path, Value::Null, 409, "DeleteConflictException")
            .await;
        assert_eq!(
            message,
            format!("Things must be detached before deletion (arn: {arn})")
        );
    }
    assert_eq!(
        api.principal("DELETE", "/things/a/principals", &arn)
            .await
            .status,
        200
    );
    let message = api
        .refused("DELETE", &path, Value::Null, 409, "DeleteConflictException")
        .await;
    assert_eq!(
        message,
        format!("Certificate policies must be detached before deletion (arn: {arn})")
    );
    api.ok("DELETE", &forced, Value::Null).await;
    api.refused("GET", &path, Value::Null, 404, "ResourceNotFoundException")
        .await;
    // The policy went with it, so it has no target and can be deleted.
    assert_eq!(
        api.ok("POST", "/policy-targets/p", Value::Null).await,
        json!({ "targets": [] })
    );
    api.ok("DELETE", "/policies/p", Value::Null).await;
}

/// `G-22`: lists in the order of creation, newest first unless asked.
#[tokio::test]
async fn certificates_are_listed() {
    let api = Api::new();
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(api.certificate(false).await.1);
    }
    let ids = |body: &Value| -> Vec<String> {
        let list = body["certificates"].as_array().expect("a list").iter();
        list.map(|item| item["certificateId"].as_str().expect("an id").to_owned())
            .collect()
    };
    let oldest = api
        .ok(
            "GET",
            "/certificates?isAscendingOrder=true&pageSize=2",
            Value::Null,
        )
        .await;
    assert_eq!(ids(&oldest), made[..2]);
    let marker = oldest["nextMarker"].as_str().expect("a marker");
    let path = format!("/certificates?isAscendingOrder=true&marker={marker}");
    assert_eq!(ids(&api.ok("GET", &path, Value::Null).await), made[2..]);
    made.reverse();
    let newest = api.ok("GET", "/certificates", Value::Null).await;
    assert_eq!(ids(&newest), made);
    assert_eq!(newest["certificates"][0]["status"], "INACTIVE");
    // A marker of the other order is not one of this list.
    api.refused(
        "GET",
        &format!("/certificates?marker={marker}"),
        Value::Null,
        400,
        "InvalidRequestException",
    )
    .await;
}
