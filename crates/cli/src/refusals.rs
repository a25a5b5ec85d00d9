//! Why something was refused: the local cloud remembers, AWS leaves us with a list of what to look at.

use std::fmt;
use std::time::SystemTime;

use serde::Deserialize;

use crate::ours;
use crate::target::Local;

/// One refusal, as the local cloud tells it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Refusal {
    /// Seconds since the Unix epoch.
    timestamp: f64,
    /// Why, as a name of AWS's logs (`A-29`).
    reason: String,
    /// Why, in words: action, resource, and the policy that decided or that none did.
    explanation: String,
}

#[derive(Deserialize)]
struct Refusals {
    refusals: Vec<Refusal>,
}

impl Refusal {
    /// Whether it happened at or after this time (the same computer's clock told both).
    pub(crate) fn is_since(&self, time: SystemTime) -> bool {
        let since = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        // The cloud rounds to milliseconds.
        self.timestamp + 0.001 >= since.as_secs_f64()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.explanation, self.reason)
    }
}

/// The refusals that the local cloud remembers of a client, oldest first; none if it does not answer.
pub(crate) async fn of_client(local: &Local, client_id: &str) -> Vec<Refusal> {
    of(local, "clientId", client_id).await
}

/// The refusals that the local cloud remembers of a certificate, oldest first; none if it does not answer.
pub(crate) async fn of_certificate(local: &Local, certificate_id: &str) -> Vec<Refusal> {
    of(local, "certificateId", certificate_id).await
}

async fn of(local: &Local, member: &str, value: &str) -> Vec<Refusal> {
    let path = format!("/_thingwire/refusals?{member}={}", percent_encoded(value));
    let answer: Option<Refusals> = ours::ask(&local.api_url, &path).await;
    answer.map(|answer| answer.refusals).unwrap_or_default()
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// What to look at when the cloud does not say why, in the order in which AWS checks (`A-28`).
pub(crate) fn check_list(client_id: &str) -> Vec<String> {
    vec![
        "check, in this order:".into(),
        "1. is the certificate registered and ACTIVE?      aws iot describe-certificate --certificate-id ID".into(),
        "2. is a policy attached to it?                    aws iot list-attached-policies --target ARN".into(),
        format!("3. does the policy allow client id `{client_id}`, and this action on this topic?"),
        "4. does the policy use a thing variable? then the client id must be the thing's name and the".into(),
        "   thing attached to the certificate              aws iot list-principal-things --principal ARN".into(),
        "5. is another client with this client id connected? they throw each other out".into(),
    ]
}

/// The same for somebody who signs with AWS credentials: IAM's policies decide, and IoT's do not (`C-9`).
pub(crate) fn check_list_of_signer(client_id: &str) -> Vec<String> {
    vec![
        "check, in this order:".into(),
        "1. whose credentials are they?                    aws sts get-caller-identity".into(),
        "2. are they of the account and region of the endpoint, and is the clock here right?"
            .into(),
        format!(
            "3. do the IAM policies allow iot:Connect for client id `{client_id}`, and iot:Publish, iot:Subscribe"
        ),
        "   and iot:Receive for this topic? IoT policies are not asked".into(),
        "4. is another client with this client id connected? they throw each other out".into(),
    ]
}
