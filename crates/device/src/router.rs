//! Which handler a message is for: topic filters and what they lead to, declared once.
//!
//! The same table makes the subscriptions and finds the handler, so that the two cannot drift apart:
//!
//! ```
//! use thingwire_device::{Config, QoS, Router, Version};
//!
//! #[derive(Clone, Copy)]
//! enum To { Lamp, Settings }
//!
//! static ROUTES: Router<'static, To, 2> = Router::new([
//!     ("lamps/+/set", QoS::AtLeastOnce, To::Lamp),
//!     ("settings/#", QoS::AtLeastOnce, To::Settings),
//! ]);
//!
//! let config = Config::new(Version::V311, "esp32-demo").subscriptions(ROUTES.subscriptions());
//! let route = ROUTES.find("lamps/7/set").unwrap();
//! match route.to {
//!     To::Lamp => assert_eq!(route.wildcard(0), Some("7")),
//!     To::Settings => unreachable!(),
//! }
//! ```

use thingwire_mqtt::topic::{ParentMatch, matches};

use crate::{QoS, SubscribeFilter};

/// Topic filters, each with what it leads to. The first one that matches counts.
#[derive(Clone, Copy, Debug)]
pub struct Router<'a, T, const N: usize> {
    filters: [SubscribeFilter<'a>; N],
    to: [T; N],
}

/// A route that a topic took.
#[derive(Clone, Copy, Debug)]
pub struct Route<'r, 't, T> {
    /// What it leads to.
    pub to: &'r T,
    filter: &'r str,
    topic: &'t str,
}

impl<'a, T: Copy, const N: usize> Router<'a, T, N> {
    /// Routes: topic filter, quality of service to subscribe with, and what it leads to.
    #[must_use]
    #[expect(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "const functions have no iterators; the place runs from 0 to N in arrays of N"
    )]
    pub const fn new(routes: [(&'a str, QoS, T); N]) -> Self
    where
        T: 'static,
    {
        const { assert!(N > 0, "a router needs a route") }
        let mut filters = [SubscribeFilter::new("", QoS::AtMostOnce); N];
        let mut to = [routes[0].2; N];
        let mut place = 0;
        while place < N {
            filters[place] = SubscribeFilter::new(routes[place].0, routes[place].1);
            to[place] = routes[place].2;
            place += 1;
        }
        Self { filters, to }
    }
}

impl<'a, T, const N: usize> Router<'a, T, N> {
    /// What to subscribe to: for [`Config::subscriptions`](crate::Config::subscriptions) or
    /// [`Client::subscribe_all`](crate::Client::subscribe_all).
    #[must_use]
    pub const fn subscriptions(&self) -> &[SubscribeFilter<'a>] {
        &self.filters
    }

    /// The first route whose filter matches the topic. `a/#` also matches `a`: AWS does not send that (`B-10`), other
    /// brokers do, and it was the broker who decided.
    #[must_use]
    pub fn find<'r, 't>(&'r self, topic: &'t str) -> Option<Route<'r, 't, T>> {
        self.filters
            .iter()
            .zip(&self.to)
            .find(|(filter, _)| matches(unshared(filter.filter), topic, ParentMatch::Included))
            .map(|(filter, to)| Route {
                to,
                filter: unshared(filter.filter),
                topic,
            })
    }
}

impl<'t, T> Route<'_, 't, T> {
    /// What the wildcard at this place stands for, the first being 0: a level for `+`, the rest for `#`.
    #[must_use]
    pub fn wildcard(&self, place: usize) -> Option<&'t str> {
        let mut rest = self.topic;
        let mut seen = 0_usize;
        for wanted in self.filter.split('/') {
            let (level, after) = rest.split_once('/').unwrap_or((rest, ""));
            if matches!(wanted, "+" | "#") {
                if seen == place {
                    return Some(if wanted == "#" { rest } else { level });
                }
                seen = seen.saturating_add(1);
            }
            rest = after;
        }
        None
    }
}

/// The filter of a shared subscription without `$share/<name>/` (`B-67`).
fn unshared(filter: &str) -> &str {
    filter
        .strip_prefix("$share/")
        .and_then(|rest| rest.split_once('/'))
        .map_or(filter, |(_, filter)| filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTER: Router<'static, u8, 4> = Router::new([
        ("a/+/c", QoS::AtLeastOnce, 1),
        ("a/#", QoS::AtMostOnce, 2),
        ("$share/group/crew/+", QoS::AtLeastOnce, 3),
        ("+/+/#", QoS::AtLeastOnce, 4),
    ]);

    fn route(topic: &str) -> Option<(u8, Option<&str>, Option<&str>)> {
        let route = ROUTER.find(topic)?;
        Some((*route.to, route.wildcard(0), route.wildcard(1)))
    }

    #[test]
    fn the_first_match_counts_and_wildcards_are_told() {
        assert_eq!(route("a/b/c"), Some((1, Some("b"), None)));
        assert_eq!(route("a/b/d/e"), Some((2, Some("b/d/e"), None)));
        assert_eq!(route("crew/7"), Some((3, Some("7"), None)));
        assert_eq!(route("x/y/z/w"), Some((4, Some("x"), Some("y"))));
        assert_eq!(ROUTER.find("x/y/z/w").unwrap().wildcard(2), Some("z/w"));
        assert_eq!(route("nothing"), None);
    }

    #[test]
    fn what_a_broker_sends_for_a_parent_is_routed_b10() {
        assert_eq!(route("a"), Some((2, Some(""), None)));
    }

    #[test]
    fn reserved_topics_are_not_caught_by_wildcards_b34() {
        assert_eq!(route("$aws/things/t/shadow/get/accepted"), None);
    }

    #[test]
    fn the_subscriptions_are_the_routes_own() {
        let filters = ROUTER.subscriptions();
        assert_eq!(filters.len(), 4);
        assert_eq!(
            (filters[2].filter, filters[1].qos),
            ("$share/group/crew/+", QoS::AtMostOnce)
        );
    }
}
