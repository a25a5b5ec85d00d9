//! MQTT 3.1.1, packet by packet; the ids are those of that standard.

mod connect;
mod flow;
mod format;
mod publish;
mod subscribe;

use thingwire_mqtt::Version;

use crate::trace::Row;

fn check(rows: &[Row<'_>]) {
    crate::trace::check(Version::V311, rows);
}
