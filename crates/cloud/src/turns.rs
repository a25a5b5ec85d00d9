//! How long a TLS handshake may take, and how many there are at a time.
//!
//! A client says hello first, and who is silent takes nobody's turn. Then it waits for its turn, and has a few seconds for the rest. So
//! silent connections cost a socket and a timer each, handshakes that stop cost one of a fixed number of turns for a fixed time, and
//! whoever does it is told of by [`Laggards`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use crate::laggards::{Laggards, Note};

/// The ClientHello may take this long.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(15);
/// The wait for its turn: three rounds of handshakes that stop.
const TURN: Duration = Duration::from_secs(3 * AFTER_HELLO.as_secs());
/// The rest of the handshake, once it has its turn. A chip needs up to two seconds, and much more where it is emulated or has nothing
/// that helps with RSA.
const AFTER_HELLO: Duration = Duration::from_secs(15);
/// Handshakes at a time, of those that have said hello: each costs about a millisecond of a core and some ten KiB. A hundred that
/// stop each second leave a turn for others.
const HANDSHAKES: usize = 1_536;

/// Why a handshake did not end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    /// They took too long.
    Peer,
    /// That is ours: too many others have said hello.
    NoTurn,
}

/// The turns of all device listeners.
pub(crate) struct Turns {
    handshakes: Semaphore,
    laggards: Arc<Laggards>,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self {
            handshakes: Semaphore::new(HANDSHAKES),
            laggards: Arc::default(),
        }
    }

    /// Waits for the hello of one from `source`, for its turn, and for the `rest`. Being dropped gives the turn back.
    ///
    /// # Errors
    /// [`Late`] when one of them took too long; what the hello or the rest answers is the caller's.
    pub(crate) async fn handshake<H, T, E>(
        &self,
        source: IpAddr,
        hello: impl Future<Output = Result<H, E>>,
        rest: impl AsyncFnOnce(H) -> Result<T, E>,
    ) -> Result<Result<T, E>, Late> {
        let hello = match timeout(HANDSHAKE, hello).await {
            Err(_) => return Err(self.late(source)),
            Ok(Err(error)) => return Ok(Err(error)),
            Ok(Ok(hello)) => hello,
        };
        // Never closed, so acquiring cannot fail.
        let Ok(_turn) = timeout(TURN, self.handshakes.acquire()).await else {
            return Err(Late::NoTurn);
        };
        timeout(AFTER_HELLO, rest(hello))
            .await
            .map_err(|_| self.late(source))
    }

    /// Tells of a handshake that stopped, at once or with others.
    fn late(&self, source: IpAddr) -> Late {
        let tell = |source: IpAddr, count: u64| {
            tracing::warn!(
                %source, count,
                "connections that did not finish their TLS handshake in time were closed"
            );
        };
        match self.laggards.note(now(), source) {
            Note::Now => tell(source, 1),
            Note::Later(wait) => {
                let laggards = Arc::clone(&self.laggards);
                tokio::spawn(async move {
                    sleep(wait).await;
                    tell(source, laggards.rest(now(), source));
                });
            }
            Note::Nothing => {}
        }
        Late::Peer
    }
}

