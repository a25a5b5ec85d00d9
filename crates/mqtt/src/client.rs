//! The client's session: what outlives a connection, and what happens on one.
