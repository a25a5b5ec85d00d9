//! Where a client stands between its connections, as a table: what leads from one phase to the next.
//!
//! [`Client::run`](crate::Client::run) does what the phase says, and only [`Phase::after`] changes it. The whole table
//! is committed as `tests/device/phases.txt`; from every phase but `Stopped` there is a way to `Connected`, and
//! [`Input::Stop`] leads out of all of them.

/// Where a client stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nobody runs it.
    #[default]
    Idle,
    /// A connection is being opened: name, TCP, TLS.
    Opening,
    /// The transport is open; CONNECT is under way and CONNACK awaited.
    Connecting,
    /// CONNACK has come.
    Connected,
    /// It was stopped while a transport is open: what was accepted is written, then DISCONNECT.
    Leaving,
    /// The last attempt or connection ended; the next attempt waits for its time.
    Waiting,
    /// It was stopped. The end.
    Stopped,
}

/// What changes a [`Phase`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// [`Client::run`](crate::Client::run) was called.
    Run,
    /// The connector gave a transport.
    Opened,
    /// CONNACK came with success.
    ConnAck,
    /// The attempt or the connection is over, whoever ended it and why.
    Ended,
    /// The backoff's wait is over.
    TimeUp,
    /// The application called [`Client::stop`](crate::Client::stop).
    Stop,
    /// The future of [`Client::run`](crate::Client::run) was dropped.
    Dropped,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Idle,
        Self::Opening,
        Self::Connecting,
        Self::Connected,
        Self::Leaving,
        Self::Waiting,
        Self::Stopped,
    ];

    /// The phase that follows; the same one where the input means nothing.
    #[must_use]
    pub const fn after(self, input: Input) -> Self {
        match (self, input) {
            (Self::Idle, Input::Run) | (Self::Waiting, Input::TimeUp) => Self::Opening,
            (Self::Opening, Input::Opened) => Self::Connecting,
            (Self::Connecting, Input::ConnAck) => Self::Connected,
            (Self::Opening | Self::Connecting | Self::Connected, Input::Ended) => Self::Waiting,
            // An open transport deserves a farewell.
            (Self::Connecting | Self::Connected, Input::Stop) => Self::Leaving,
            (Self::Idle | Self::Opening | Self::Waiting, Input::Stop)
            | (Self::Leaving, Input::Ended) => Self::Stopped,
            (Self::Stopped, _) => Self::Stopped,
            (_, Input::Dropped) => Self::Idle,
            (unmoved, _) => unmoved,
        }
    }
}

impl Input {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Run,
        Self::Opened,
        Self::ConnAck,
        Self::Ended,
        Self::TimeUp,
        Self::Stop,
        Self::Dropped,
    ];
}
