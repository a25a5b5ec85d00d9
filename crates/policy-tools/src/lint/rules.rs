//! The rules: ids that never change their meaning, how grave each is, and why.

use serde::Serialize;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a look; may be meant.
    Note,
    /// Probably a mistake, or a hole.
    Warning,
    /// AWS refuses it, or it can never do what it says.
    Error,
}

impl Severity {
    /// The word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// `TW-P001` and so on.
    pub id: &'static str,
    /// A short name, in words with hyphens.
    pub name: &'static str,
    /// How grave.
    pub severity: Severity,
    /// Why it matters, in one line.
    pub reason: &'static str,
}

macro_rules! rules {
    ($($constant:ident $id:literal $name:literal $severity:ident $reason:literal)*) => {
        $(pub(super) static $constant: Rule = Rule { id: $id, name: $name, severity: Severity::$severity, reason: $reason };)*
        /// Every rule, in the order of their ids.
        pub static RULES: &[&Rule] = &[$(&$constant),*];
    };
}

rules! {
    NOT_A_POLICY "TW-P001" "not-a-policy" Error
        "AWS IoT refuses a document that is no policy (C-1, C-2)"
    TOO_LONG "TW-P002" "too-long" Error
        "a policy document has at most 2048 characters, white space not counted (C-3)"
    PLACEHOLDER "TW-P003" "placeholder" Error
        "an ARN with REGION or ACCOUNT_ID left in it never matches, so every connect is denied (C-50)"
    ELSEWHERE "TW-P004" "other-cloud" Warning
        "an ARN of another region, account or partition never matches here (C-50)"
    ANY_CLIENT "TW-P005" "any-client" Warning
        "a device that may connect with any client id can knock others off and escape thing-group policies (C-48)"
    OWN_CLIENT_ID "TW-P006" "client-id-variable" Warning
        "`client/${iot:ClientId}` is the same as `client/*`: nothing checks the client id (C-48)"
    TOPIC_FOR_FILTER "TW-P007" "topic-for-topicfilter" Error
        "iot:Subscribe is asked on `topicfilter/`, so `topic/` never matches it (C-16)"
    FILTER_FOR_TOPIC "TW-P008" "topicfilter-for-topic" Error
        "iot:Publish, iot:Receive and the retained actions are asked on `topic/`, so `topicfilter/` never matches them (C-15)"
    WRONG_KIND "TW-P009" "wrong-kind-of-resource" Error
        "none of the statement's actions is asked on this kind of resource (C-14 to C-21)"
    MQTT_WILDCARD_IN_TOPIC "TW-P010" "mqtt-wildcard-in-topic" Error
        "`+` and `#` are ordinary characters in a policy, and no topic name has them (C-27)"
    MQTT_WILDCARD_IN_DENY "TW-P011" "mqtt-wildcard-in-deny" Warning
        "a Deny on a filter with `+` or `#` denies only that text; other filters get the messages (C-27; Device Defender POLICY_CONTAINS_MQTT_WILDCARDS_IN_DENY_STATEMENT)"
    DENY_WITHOUT_RECEIVE "TW-P012" "deny-subscribe-without-receive" Warning
        "policies do not reason about topics: a wider filter still gets the messages unless iot:Receive is denied too (C-28; Device Defender TOPIC_FILTERS_INTENDED_TO_DENY_ALLOWED_USING_WILDCARDS)"
    NO_RECEIVE "TW-P013" "subscribe-without-receive" Warning
        "a subscription without iot:Receive is granted but delivers nothing (C-12)"
    NO_SUBSCRIBE "TW-P014" "receive-without-subscribe" Note
        "iot:Receive alone delivers nothing: the device must be able to subscribe (C-12)"
    NO_SHADOW_ANSWERS "TW-P015" "shadow-without-answers" Warning
        "a shadow's answers come on `…/accepted` and `…/rejected`; without a subscription the device never learns the outcome (E-1, E-9)"
    UNKNOWN_VARIABLE "TW-P016" "unknown-variable" Error
        "a variable that AWS IoT does not have never has a value, so the statement never matches (C-45)"
    MULTIVALUED_VARIABLE "TW-P017" "multivalued-variable" Error
        "a key with several values cannot be used as a variable (C-37)"
    THING_VARIABLE_ON_HTTPS "TW-P018" "thing-variable-over-https" Warning
        "thing variables have values on MQTT connections only, and this action is for HTTPS (C-22, C-40)"
    VARIABLE_IN_DENY "TW-P019" "variable-in-deny" Note
        "a Deny whose variable has no value denies nothing (C-46)"
    UNREACHABLE "TW-P020" "unreachable" Warning
        "no request is decided by this statement (C-10)"
    REDUNDANT "TW-P021" "redundant" Note
        "another statement allows everything that this one allows"
    EVERYTHING "TW-P022" "everything" Warning
        "a stolen certificate with this policy reaches every device (Device Defender IOT_POLICY_OVERLY_PERMISSIVE_CHECK)"
    ALL_TOPICS "TW-P023" "all-topics" Warning
        "a stolen certificate with this policy reads or writes every topic (Device Defender IOT_POLICY_OVERLY_PERMISSIVE_CHECK)"
    OTHER_THINGS "TW-P024" "other-things" Warning
        "a stolen certificate with this policy reaches shadows and jobs of other things (Device Defender IOT_POLICY_OVERLY_PERMISSIVE_CHECK)"
    RESERVED "TW-P025" "reserved-topic" Error
        "clients may not do this on a reserved topic, whatever the policy says (B-82)"
    EXACT_WILDCARD "TW-P026" "wildcard-in-exact-condition" Warning
        "`StringEquals` and its kin know no wildcards; `*` and `?` are compared as they are (C-35)"
    ALL_BUT "TW-P027" "allow-all-but" Note
        "an Allow with NotAction or NotResource allows everything it does not list (C-32)"
    SET_OPERATOR "TW-P028" "set-operator" Warning
        "iot:ConnectAttributes has several values; without ForAllValues or ForAnyValue the outcome depends on which come (C-34, C-37, C-38)"
    HOST_BITS "TW-P029" "host-bits" Warning
        "the bits behind a range's length do not count, so the range is wider than the address in it (C-35)"
}
