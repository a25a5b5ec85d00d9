//! What must be there afterwards: QoS 1 into sessions whose clients are away, and into retained topics.
//!
//! Both look, after measuring, whether all that was acknowledged is there. Nothing crashes here: what a crash costs is the
//! business of the soak tests.

use std::cell::Cell;
use std::time::{Duration, Instant};

use thingwire_mqtt::{Packet, PacketId, Properties, Publish, QoS};
use tokio::io::AsyncWriteExt as _;
use tokio::task::spawn_local;

use crate::Outcome;
use crate::broker::Broker;
use crate::connection::{Connection, bytes};
use crate::flow::{PAYLOAD, acknowledge};
use crate::process;
use crate::report::Figures;

/// Publishers; each has a session of its own, or topics of its own.
const PUBLISHERS: usize = 10;
/// Messages for each session at most: ours keeps 10,000.
const QUEUED: usize = 8000;
/// Retained topics of each publisher.
const TOPICS: usize = 100;
/// Of these the last ones are asked for afterwards.
const LOOKED_AT: usize = 10;
/// PUBLISH packets of one publisher without their PUBACK; AWS allows 100 (B-47).
const IN_FLIGHT: usize = 64;

/// How fast acknowledgements come when each message goes to a persistent session whose client is away, and whether they are there
/// when the clients come back.
pub(crate) async fn offline(broker: &Broker, length: Duration) -> Outcome<Figures> {
    let topic = |number: usize| format!("bench/bench-pub-{number}/offline");
    for number in 0..PUBLISHERS {
        let mut connection =
            Connection::open(&broker.access, &format!("bench-away-{number}"), false).await?;
        connection
            .subscribe(&topic(number), QoS::AtLeastOnce)
            .await?;
        connection.close().await?;
    }
    let (acknowledged, figures) =
        publish(broker, length, false, move |number, _| topic(number)).await?;
    let mut lost = 0;
    for (number, count) in acknowledged.into_iter().enumerate() {
        let mut connection =
            Connection::open(&broker.access, &format!("bench-away-{number}"), false).await?;
        if !connection.session_present {
            return Err("the broker forgot a persistent session".into());
        }
        lost += count.saturating_sub(collect(&mut connection, count).await?);
    }
    Ok(figures.losing(lost as u64))
}

/// The same for retained topics: each publisher goes round its own, and afterwards the last ones are asked for.
pub(crate) async fn retained(broker: &Broker, length: Duration) -> Outcome<Figures> {
    let topic = |number: usize, message: usize| {
        format!("bench/bench-pub-{number}/retained/{}", message % TOPICS)
    };
    let (acknowledged, figures) = publish(broker, length, true, topic).await?;
    let mut lost = 0;
    for (number, count) in acknowledged.into_iter().enumerate() {
        let name = format!("bench-away-{number}");
        let mut connection = Connection::open(&broker.access, &name, true).await?;
        for message in count.saturating_sub(LOOKED_AT)..count {
            connection
                .subscribe(&topic(number, message), QoS::AtLeastOnce)
                .await?;
            lost += 1 - collect(&mut connection, 1).await?;
        }
    }
    Ok(figures.losing(lost as u64))
}

/// Publishes for so long; answers how many of each publisher were acknowledged.
async fn publish(
    broker: &Broker,
    length: Duration,
    retain: bool,
    topic: impl Fn(usize, usize) -> String + Copy + 'static,
) -> Outcome<(Vec<usize>, Figures)> {
    let mut connections = Vec::new();
    for number in 0..PUBLISHERS {
        let name = format!("bench-pub-{number}");
        connections.push(Connection::open(&broker.access, &name, true).await?);
    }
    let before = (process::cpu(broker.id)?, process::cpu(std::process::id())?);
    let started = Instant::now();
    let tasks: Vec<_> = connections
        .into_iter()
        .enumerate()
        .map(|(number, connection)| {
            spawn_local(async move {
                let most = if retain { usize::MAX } else { QUEUED };
                let topic = move |message| topic(number, message);
                let sent = one(connection, started + length, most, retain, topic).await;
                sent.map_err(|error| error.to_string())
            })
        })
        .collect();
    let mut acknowledged = Vec::new();
    for task in tasks {
        acknowledged.push(task.await??);
    }
    let seconds = started.elapsed().as_secs_f64();
    let figures = Figures::throughput(
        acknowledged.iter().sum::<usize>() as u64,
        seconds,
        process::cpu(broker.id)? - before.0,
        process::cpu(std::process::id())? - before.1,
        0,
    );
    Ok((acknowledged, figures))
}

/// One publisher: until `end`, or `most` messages; waits for all acknowledgements and answers how many these were.
async fn one(
    connection: Connection,
    end: Instant,
    most: usize,
    retain: bool,
    topic: impl Fn(usize) -> String,
) -> Outcome<usize> {
    let Connection {
        mut reader,
        mut writer,
        ..
    } = connection;
    let (mut id, mut sent, acknowledged) = (PacketId::FIRST, 0, Cell::new(0));
    loop {
        while sent < most && sent - acknowledged.get() < IN_FLIGHT && Instant::now() < end {
            let publish = Packet::Publish(Publish {
                dup: false,
                qos: QoS::AtLeastOnce,
                retain,
                topic: &topic(sent),
                packet_id: Some(id),
                properties: Properties::EMPTY,
                payload: &[0; PAYLOAD],
            });
            writer.write_all(&bytes(&publish)?).await?;
            id = id.next();
            sent += 1;
        }
        if acknowledged.get() == sent {
            return Ok(sent);
        }
        writer.flush().await?;
        reader
            .read(|packet| {
                let one = usize::from(matches!(packet, Packet::PubAck(_)));
                acknowledged.set(acknowledged.get() + one);
            })
            .await?;
    }
}

/// Receives and acknowledges until `count` messages are there or nothing has come for two seconds.
async fn collect(connection: &mut Connection, count: usize) -> Outcome<usize> {
    let mut arrived = 0;
    let mut answer = Vec::new();
    while arrived < count {
        answer.clear();
        let read = connection.reader.read(|packet| {
            if let Packet::Publish(Publish {
                packet_id: Some(packet_id),
                dup: false,
                ..
            }) = packet
            {
                arrived += 1;
                acknowledge(*packet_id, &mut answer);
            }
        });
        match tokio::time::timeout(Duration::from_secs(2), read).await {
            Ok(read) => read?,
            Err(_) => break,
        }
        connection.writer.write_all(&answer).await?;
        connection.writer.flush().await?;
    }
    Ok(arrived)
}
