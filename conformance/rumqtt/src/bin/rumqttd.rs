//! rumqttd, started as its own program starts it: the broker on the other side of `tests/scenarios`.
//!
//! Its configuration file is the only argument.

use std::error::Error;

use rumqttd::{Broker, Config};

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args()
        .nth(1)
        .ok_or("the configuration file is missing")?;
    let config: Config = config::Config::builder()
        .add_source(config::File::with_name(&file))
        .build()?
        .try_deserialize()?;
    Broker::new(config).start()?;
    Ok(())
}
