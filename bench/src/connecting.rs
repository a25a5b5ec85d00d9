//! Connecting: how many a second, and what an idle connection weighs.

use std::time::{Duration, Instant};

use crate::Outcome;
use crate::access::Access;
use crate::broker::Broker;
use crate::connection::Connection;
use crate::process;
use crate::report::Figures;

/// Connections made in the connect scenario, and how many at the same time.
const CONNECTS: usize = 600;
const AT_ONCE: usize = 16;
/// Idle connections whose memory is weighed.
const IDLE: usize = 1000;
/// Time for a broker to give back what the handshakes needed.
const SETTLE: Duration = Duration::from_secs(1);

/// Opens connections from several tasks and closes each at once.
pub(crate) async fn rate(broker: &Broker) -> Outcome<Figures> {
    many(&broker.access, "warm", AT_ONCE, false).await?;
    let before = (process::cpu(broker.id)?, process::cpu(std::process::id())?);
    let started = Instant::now();
    many(&broker.access, "connect", CONNECTS, false).await?;
    let seconds = started.elapsed().as_secs_f64();
    let (broker_cpu, generator_cpu) = (
        process::cpu(broker.id)? - before.0,
        process::cpu(std::process::id())? - before.1,
    );
    Ok(Figures::throughput(
        CONNECTS as u64,
        seconds,
        broker_cpu,
        generator_cpu,
        0,
    ))
}

/// Weighs the broker before and after a thousand connections that say nothing.
pub(crate) async fn idle(broker: &Broker) -> Outcome<Figures> {
    many(&broker.access, "warm", AT_ONCE, false).await?;
    let before = process::resident_kib(broker.id)?;
    let open = many(&broker.access, "idle", IDLE, true).await?;
    tokio::time::sleep(SETTLE).await;
    let after = process::resident_kib(broker.id)?;
    if open.len() != IDLE {
        return Err("not all idle connections were made".into());
    }
    Ok(Figures::plain(
        after.saturating_sub(before) as f64 / IDLE as f64,
    ))
}

/// Opens `count` connections, [`AT_ONCE`] at a time, and keeps them or closes each.
pub(crate) async fn many(
    access: &Access,
    name: &str,
    count: usize,
    keep: bool,
) -> Outcome<Vec<Connection>> {
    let next = std::cell::Cell::new(0);
    let open = std::cell::RefCell::new(Vec::new());
    let worker = async || -> Outcome<()> {
        while next.get() < count {
            let number = next.replace(next.get() + 1);
            let connection =
                Connection::open(access, &format!("bench-{name}-{number}"), true).await?;
            if keep {
                open.borrow_mut().push(connection);
            } else {
                connection.close().await?;
            }
        }
        Ok(())
    };
    // Sixteen tasks on one thread; the futures live on this stack, so they may borrow.
    let (a, b) = tokio::join!(eight(&worker), eight(&worker));
    a?;
    b?;
    Ok(open.into_inner())
}

async fn eight(worker: &impl AsyncFn() -> Outcome<()>) -> Outcome<()> {
    tokio::try_join!(
        worker(),
        worker(),
        worker(),
        worker(),
        worker(),
        worker(),
        worker(),
        worker()
    )
    .map(drop)
}
