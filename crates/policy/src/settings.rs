//! Where the behaviour of AWS is not known for sure: the choices, with the likeliest answer as default.
//!
//! Two more choices have no setting, because only one of the answers is safe:
//! * An unresolved variable is never compared as the literal text `${…}` (`C-45`): a client could choose that
//!   text as its id.
//! * Where "matches nothing" would *widen* a statement (an unresolved variable in `NotResource`, or in the value
//!   of a negated condition operator) an Allow does not apply and a Deny does.

/// The choices for everything that is marked (unsure) in the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Settings {
    /// `C-29`: action names are compared with their case. Default: without, as IAM does.
    pub case_sensitive_actions: bool,
    /// `C-1`: actions that this engine does not know are accepted, and match nothing. Default: refused at creation.
    pub accept_unknown_actions: bool,
    /// `C-36`: condition keys that this engine does not know are accepted and always absent. Default: refused at
    /// creation, so that no document is half evaluated.
    pub accept_unknown_condition_keys: bool,
    /// `C-24`: what a policy must allow for a SUBSCRIBE to `$share/<name>/<filter>`.
    pub shared_subscription: SharedSubscription,
    /// `C-46`: what an unresolved variable does in the Resource of a Deny.
    pub unresolved_deny: UnresolvedDeny,
    /// `C-47`: `*` and `?` inside a substituted value are wildcards. Default: literal text.
    pub substituted_wildcards: bool,
    /// `C-43`: `.0` of a certificate attribute does not exist. Default: it is the first value.
    pub no_index_zero: bool,
    /// `C-40`, vector V105: thing variables resolve outside MQTT too. Default: only for MQTT.
    pub thing_variables_outside_mqtt: bool,
}

/// The resource of a shared subscription (`C-24`). A Deny on the other form denies in both cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SharedSubscription {
    /// `topicfilter/$share/<name>/<filter>`.
    #[default]
    Full,
    /// `topicfilter/<filter>`.
    Inner,
}

/// A Deny whose Resource has a variable without a value (`C-46`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum UnresolvedDeny {
    /// It matches nothing, so it does not deny. [`crate::PolicySet::unresolved_denies`] lists them for the log.
    #[default]
    DoesNotDeny,
    /// It denies every resource of its actions.
    Denies,
}
