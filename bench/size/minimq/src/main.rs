//! Connect, subscribe with QoS 1, answer each message with a publish with QoS 1, reconnect: over minimq.
#![no_std]
#![no_main]

#[path = "../../uart.rs"]
mod uart;

use core::task::Waker;

use minimq::{Buffers, ConfigBuilder, ConnectEvent, Publication, QoS, Session, TopicFilter};
use uart::Uart;

/// The clock behind embassy-time. Whoever sleeps is polled again anyway.
struct Clock;

impl embassy_time_driver::Driver for Clock {
    fn now(&self) -> u64 {
        uart::now()
    }

    fn schedule_wake(&self, _: u64, _: &Waker) {}
}

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock);

async fn device() {
    let (mut receive, mut transmit) = ([0; 256], [0; 768]);
    let Ok(config) = ConfigBuilder::new(Buffers::new(&mut receive, &mut transmit)).client_id("esp32-demo")
    else {
        return;
    };
    let mut session = Session::new(config);
    loop {
        let Ok(mut connection) = session.connect(Uart).await else {
            continue;
        };
        if matches!(connection.connect_event(), ConnectEvent::Connected)
            && connection.subscribe(&[TopicFilter::new("esp32/sub")], &[]).await.is_err()
        {
            continue;
        }
        let mut copy = [0; 256];
        loop {
            let len = match connection.recv().await {
                Ok(message) => {
                    uart::use_message(message.payload());
                    let len = message.payload().len().min(copy.len());
                    copy[..len].copy_from_slice(&message.payload()[..len]);
                    len
                }
                Err(_) => break,
            };
            let answer = Publication::bytes("esp32/pub", &copy[..len]).qos(QoS::AtLeastOnce);
            if connection.publish(answer).await.is_err() {
                break;
            }
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    uart::run(device())
}
