//! Amazon Resource Names of AWS IoT: `arn:<partition>:iot:<region>:<account>:<kind>/<name>`.
//!
//! An [`Arn`] borrows its parts, prints itself and is read back from text. What follows the first `/` is the
//! name as it is, with further `/`, `$` and spaces (`C-23`): it is neither escaped nor checked here.

use core::fmt;

use serde::{Serialize, Serializer};

/// The partition, AWS's word for a separate world of regions (`C-23`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Partition {
    /// `aws`, the commercial regions.
    #[default]
    Aws,
    /// `aws-cn`, the regions in China.
    China,
    /// `aws-us-gov`, GovCloud.
    GovCloud,
}

impl Partition {
    /// Every partition.
    pub const ALL: [Self; 3] = [Self::Aws, Self::China, Self::GovCloud];

    /// The text in an ARN.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::China => "aws-cn",
            Self::GovCloud => "aws-us-gov",
        }
    }

    /// The partition with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|partition| partition.name() == name)
    }

    /// The partition that a region belongs to, by the prefix of its name.
    #[must_use]
    pub fn of_region(region: &str) -> Self {
        if region.starts_with("cn-") {
            Self::China
        } else if region.starts_with("us-gov-") {
            Self::GovCloud
        } else {
            Self::Aws
        }
    }
}

/// What an ARN names: the word before the first `/` of its last field (`C-14` to `C-21`, `A-25`, `C-6`, `G-9`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `thing/<name>`, and `thing/<name>/<shadow>` in policies.
    Thing,
    /// `thinggroup/<name>`.
    ThingGroup,
    /// `thingtype/<name>`.
    ThingType,
    /// `cert/<certificate id>`.
    Certificate,
    /// `cacert/<certificate id>`.
    CaCertificate,
    /// `policy/<name>`.
    Policy,
    /// `client/<client id>`; exists in policies only.
    Client,
    /// `topic/<topic>`; exists in policies only.
    Topic,
    /// `topicfilter/<filter>`; exists in policies only.
    TopicFilter,
    /// `rule/<name>`.
    Rule,
    /// `rolealias/<alias>`.
    RoleAlias,
    /// `job/<id>`.
    Job,
    /// `stream/<id>`.
    Stream,
    /// `provisioningtemplate/<name>`.
    ProvisioningTemplate,
    /// `domainconfiguration/<name>`.
    DomainConfiguration,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::Thing,
        Self::ThingGroup,
        Self::ThingType,
        Self::Certificate,
        Self::CaCertificate,
        Self::Policy,
        Self::Client,
        Self::Topic,
        Self::TopicFilter,
        Self::Rule,
        Self::RoleAlias,
        Self::Job,
        Self::Stream,
        Self::ProvisioningTemplate,
        Self::DomainConfiguration,
    ];

    /// The word in an ARN.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Thing => "thing",
            Self::ThingGroup => "thinggroup",
            Self::ThingType => "thingtype",
            Self::Certificate => "cert",
            Self::CaCertificate => "cacert",
            Self::Policy => "policy",
            Self::Client => "client",
            Self::Topic => "topic",
            Self::TopicFilter => "topicfilter",
            Self::Rule => "rule",
            Self::RoleAlias => "rolealias",
            Self::Job => "job",
            Self::Stream => "stream",
            Self::ProvisioningTemplate => "provisioningtemplate",
            Self::DomainConfiguration => "domainconfiguration",
        }
    }

    /// The kind with this word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One ARN of the service `iot`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Arn<'a> {
    /// Partition.
    pub partition: Partition,
    /// Region, such as `us-east-1`.
    pub region: &'a str,
    /// Account id, 12 digits.
    pub account: &'a str,
    /// What it names.
    pub kind: Kind,
    /// The name, as is.
    pub name: &'a str,
}

impl<'a> Arn<'a> {
    /// An ARN in the partition that the region belongs to.
    #[must_use]
    pub fn new(region: &'a str, account: &'a str, kind: Kind, name: &'a str) -> Self {
        Self {
            partition: Partition::of_region(region),
            region,
            account,
            kind,
            name,
        }
    }

    /// Reads an ARN. Region and account are taken as they are: a foreign one is the caller's business.
    ///
    /// # Errors
    /// [`ArnError`] names the field that is wrong.
    pub fn parse(text: &'a str) -> Result<Self, ArnError<'a>> {
        let fail = |problem| ArnError { text, problem };
        let mut fields = text.splitn(6, ':');
        if fields.next() != Some("arn") {
            return Err(fail(ArnProblem::Scheme));
        }
        let partition = fields
            .next()
            .and_then(Partition::from_name)
            .ok_or_else(|| fail(ArnProblem::Partition))?;
        if fields.next() != Some("iot") {
            return Err(fail(ArnProblem::Service));
        }
        let region = fields
            .next()
            .filter(|field| !field.is_empty())
            .ok_or_else(|| fail(ArnProblem::Region))?;
        let account = fields
            .next()
            .filter(|field| !field.is_empty())
            .ok_or_else(|| fail(ArnProblem::Account))?;
        let (kind, name) = fields
            .next()
            .and_then(|last| last.split_once('/'))
            .ok_or_else(|| fail(ArnProblem::Resource))?;
        let kind = Kind::from_name(kind).ok_or_else(|| fail(ArnProblem::Kind))?;
        if name.is_empty() {
            return Err(fail(ArnProblem::Resource));
        }
        Ok(Self {
            partition,
            region,
            account,
            kind,
            name,
        })
    }

    /// The name, if the ARN is of this kind, region and account.
    #[must_use]
    pub fn name_of(&self, kind: Kind, region: &str, account: &str) -> Option<&'a str> {
        (self.kind == kind && self.region == region && self.account == account).then_some(self.name)
    }
}

