//! The null peer: TLS, and the least that lets the generator's scenarios run against it.
//!
//! It answers CONNECT, SUBSCRIBE and QoS 1 PUBLISH, and copies each PUBLISH to who asked for its topic, byte by byte as it came
//! but for the packet identifier. No policy, no session, no limit, no log, one thread. What the generator reaches
//! with it, it could reach with a broker that did nothing.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use thingwire_mqtt::topic::{ParentMatch, matches};
use thingwire_mqtt::{Ack, ConnAck, Packet, Properties, QoS, ReasonCode, SubAck, Version, split};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};
use tokio_rustls::TlsAcceptor;

use crate::{Outcome, access};

/// Largest packet it takes.
const PACKET: usize = 256 * 1024;
/// Read buffer of a connection.
const READ: usize = 64 * 1024;

/// One connection's way out.
#[derive(Default)]
struct Sink {
    pending: RefCell<Vec<u8>>,
    wake: Notify,
    identifier: Cell<u16>,
}

#[derive(Default)]
struct State {
    subscriptions: RefCell<Vec<(String, Rc<Sink>)>>,
    /// By topic; forgotten when somebody subscribes.
    routes: RefCell<HashMap<String, Rc<[Rc<Sink>]>>>,
}

/// Listens until the process ends, and says on which port.
pub(crate) fn run(folder: &Path) -> Outcome<()> {
    let acceptor = TlsAcceptor::from(Arc::new(access::server(folder)?));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("port {}", listener.local_addr()?.port());
        let state = Rc::new(State::default());
        loop {
            let (stream, _) = listener.accept().await?;
            let (acceptor, state) = (acceptor.clone(), Rc::clone(&state));
            spawn_local(async move {
                // A client that leaves is no error here.
                let _ = serve(&acceptor, stream, &state).await;
            });
        }
    })
}

async fn serve(acceptor: &TlsAcceptor, stream: TcpStream, state: &State) -> Outcome<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = tokio::io::split(acceptor.accept(stream).await?);
    let sink = Rc::new(Sink::default());
    let pending = Rc::clone(&sink);
    let writing = spawn_local(async move {
        let mut bytes = Vec::new();
        loop {
            std::mem::swap(&mut bytes, &mut pending.pending.borrow_mut());
            if bytes.is_empty() {
                pending.wake.notified().await;
                continue;
            }
            if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
                return;
            }
            bytes.clear();
        }
    });
    let end = read(reader, &sink, state).await;
    let mut subscriptions = state.subscriptions.borrow_mut();
    subscriptions.retain(|(_, other)| !Rc::ptr_eq(other, &sink));
    state.routes.borrow_mut().clear();
    writing.abort();
    end
}

async fn read(mut reader: impl AsyncRead + Unpin, sink: &Rc<Sink>, state: &State) -> Outcome<()> {
    let mut buffer = vec![0; READ];
    let mut bytes = Vec::new();
    loop {
        let count = reader.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&buffer[..count]);
        let mut used = 0;
        while let Some((frame, length)) = split(&bytes[used..], PACKET)? {
            let packet = Packet::decode(Version::V311, &frame)?;
            handle(&packet, &bytes[used..used + length], sink, state)?;
            used += length;
        }
        bytes.drain(..used);
    }
}

fn handle(packet: &Packet<'_>, whole: &[u8], sink: &Rc<Sink>, state: &State) -> Outcome<()> {
    match packet {
        Packet::Connect(_) => answer(
            sink,
            &Packet::ConnAck(ConnAck {
                session_present: false,
                reason_code: ReasonCode::SUCCESS,
                properties: Properties::EMPTY,
            }),
        ),
        Packet::Subscribe(subscribe) => {
            let mut codes = Vec::new();
            for filter in subscribe.filters.iter() {
                codes.push(filter.qos.min(QoS::AtLeastOnce).bits());
                let subscription = (filter.filter.to_owned(), Rc::clone(sink));
                state.subscriptions.borrow_mut().push(subscription);
            }
            state.routes.borrow_mut().clear();
            answer(
                sink,
                &Packet::SubAck(SubAck {
                    packet_id: subscribe.packet_id,
                    properties: Properties::EMPTY,
                    reason_codes: &codes,
                }),
            )
        }
        Packet::Publish(publish) => {
            let at = whole.len() - publish.payload.len() - 2;
            for to in state.route(publish.topic).iter() {
                let mut pending = to.pending.borrow_mut();
                let start = pending.len();
                pending.extend_from_slice(whole);
                if publish.packet_id.is_some() {
                    let identifier = to.identifier.get().wrapping_add(1).max(1);
                    to.identifier.set(identifier);
                    pending[start + at..start + at + 2].copy_from_slice(&identifier.to_be_bytes());
                }
                to.wake.notify_one();
            }
            match publish.packet_id {
                None => Ok(()),
                Some(packet_id) => answer(
                    sink,
                    &Packet::PubAck(Ack {
                        packet_id,
                        reason_code: ReasonCode::SUCCESS,
                        properties: Properties::EMPTY,
                    }),
                ),
            }
        }
        _ => Ok(()),
    }
}

impl State {
    fn route(&self, topic: &str) -> Rc<[Rc<Sink>]> {
        if let Some(route) = self.routes.borrow().get(topic) {
            return Rc::clone(route);
        }
        let subscriptions = self.subscriptions.borrow();
        let route: Rc<[_]> = subscriptions
            .iter()
            .filter(|(filter, _)| matches(filter, topic, ParentMatch::Included))
            .map(|(_, sink)| Rc::clone(sink))
            .collect();
        let mut routes = self.routes.borrow_mut();
        routes.insert(topic.to_owned(), Rc::clone(&route));
        route
    }
}

fn answer(sink: &Sink, packet: &Packet<'_>) -> Outcome<()> {
    let bytes = crate::connection::bytes(packet)?;
    sink.pending.borrow_mut().extend_from_slice(&bytes);
    sink.wake.notify_one();
    Ok(())
}
