//! What is written is read, damage is noticed, and what does not fit is named.

use super::*;

fn message(topic: &str) -> StoredMessage {
    StoredMessage {
        topic: topic.to_owned(),
        payload: Bytes::from_static(b"x"),
        qos: QoS::AtLeastOnce,
        properties: vec![1, 1],
        expires: Some(Millis(5)),
    }
}

fn records() -> Vec<Record> {
    let qos = QoS::AtLeastOnce;
    let subscription = |filter: &str, identifier| Record::Subscription {
        session: 3,
        filter: filter.to_owned(),
        qos,
        no_local: identifier > 0,
        retain_as_published: false,
        identifier,
    };
    vec![
        Record::Session {
            number: 3,
            client_id: "lamp".to_owned(),
            version: Version::V5,
            expiry: 60,
            disconnected: None,
        },
        subscription("a/+", 7),
        subscription("$share/g/a", 0),
        Record::Queued {
            session: 3,
            sequence: 9,
            qos,
            retained: true,
            identifiers: vec![7, 268_435_455],
            content: Content::Message(message("a/b")),
        },
        Record::Queued {
            session: 3,
            sequence: 10,
            qos,
            retained: false,
            identifiers: vec![8],
            content: Content::Body(5),
        },
        Record::Body {
            id: 5,
            message: message("b"),
        },
        Record::Shared {
            filter: "$share/g/a".to_owned(),
            number: 0,
            message: message("a"),
        },
        Record::Retained {
            message: message("a"),
        },
        Record::Will {
            client_id: "lamp".to_owned(),
            retain: true,
            delay: 7,
            due: Some(Millis(9)),
            message: StoredMessage {
                expires: None,
                ..message("will")
            },
        },
    ]
}

#[test]
fn what_is_written_is_read_and_everything_fits() {
    for record in records() {
        let (table, row) = record.row();
        assert_eq!(Record::read(table, &row).as_ref(), Ok(&record));
    }
    assert_eq!(problems(&records()), []);
}

#[test]
fn no_cut_or_changed_byte_panics_and_what_is_read_is_written_again() {
    for record in records() {
        let (table, (key, value)) = record.row();
        for at in 0..value.len() {
            let cut = (key.clone(), value[..at].to_vec());
            if let Ok(read) = Record::read(table, &cut) {
                assert_eq!(read.row(), (table, cut));
            }
            for flip in [1, 0x80, 0xff] {
                let mut value = value.clone();
                value[at] ^= flip;
                let row = (key.clone(), value);
                if let Ok(read) = Record::read(table, &row) {
                    assert_eq!(read.row(), (table, row));
                }
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let mut records = records();
    let Some(Record::Session { number, .. }) = records.first_mut() else {
        panic!("a session");
    };
    *number = 4;
    records.push(Record::Session {
        number: 5,
        client_id: "lamp".to_owned(),
        version: Version::V311,
        expiry: 60,
        disconnected: Some(Millis(1)),
    });
    records.remove(2);
    let Some(Record::Will { client_id, .. }) = records.get_mut(7) else {
        panic!("a Will");
    };
    "gone".clone_into(client_id);
    let found: Vec<_> = problems(&records).into_iter().collect();
    assert_eq!(
        found,
        [
            (1, "there is no session 3".to_owned()),
            (2, "there is no session 3".to_owned()),
            (3, "there is no session 3".to_owned()),
            (5, "no session is subscribed to `$share/g/a`".to_owned()),
            (
                7,
                "the Will of `gone` waits, and it has no session".to_owned()
            ),
            (8, "client `lamp` has session 4 as well".to_owned()),
        ]
    );
}

#[test]
fn what_could_never_have_been_stored_is_refused() {
    let mut wrong = records();
    for record in &mut wrong {
        match record {
            Record::Session { expiry, .. } => *expiry = 0,
            Record::Subscription { filter, .. } | Record::Shared { filter, .. } => {
                "#/a".clone_into(filter);
            }
            Record::Queued { content, .. } => *content = Content::Message(message("a/+")),
            Record::Body { message, .. } => "a/+".clone_into(&mut message.topic),
            Record::Retained { message } => message.payload = Bytes::new(),
            Record::Will { message, .. } => message.expires = Some(Millis(5)),
        }
        let (table, row) = record.row();
        assert!(Record::read(table, &row).is_err(), "{record:?}");
    }
    for mut record in records() {
        if let Record::Will { client_id, .. } = &mut record {
            client_id.clear();
            let (table, row) = record.row();
            assert!(Record::read(table, &row).is_err(), "{record:?}");
        }
    }
}
