//! Mutual TLS against a server on this computer: what is offered, what is trusted, and what a failure is called.

mod handshake;
mod refusals;
mod world;
