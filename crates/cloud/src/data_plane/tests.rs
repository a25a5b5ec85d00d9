//! Publishing over HTTP while the disk refuses, and over a quota: what cannot be kept or is too much is not accepted.

use thingwire_broker::{AllowAll, Config, Quotas, Silent};
use thingwire_store::faults::Disk;
use thingwire_store::{RedbStore, Store};

use super::*;

fn plane(disk: &Disk) -> DataPlane {
    plane_with(disk, Config::default())
}

fn plane_with(disk: &Disk, config: Config) -> DataPlane {
    let store = RedbStore::with_backend_and_retry(disk.clone(), Duration::ZERO).unwrap();
    DataPlane {
        broker: Broker::start(config, None, Arc::new(AllowAll), Arc::new(Silent)).unwrap(),
        store: Arc::new(Metered::new(Arc::new(store))),
        authorizer: Arc::new(AllowAll),
        refusals: Arc::default(),
        keys: AccessKeys::default(),
        region: "us-east-1".to_owned(),
        skew: Duration::from_secs(300),
        websocket_life: Duration::from_secs(3600),
    }
}

async fn post(plane: &DataPlane, target: &str) -> (u16, Option<HeaderValue>) {
    let request = Request::post(target).body(Body::from("x")).unwrap();
    let caller = Caller {
        address: "192.0.2.1:1234".parse().unwrap(),
        server_name: None,
        certificate_id: Some("c1".to_owned()),
    };
    let answer = plane.answer(request, &caller, &Mutex::default()).await;
    let kind = answer.headers().get("x-amzn-errortype").cloned();
    (answer.status().as_u16(), kind)
}

/// `F-25`; a message with QoS 0 is kept by nobody.
#[tokio::test]
async fn what_cannot_be_kept_is_refused() {
    let disk = Disk::new();
    let plane = plane(&disk);
    let kept = ["/topics/a?qos=1", "/topics/a?retain=true"];
    for target in kept {
        assert_eq!(post(&plane, target).await, (200, None), "{target}");
    }
    disk.fail_writes(Some(std::io::ErrorKind::StorageFull));
    let failing = plane.store.commit(vec![thingwire_store::Write::Put {
        table: "probe",
        key: b"k".to_vec(),
        value: vec![0; 4 << 20],
    }]);
    failing.unwrap_err();
    let refused = HeaderValue::from_static("InternalFailureException");
    for target in kept {
        assert_eq!(
            post(&plane, target).await,
            (500, Some(refused.clone())),
            "{target}"
        );
    }
    assert_eq!(post(&plane, "/topics/a").await, (200, None));
}

/// `F-25`, `B-65`, H.2: the account's quotas count what comes over HTTPS, and 429 names the one that is over.
#[tokio::test]
async fn what_is_over_a_quota_is_throttled() {
    let quotas = |text: &str| {
        let mut quotas = Quotas::default();
        quotas.set_text(text).unwrap();
        Config {
            quotas: Some(quotas),
            ..Config::default()
        }
    };
    // None of it is allowed, so that no time matters: the quota of 0, what passes all the same, what does not.
    let rows: [(&str, &[&str], &str); 5] = [
        ("inbound-publishes", &[], "/topics/a"),
        (
            "retained-publishes",
            &["/topics/a"],
            "/topics/a?retain=true",
        ),
        (
            "retained-per-topic",
            &["/topics/a"],
            "/topics/a?retain=true",
        ),
        ("retained-messages", &["/topics/a"], "/topics/a?retain=true"),
        // Of connections, and a request has none that counts (`B-45`).
        (
            "publishes-per-connection",
            &["/topics/a", "/topics/a?retain=true"],
            "",
        ),
    ];
    for (name, pass, refused) in rows {
        let plane = plane_with(&Disk::new(), quotas(&format!("{name}=0")));
        for target in pass {
            assert_eq!(post(&plane, target).await, (200, None), "{name}: {target}");
        }
        if refused.is_empty() {
            continue;
        }
        let throttled = (429, Some(HeaderValue::from_static("ThrottlingException")));
        assert_eq!(post(&plane, refused).await, throttled, "{name}");
        let told = plane.refusals.list(None, None).remove(0).explanation;
        assert!(told.contains(&format!("`{name}` (0)")), "{told}");
        assert_eq!(plane.broker.statistics().refused_publishes, 1);
    }
}
