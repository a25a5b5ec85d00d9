//! Connect, subscribe with QoS 1, answer each message with a publish with QoS 1, reconnect: over
//! Thingwire's engine with the smallest driver that keeps its promises.
#![no_std]
#![no_main]

#[path = "../../uart.rs"]
mod uart;

use embedded_io_async::{Read as _, Write as _};
use thingwire_mqtt::client::{
    ConnectOptions, Event, FrameReader, Incoming, Millis, Outgoing, Session,
};
use thingwire_mqtt::{QoS, ReasonCode, SubscribeFilter, Version};
use uart::Uart;

fn now() -> Millis {
    Millis(uart::now())
}

#[cfg(feature = "v5")]
fn version() -> Version {
    // Both versions stay in the program, because nobody knows the answer when it is linked.
    if uart::is_ready() { Version::V5 } else { Version::V311 }
}

#[cfg(not(feature = "v5"))]
fn version() -> Version {
    Version::V311
}

async fn device() {
    let (mut arena, mut receive) = ([0; 768], [0; 256]);
    let options = ConnectOptions::new(version(), "esp32-demo");
    let mut session = Session::new(options, &mut arena, receive.len());
    let filter = [SubscribeFilter::new("esp32/sub", QoS::AtLeastOnce)];
    let Ok(ticket) = session.subscribe(&filter) else {
        return;
    };
    session.forget(ticket);
    loop {
        let mut reader = FrameReader::new(&mut receive);
        if session.start(now()).is_ok() {
            connection(&mut session, &mut reader, Uart).await;
        }
        session.connection_lost();
    }
}

/// One connection, until it ends.
async fn connection(session: &mut Session<'_>, reader: &mut FrameReader<'_>, mut uart: Uart) {
    loop {
        let mut out = [0; 128];
        loop {
            let count = session.poll_transmit(now(), &mut out);
            let Some(bytes) = out.get(..count).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            if uart.write_all(bytes).await.is_err() || uart.flush().await.is_err() {
                return;
            }
        }
        if uart::is_ready() {
            match uart.read(reader.space()).await {
                Ok(count) if count > 0 => reader.filled(count),
                _ => return,
            }
        }
        while session.is_ready() {
            let taken = match reader.next() {
                Ok(Some(Incoming::Frame(frame))) => match session.receive(now(), &frame) {
                    Ok(Event::Message(message)) => {
                        uart::use_message(message.payload);
                        if let Some(id) = message.packet_id {
                            session.acknowledge(id, ReasonCode::SUCCESS);
                        }
                        let answer = Outgoing::new("esp32/pub", message.payload, message.qos);
                        if let Ok(ticket) = session.publish(answer) {
                            session.forget(ticket);
                        }
                        Ok(())
                    }
                    Ok(_) => Ok(()),
                    Err(error) => Err(error),
                },
                Ok(Some(Incoming::Skipped(skipped))) => session.skipped(now(), &skipped),
                Ok(None) => break,
                Err(error) => Err(error.into()),
            };
            if let Err(error) = taken {
                session.abort(&error);
            }
        }
        if let Err(error) = session.handle_timeout(now()) {
            session.abort(&error);
        }
        if session.is_closed() {
            return;
        }
        uart::pause().await;
    }
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    uart::run(device())
}
