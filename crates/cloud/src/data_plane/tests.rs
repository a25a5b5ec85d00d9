//! Publishing over HTTP while the disk refuses: what must be kept is not accepted.

use thingwire_broker::{AllowAll, Config, Silent};
use thingwire_store::faults::Disk;
use thingwire_store::{RedbStore, Store};

use super::*;

fn plane(disk: &Disk) -> DataPlane {
    let store = RedbStore::with_backend_and_retry(disk.clone(), Duration::ZERO).unwrap();
    DataPlane {
        broker: Broker::start(
            Config::default(),
            None,
            Arc::new(AllowAll),
            Arc::new(Silent),
        )
        .unwrap(),
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
        table: "t",
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
