//! Waiting for the network by looking, not by the stack's own waiting.
//!
//! The stack keeps one waker for changes of its state. Two tasks that wait by it wake each other for ever and the
//! processor never rests; so that place belongs to the radio's task, and everybody else looks now and then.

use embassy_net::Stack;
use embassy_time::{Duration, Timer};

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(50);

/// Waits until there is an address.
pub(crate) async fn up(stack: Stack<'_>) {
    while !stack.is_config_up() {
        Timer::after(LOOK).await;
    }
}

/// Waits until there is none.
pub(crate) async fn down(stack: Stack<'_>) {
    while stack.is_config_up() {
        Timer::after(LOOK).await;
    }
}
