//! How a connection ended, as small as it can be: it lives in the driver's future from one connection to the next.
//!
//! Its text (a topic that is to blame, the detail of a failure) is copied into the write buffer, which is lent and has nothing to
//! do between two connections.

use thingwire_mqtt::client::{SessionError, Unheard};

use crate::{Asked, Failure, FailureKind, Why};

/// What becomes a [`Why`] when it is told.
pub(super) enum End {
    Failure {
        kind: FailureKind,
        /// Bytes of the detail in the write buffer.
        detail_len: usize,
    },
    ConnectTimeout,
    WriteTimeout,
    Closed {
        asked: Question,
        /// Bytes of the topic in the write buffer; 0 where there is none.
        topic_len: usize,
        set_aside: bool,
    },
    Session(SessionError),
    Refetch,
}

/// An [`Asked`] without its topic.
#[derive(Clone, Copy)]
pub(super) enum Question {
    Nothing,
    Connect,
    Subscribe,
    Publish,
    PublishQos0,
}

impl Question {
    /// What the server did not answer, and the topic it was about, which may be empty. `qos0` is the only topic of QoS 0.
    pub(super) fn new<'a>(unheard: Option<Unheard<'a>>, qos0: Option<&'a str>) -> (Self, &'a str) {
        match unheard {
            None => (Self::Nothing, ""),
            Some(Unheard::Connect) => (Self::Connect, ""),
            Some(Unheard::Subscribe(filter)) => (Self::Subscribe, filter),
            Some(Unheard::Publish(topic)) => (Self::Publish, topic),
            Some(Unheard::PublishQos0) => (Self::PublishQos0, qos0.unwrap_or_default()),
        }
    }
}

/// Copies as much of a text into the buffer as fits and is asked for, and answers how much that is.
pub(super) fn keep(text: &str, max: usize, buffer: &mut [u8]) -> usize {
    let end = text.floor_char_boundary(buffer.len().min(max));
    let bytes = text.as_bytes().get(..end).unwrap_or_default();
    if let Some(place) = buffer.get_mut(..end) {
        place.copy_from_slice(bytes);
    }
    bytes.len()
}

impl End {
    /// Why something failed; its detail goes into the write buffer.
    pub(super) fn failure(failure: &Failure, buffer: &mut [u8]) -> Self {
        Self::Failure {
            kind: failure.kind,
            detail_len: keep(&failure.detail, usize::MAX, buffer),
        }
    }

    /// The reason as it is told; `buffer` is the one that [`keep`] wrote to.
    pub(super) fn told<'a>(&self, buffer: &'a [u8]) -> Why<'a> {
        let text = |len: &usize| {
            let bytes = buffer.get(..*len).unwrap_or_default();
            core::str::from_utf8(bytes).unwrap_or_default()
        };
        match self {
            Self::Failure { kind, detail_len } => {
                Why::Failure(Failure::new(*kind, text(detail_len)))
            }
            Self::ConnectTimeout => Why::ConnectTimeout,
            Self::WriteTimeout => Why::WriteTimeout,
            Self::Session(error) => Why::Session(*error),
            Self::Refetch => Why::Refetch,
            Self::Closed {
                asked,
                topic_len,
                set_aside,
            } => {
                let topic = text(topic_len);
                Why::Closed {
                    asked: match asked {
                        Question::Nothing => Asked::Nothing,
                        Question::Connect => Asked::Connect,
                        Question::Subscribe => Asked::Subscribe(topic),
                        Question::Publish => Asked::Publish(topic),
                        Question::PublishQos0 => {
                            Asked::PublishQos0((!topic.is_empty()).then_some(topic))
                        }
                    },
                    set_aside: *set_aside,
                }
            }
        }
    }
}
