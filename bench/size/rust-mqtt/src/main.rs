//! Connect, subscribe with QoS 1, answer each message with a publish with QoS 1, reconnect: over rust-mqtt.
#![no_std]
#![no_main]

#[path = "../../uart.rs"]
mod uart;

use rust_mqtt::Bytes;
use rust_mqtt::buffer::BumpBuffer;
use rust_mqtt::client::Client;
use rust_mqtt::client::event::Event;
use rust_mqtt::client::options::{
    ConnectOptions, PublicationOptions, SubscriptionOptions, TopicReference,
};
use rust_mqtt::types::{MqttString, TopicFilter, TopicName};
use uart::Uart;

async fn device() {
    let mut memory = [0; 1024];
    let mut buffer = BumpBuffer::new(&mut memory);
    let mut client = Client::<'_, '_, Uart, _, 1, 4, 4, 1, 4, 0, 0>::new(&mut buffer);
    let (Ok(id), Ok(asked), Ok(answered)) = (
        MqttString::from_str("esp32-demo"),
        MqttString::from_str("esp32/sub"),
        MqttString::from_str("esp32/pub"),
    ) else {
        return;
    };
    let (Some(filter), Some(topic)) = (TopicFilter::new(asked), TopicName::new(answered)) else {
        return;
    };
    loop {
        let options = ConnectOptions::new();
        if client.connect(Uart, &options, Some(id.as_borrowed())).await.is_err() {
            continue;
        }
        let options = SubscriptionOptions::new().at_least_once();
        if client.subscribe(filter.as_borrowed(), &options).await.is_err() {
            continue;
        }
        let mut copy = [0; 256];
        loop {
            let len = match client.poll().await {
                Ok(Event::Publish(message)) => {
                    uart::use_message(&message.message);
                    let len = message.message.len().min(copy.len());
                    copy[..len].copy_from_slice(&message.message[..len]);
                    len
                }
                Ok(_) => continue,
                Err(_) => break,
            };
            // SAFETY: nothing that the client handed out is kept.
            unsafe { client.buffer_mut().reset() };
            let options = PublicationOptions::new(TopicReference::Name(topic.as_borrowed())).at_least_once();
            if client.publish(&options, Bytes::from(&copy[..len])).await.is_err() {
                break;
            }
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    uart::run(device())
}