/// On the clock that timers use.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tempfile::{NamedTempFile, TempPath};
    use tokio::task::JoinSet;
    use tracing::subscriber::DefaultGuard;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// What is logged, from warnings on, while the guard lives.
    fn log() -> (TempPath, DefaultGuard) {
        let (file, path) = NamedTempFile::new().unwrap().into_parts();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_ansi(false)
            .with_writer(Arc::new(file));
        (path, tracing::subscriber::set_default(subscriber.finish()))
    }

    type Done = (Duration, Result<Result<(), ()>, Late>);

    /// One that says hello after `hello` and needs `rest` for the rest, or never ends; when it was over and how.
    fn start(
        all: &mut JoinSet<Done>,
        turns: &Arc<Turns>,
        hello: Option<Duration>,
        rest: Option<Duration>,
    ) {
        async fn after(time: Option<Duration>) -> Result<(), ()> {
            match time {
                Some(time) => sleep(time).await,
                None => pending().await,
            }
            Ok(())
        }
        let turns = Arc::clone(turns);
        all.spawn(async move {
            let begun = Instant::now();
            let done = turns.handshake(HERE, after(hello), async |()| after(rest).await);
            let done = done.await;
            (begun.elapsed(), done)
        });
    }

    const SOON: Option<Duration> = Some(Duration::ZERO);

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_takes_nobodys_turn_and_is_closed_after_its_time() {
        let turns = Arc::new(Turns::new());
        let mut silent = JoinSet::new();
        for _ in 0..10 * HANDSHAKES {
            start(&mut silent, &turns, None, SOON);
        }
        tokio::task::yield_now().await;
        let mut honest = JoinSet::new();
        start(&mut honest, &turns, SOON, SOON);
        let (took, done) = honest.join_next().await.unwrap().unwrap();
        assert_eq!(done, Ok(Ok(())));
        assert!(took < Duration::from_millis(10), "{took:?}");
        for (took, done) in silent.join_all().await {
            assert_eq!((took, done), (HANDSHAKE, Err(Late::Peer)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn handshakes_that_stop_hold_so_many_turns_for_so_long_and_no_more() {
        let turns = Arc::new(Turns::new());
        let mut stopped = JoinSet::new();
        for _ in 0..2 * HANDSHAKES {
            start(&mut stopped, &turns, SOON, None);
        }
        tokio::task::yield_now().await;
        // A board of two seconds, which waits behind two rounds of them.
        let mut honest = JoinSet::new();
        let slow = Some(Duration::from_secs(2));
        start(&mut honest, &turns, SOON, slow);
        let (took, done) = honest.join_next().await.unwrap().unwrap();
        assert_eq!(done, Ok(Ok(())));
        assert_eq!(took.as_secs(), 2 * AFTER_HELLO.as_secs() + 2);
        let mut late: Vec<_> = stopped.join_all().await;
        late.sort_by_key(|(took, _)| *took);
        for (at, (took, done)) in late.into_iter().enumerate() {
            let round = if at < HANDSHAKES { 1 } else { 2 };
            assert_eq!(took.as_secs(), round * AFTER_HELLO.as_secs());
            assert_eq!(done, Err(Late::Peer));
        }
        // All are there again.
        assert_eq!(turns.handshakes.available_permits(), HANDSHAKES);
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_turn_in_time_is_told_nothing_bad_of() {
        let (log, _logging) = log();
        let turns = Arc::new(Turns::new());
        let _busy = turns
            .handshakes
            .acquire_many(u32::try_from(HANDSHAKES).unwrap())
            .await
            .unwrap();
        let done = turns.handshake(HERE, ready(Ok::<_, ()>(())), async |()| Ok(()));
        assert_eq!(done.await, Err(Late::NoTurn));
        assert_eq!(std::fs::read_to_string(log).unwrap(), "");
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_by_itself_keeps_no_turn_and_is_no_laggard() {
        let turns = Turns::new();
        let hello = turns.handshake(HERE, ready(Err::<(), _>("hello")), async |()| Ok(()));
        assert_eq!(hello.await, Ok(Err("hello")));
        let rest = turns.handshake(HERE, ready(Ok(())), async |()| Err::<(), _>("rest"));
        assert_eq!(rest.await, Ok(Err("rest")));
        assert_eq!(turns.handshakes.available_permits(), HANDSHAKES);
    }

    #[tokio::test(start_paused = true)]
    async fn an_attack_is_named_at_once_and_its_number_when_it_is_over() {
        let (log, _logging) = log();
        let turns = Arc::new(Turns::new());
        let mut stopped = JoinSet::new();
        for _ in 0..100 {
            start(&mut stopped, &turns, None, SOON);
        }
        stopped.join_all().await;
        let so_far = || -> Vec<String> {
            let text = std::fs::read_to_string(&log).unwrap();
            text.lines().map(str::to_owned).collect()
        };
        assert_eq!(so_far().len(), 1, "{:?}", so_far());
        assert!(so_far()[0].ends_with("source=127.0.0.1 count=1"));
        // The timer that was set with the second of them.
        sleep(Duration::from_secs(61)).await;
        assert_eq!(so_far().len(), 2, "{:?}", so_far());
        assert!(so_far()[1].ends_with("source=127.0.0.1 count=99"));
        sleep(Duration::from_secs(600)).await;
        assert_eq!(so_far().len(), 2);
    }
}
