//! What the broker tells, written to the log in AWS's words and, where something was refused, remembered; and passed on to
//! [`presence`](crate::presence), which makes lifecycle events of it.

use std::sync::Arc;
use std::time::SystemTime;

use thingwire_broker::{Action, Client, Event, Observer};
use tokio::sync::mpsc;

use crate::presence::{Message, Presence};
use crate::refusals::{NewRefusal, Reason, Refusals};

/// Logs every event and keeps refusals (`A-29`, `D-9`).
#[derive(Debug)]
pub(crate) struct Watch {
    refusals: Arc<Refusals>,
    presence: Presence,
    lifecycle: mpsc::UnboundedSender<Message>,
}

impl Watch {
    /// One that remembers refusals there and sends lifecycle events there.
    #[must_use]
    pub(crate) const fn new(
        refusals: Arc<Refusals>,
        presence: Presence,
        lifecycle: mpsc::UnboundedSender<Message>,
    ) -> Self {
        Self {
            refusals,
            presence,
            lifecycle,
        }
    }

    fn tell(&self, event: &Event<'_>) {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let unix = u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
        if let Some(message) = self.presence.note(unix, event) {
            // After the shutdown nobody is connected who could receive it.
            let _ = self.lifecycle.send(message);
        }
    }

    fn refuse(
        &self,
        client: &Client,
        reason: Reason,
        action: Option<&'static str>,
        resource: Option<&str>,
        why: &str,
    ) {
        self.refusals.add(NewRefusal {
            reason,
            explanation: why.to_owned(),
            action,
            resource: resource.map(str::to_owned),
            client_id: Some(client.client_id.to_string()),
            certificate_id: Some(client.principal.to_string()),
            address: client.address,
        });
    }
}

/// The action's name in policies and logs.
pub(crate) const fn name(action: Action) -> &'static str {
    match action {
        Action::Connect => "iot:Connect",
        Action::Publish => "iot:Publish",
        Action::RetainPublish => "iot:RetainPublish",
        Action::Subscribe => "iot:Subscribe",
        Action::Receive => "iot:Receive",
    }
}

/// The log's name for an event about an action.
const fn event_type(action: Action) -> &'static str {
    match action {
        Action::Connect => "Connect",
        Action::Publish | Action::RetainPublish => "Publish-In",
        Action::Subscribe => "Subscribe",
        Action::Receive => "Publish-Out",
    }
}

impl Observer for Watch {
    fn event(&self, event: Event<'_>) {
        self.tell(&event);
        match event {
            Event::Connected {
                client,
                session_present,
            } => tracing::info!(
                event_type = "Connect", status = "Success", client_id = %client.client_id, principal = %client.principal,
                source = %client.address, session_present, "connected"
            ),
            Event::Disconnected {
                client,
                reason,
                detail,
            } => tracing::info!(
                event_type = "Disconnect", reason = reason.name(), client_id = %client.client_id,
                principal = %client.principal, source = %client.address, detail, "disconnected"
            ),
            // `Refused` has said it.
            Event::ConnectFailed { .. } => {}
            Event::Refused {
                client,
                action,
                resource,
                explanation,
            } => {
                let reason = Reason::AuthorizationFailure;
                tracing::warn!(
                    event_type = event_type(action), status = "Failure", reason = reason.name(), action = name(action),
                    resource, client_id = %client.client_id, principal = %client.principal, source = %client.address,
                    "{explanation}"
                );
                self.refuse(
                    client,
                    reason,
                    Some(name(action)),
                    Some(resource),
                    explanation,
                );
            }
            Event::Violated { client, detail } => {
                let reason = Reason::ProtocolViolation;
                tracing::warn!(
                    status = "Failure", reason = reason.name(), client_id = %client.client_id,
                    principal = %client.principal, source = %client.address, "{detail}"
                );
                self.refuse(client, reason, None, None, detail);
            }
            Event::Subscribed { client, filters } => tracing::debug!(
                event_type = "Subscribe", status = "Success", client_id = %client.client_id, ?filters, "subscribed"
            ),
            Event::Unsubscribed { client, filters } => tracing::debug!(
                event_type = "Unsubscribe", status = "Success", client_id = %client.client_id, ?filters, "unsubscribed"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_and_violations_are_remembered_and_nothing_else() {
        let refusals = Arc::new(Refusals::default());
        let presence = Presence::new(Box::new(|_| None), Box::new(String::new), 3600);
        let (lifecycle, mut events) = mpsc::unbounded_channel();
        let watch = Watch::new(Arc::clone(&refusals), presence, lifecycle);
        let client = Client {
            principal: "c0ffee".into(),
            client_id: "esp32-demo".into(),
            address: "192.0.2.1:1234".parse().unwrap(),
            server_name: None,
            persistent: false,
            will_topic: None,
        };
        watch.event(Event::Connected {
            client: &client,
            session_present: false,
        });
        watch.event(Event::Refused {
            client: &client,
            action: Action::RetainPublish,
            resource: "a/b",
            explanation: "no policy allows it",
        });
        watch.event(Event::Violated {
            client: &client,
            detail: "B-41: topic of 300 bytes",
        });
        let kept = refusals.list(Some("esp32-demo"), Some("c0ffee"));
        let seen: Vec<_> = kept
            .iter()
            .map(|one| (one.reason.name(), one.action, one.resource.as_deref()))
            .collect();
        assert_eq!(
            seen,
            [
                (
                    "AUTHORIZATION_FAILURE",
                    Some("iot:RetainPublish"),
                    Some("a/b")
                ),
                ("PROTOCOL_VIOLATION", None, None)
            ]
        );
        let told = events.try_recv().unwrap();
        assert_eq!(told.topic, "$aws/events/presence/connected/esp32-demo");
        assert!(events.try_recv().is_err());
    }
}