impl fmt::Display for Arn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            region,
            account,
            kind,
            name,
        } = self;
        write!(
            f,
            "arn:{}:iot:{region}:{account}:{}/{name}",
            partition.name(),
            kind.name()
        )
    }
}

impl Serialize for Arn<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text is not an ARN of AWS IoT: whoever wrote it must correct it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArnError<'a> {
    /// The whole text.
    pub text: &'a str,
    /// Which field is wrong.
    pub problem: ArnProblem,
}

/// The field of an ARN that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArnProblem {
    /// It does not start with `arn:`.
    Scheme,
    /// The partition is none of `aws`, `aws-cn`, `aws-us-gov`.
    Partition,
    /// The service is not `iot`.
    Service,
    /// The region is missing.
    Region,
    /// The account id is missing.
    Account,
    /// The last field is not `<kind>/<name>`.
    Resource,
    /// The kind is not one of AWS IoT.
    Kind,
}

impl fmt::Display for ArnError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wrong = match self.problem {
            ArnProblem::Scheme => "it does not start with `arn:`",
            ArnProblem::Partition => "its partition is none of `aws`, `aws-cn`, `aws-us-gov`",
            ArnProblem::Service => "its service is not `iot`",
            ArnProblem::Region => "it has no region",
            ArnProblem::Account => "it has no account id",
            ArnProblem::Resource => "its last part is not `<kind>/<name>`",
            ArnProblem::Kind => "the word before `/` is no kind of AWS IoT resource",
        };
        write!(f, "`{}` is not an AWS IoT ARN: {wrong}", self.text)
    }
}

impl core::error::Error for ArnError<'_> {}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    const REGION: &str = "us-east-1";
    const ACCOUNT: &str = "123456789012";

    #[test]
    fn every_kind_is_printed_and_read_back() {
        for kind in Kind::ALL {
            let arn = Arn::new(REGION, ACCOUNT, kind, "a/b c:$aws/x");
            let text = arn.to_string();
            assert_eq!(Arn::parse(&text), Ok(arn), "{text}");
        }
    }

    #[test]
    fn the_documented_forms() {
        // A-25, C-6, G-9
        let text = |kind, name| Arn::new(REGION, ACCOUNT, kind, name).to_string();
        assert_eq!(
            text(Kind::Thing, "esp32"),
            "arn:aws:iot:us-east-1:123456789012:thing/esp32"
        );
        assert_eq!(
            text(Kind::Certificate, "ab01"),
            "arn:aws:iot:us-east-1:123456789012:cert/ab01"
        );
        assert_eq!(
            text(Kind::Policy, "p@1"),
            "arn:aws:iot:us-east-1:123456789012:policy/p@1"
        );
        assert_eq!(
            text(Kind::TopicFilter, "a/+/#"),
            "arn:aws:iot:us-east-1:123456789012:topicfilter/a/+/#"
        );
    }

    #[test]
    fn partitions_follow_the_region() {
        // C-23
        let partition = |region| Arn::new(region, ACCOUNT, Kind::Thing, "x").partition;
        assert_eq!(partition("eu-central-1"), Partition::Aws);
        assert_eq!(partition("cn-north-1"), Partition::China);
        assert_eq!(partition("us-gov-west-1"), Partition::GovCloud);
    }

    #[test]
    fn each_wrong_field_is_named() {
        let problem = |text| Arn::parse(text).map_err(|error| error.problem);
        assert_eq!(problem(""), Err(ArnProblem::Scheme));
        assert_eq!(problem("urn:aws:iot:r:a:thing/x"), Err(ArnProblem::Scheme));
        assert_eq!(
            problem("arn:amazon:iot:r:a:thing/x"),
            Err(ArnProblem::Partition)
        );
        assert_eq!(problem("arn:aws:s3:::bucket"), Err(ArnProblem::Service));
        assert_eq!(problem("arn:aws:iot::a:thing/x"), Err(ArnProblem::Region));
        assert_eq!(problem("arn:aws:iot:r"), Err(ArnProblem::Account));
        assert_eq!(problem("arn:aws:iot:r:a"), Err(ArnProblem::Resource));
        assert_eq!(problem("arn:aws:iot:r:a:thing/"), Err(ArnProblem::Resource));
        assert_eq!(problem("arn:aws:iot:r:a:toaster/x"), Err(ArnProblem::Kind));
        assert_eq!(
            Arn::parse("thing/x").expect_err("no ARN").to_string(),
            "`thing/x` is not an AWS IoT ARN: it does not start with `arn:`"
        );
    }

    #[test]
    fn a_name_is_given_only_to_its_own_account_and_kind() {
        let arn = Arn::new(REGION, ACCOUNT, Kind::Certificate, "ab");
        assert_eq!(arn.name_of(Kind::Certificate, REGION, ACCOUNT), Some("ab"));
        assert_eq!(arn.name_of(Kind::Thing, REGION, ACCOUNT), None);
        assert_eq!(arn.name_of(Kind::Certificate, "eu-west-1", ACCOUNT), None);
        assert_eq!(arn.name_of(Kind::Certificate, REGION, "000000000000"), None);
    }
}
