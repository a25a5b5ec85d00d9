//! AWS's rates and account numbers (section H of the reference), each with its name and default.
//!
//! They are off unless [`Config::quotas`](crate::Config) is set. Sizes and counts of one packet or connection are not here:
//! those are behaviour and always on ([`crate::Rules`]).

/// What a quota counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A second's worth; as much may come at once.
    PerSecond,
    /// How many there may be.
    Count,
    /// Seconds.
    Seconds,
}

/// A name or a value that is no quota's; the text says what is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaError(String);

impl std::fmt::Display for QuotaError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for QuotaError {}

macro_rules! quotas {
    ($($(#[$doc:meta])* $field:ident = $name:literal, $default:literal, $unit:ident;)*) => {
        /// The quotas; [`Quotas::default`] is AWS's.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Quotas {
            $($(#[$doc])* pub $field: u32,)*
        }

        impl Default for Quotas {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl Quotas {
            /// Every quota: its name, AWS's value, and what that counts.
            pub const ALL: &'static [(&'static str, u32, Unit)] = &[$(($name, $default, Unit::$unit),)*];

            /// Sets the quota with this name.
            ///
            /// # Errors
            /// [`QuotaError`] when there is none.
            pub fn set(&mut self, name: &str, value: u32) -> Result<(), QuotaError> {
                match name {
                    $($name => self.$field = value,)*
                    _ => {
                        let names: Vec<_> = Self::ALL.iter().map(|(name, ..)| *name).collect();
                        let names = names.join(", ");
                        return Err(QuotaError(format!("`{name}` is no quota; there are {names}")));
                    }
                }
                Ok(())
            }
        }
    };
}

quotas! {
    /// `B-17`: CONNECTs of one client id.
    connects_per_client = "connects-per-client", 1, PerSecond;
    /// `B-17`: CONNECTs of the account.
    connects = "connects", 3_000, PerSecond;
    /// `B-17`: connections of the account.
    connections = "connections", 500_000, Count;
    /// `B-45`: PUBLISH of one connection, inbound and outbound together.
    publishes_per_connection = "publishes-per-connection", 100, PerSecond;
    /// `B-46`: bytes of one connection, inbound and outbound together; more is delayed.
    bytes_per_connection = "bytes-per-connection", 524_288, PerSecond;
    /// Inbound PUBLISH of the account (H.2).
    inbound_publishes = "inbound-publishes", 20_000, PerSecond;
    /// Outbound PUBLISH of the account (H.2).
    outbound_publishes = "outbound-publishes", 20_000, PerSecond;
    /// `B-28`: messages that begin to wait for sessions without connection, of the account.
    queued_messages = "queued-messages", 500, PerSecond;
    /// `B-28`: stored messages sent to a connection that resumed a session.
    stored_deliveries = "stored-deliveries", 10, PerSecond;
    /// `B-49`: how long an MQTT 3.1.1 client has to acknowledge before the message is dropped.
    retry_seconds_v3 = "retry-seconds-v3", 3_600, Seconds;
    /// `B-49`: the same for MQTT 5.
    retry_seconds_v5 = "retry-seconds-v5", 960, Seconds;
    /// `B-40`: filters in SUBSCRIBE and UNSUBSCRIBE of the account.
    subscribes = "subscribes", 3_000, PerSecond;
    /// Subscriptions of the account (H.2).
    subscriptions = "subscriptions", 500_000, Count;
    /// `B-65`: retained messages of the account.
    retained_messages = "retained-messages", 500_000, Count;
    /// `B-65`: PUBLISH with RETAIN of the account.
    retained_publishes = "retained-publishes", 500, PerSecond;
    /// `B-65`: PUBLISH with RETAIN to one topic.
    retained_per_topic = "retained-per-topic", 1, PerSecond;
    /// `B-71`: groups of shared subscriptions of the account.
    shared_groups = "shared-groups", 100, Count;
    /// `B-71`: members of one group.
    shared_members = "shared-members", 100, Count;
    /// `B-71`: SUBSCRIBE and UNSUBSCRIBE of one group.
    shared_subscribes = "shared-subscribes", 100, PerSecond;
    /// `B-69`: waiting messages of a group sent to one member.
    shared_deliveries = "shared-deliveries", 20, PerSecond;
}

impl Quotas {
    /// Sets a quota from `NAME=VALUE`.
    ///
    /// # Errors
    /// [`QuotaError`] when it is not that, or there is no such quota.
    pub fn set_text(&mut self, text: &str) -> Result<(), QuotaError> {
        let Some((name, value)) = text.split_once('=') else {
            return Err(QuotaError(format!("`{text}` is not NAME=VALUE")));
        };
        let number = value.trim().parse().map_err(|_| {
            QuotaError(format!(
                "`{value}` is not a number for the quota `{name}`; write one from 0 to {}",
                u32::MAX
            ))
        })?;
        self.set(name.trim(), number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quota_is_set_by_its_name_and_the_defaults_are_those_of_section_h() {
        for (name, default, _) in Quotas::ALL {
            let mut quotas = Quotas::default();
            quotas.set_text(&format!("{name}={default}")).unwrap();
            assert_eq!(quotas, Quotas::default(), "{name}");
            quotas.set_text(&format!("{name} = 7")).unwrap();
            assert_ne!(quotas, Quotas::default(), "{name}");
        }
    }

    #[test]
    fn the_page_for_people_has_each_quota_with_its_value() {
        let page = include_str!("../../../docs/quotas.md");
        let rows: Vec<&str> = page
            .lines()
            .filter(|line| line.starts_with("| `"))
            .collect();
        assert_eq!(rows.len(), Quotas::ALL.len());
        for (row, (name, value, unit)) in rows.iter().zip(Quotas::ALL) {
            let unit = match unit {
                Unit::PerSecond => " a second",
                Unit::Count => "",
                Unit::Seconds => " seconds",
            };
            let begin = format!("| `{name}` | {value}{unit} | ");
            assert!(
                row.starts_with(&begin),
                "`{row}` does not begin with `{begin}`"
            );
        }
    }

    #[test]
    fn bad_input_is_told_what_there_is() {
        let told = |text: &str| {
            let mut quotas = Quotas::default();
            quotas.set_text(text).unwrap_err().to_string()
        };
        assert_eq!(told("connects"), "`connects` is not NAME=VALUE");
        assert_eq!(
            told("connects=many"),
            "`many` is not a number for the quota `connects`; write one from 0 to 4294967295"
        );
        assert!(
            told("x=1").starts_with("`x` is no quota; there are connects-per-client, connects,")
        );
        assert!(told("connects=-1").contains("`-1` is not a number"));
        assert!(told("connects=4294967296").contains("is not a number"));
    }
}
