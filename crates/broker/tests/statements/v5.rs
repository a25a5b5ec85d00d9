//! MQTT 5, packet by packet; the ids are those of that standard.

mod connack;
mod connect;
mod flow;
mod format;
mod publish;
mod subscribe;
mod topics;
mod will;

use thingwire_mqtt::Version;

use crate::trace::Row;

fn check(rows: &[Row<'_>]) {
    crate::trace::check(Version::V5, rows);
}
