//! What a cloud knows of a connection: its certificate, its things, its policies; and what it decides itself.

use std::collections::HashMap;

use aws_sdk_iot::types::{ActionType, AuthInfo, ThingPrincipalType};
use thingwire_contract::Arn;
use thingwire_policy::{Action, Context, Thing, replace_placeholders};
use thingwire_policy_tools::Policy;

use super::connection;
use crate::api;
use crate::exit::{Exit, Failure};
use crate::target::Target;

/// Requests that one TestAuthorization takes (`C-55`).
const REQUESTS: usize = 10;

/// A principal of a cloud.
#[derive(Clone, Debug)]
pub(super) struct Principal {
    /// Its ARN.
    pub(super) arn: String,
    /// Its certificate.
    pub(super) pem: String,
}

/// One question to TestAuthorization, and the answer.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) action: Action,
    /// A whole ARN.
    pub(super) resource: String,
}

/// What the cloud answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// `ALLOWED`, `IMPLICIT_DENY`, `EXPLICIT_DENY`.
    pub(super) decision: String,
    /// Context keys that were needed and had no value (`C-56`).
    pub(super) missing: Vec<String>,
}

/// The action's name for TestAuthorization, which knows four (`C-55`).
pub(super) fn action_type(action: Action) -> Option<ActionType> {
    match action {
        Action::Connect => Some(ActionType::Connect),
        Action::Publish => Some(ActionType::Publish),
        Action::Subscribe => Some(ActionType::Subscribe),
        Action::Receive => Some(ActionType::Receive),
        _ => None,
    }
}

impl Target {
    /// The certificate with this id, or the first of the thing that is named like the client.
    pub(super) async fn principal(
        &self,
        certificate_id: Option<&str>,
        thing: &str,
    ) -> Result<Principal, Failure> {
        let id = match certificate_id {
            Some(id) => id.to_owned(),
            None => {
                let answer = self
                    .iot
                    .list_thing_principals()
                    .thing_name(thing)
                    .send()
                    .await
                    .map_err(|error| self.advise(api::failed("ListThingPrincipals")(error)))?;
                let first = answer
                    .principals()
                    .iter()
                    .find_map(|arn| arn.split_once(":cert/"));
                first.map(|(_, id)| id.to_owned()).ok_or_else(|| {
                    Failure::new(Exit::Api, format!("no certificate is attached to thing `{thing}`"))
                        .advise("name one with --certificate-id ID, or give the device's kit with --kit DIR")
                })?
            }
        };
        let answer = self
            .iot
            .describe_certificate()
            .certificate_id(&id)
            .send()
            .await
            .map_err(|error| self.advise(api::failed("DescribeCertificate")(error)))?;
        let described = answer.certificate_description;
        match described.map(|described| (described.certificate_arn, described.certificate_pem)) {
            Some((Some(arn), Some(pem))) => Ok(Principal { arn, pem }),
            _ => Err(Failure::new(
                Exit::Api,
                "DescribeCertificate: the cloud's answer lacks what it must hold",
            )),
        }
    }

    /// The connection of a client with this certificate, as the registry sees it.
    pub(super) async fn connection(
        &self,
        client: &str,
        principal: &Principal,
    ) -> Result<Context, Failure> {
        let account = Arn::parse(&principal.arn)
            .map(|arn| arn.account.to_owned())
            .unwrap_or_default();
        let mut context = Context::new(&self.region, &account);
        context.client_id = Some(client.to_owned());
        context.certificate_id = principal
            .arn
            .split_once(":cert/")
            .map(|(_, id)| id.to_owned());
        connection::certificate(&mut context, &principal.pem);
        let mut token = None;
        let mut attached = Vec::new();
        loop {
            // The second version, because it says which attachment is exclusive (`C-54`).
            let page = self
                .iot
                .list_principal_things_v2()
                .principal(&principal.arn)
                .set_next_token(token)
                .send()
                .await
                .map_err(api::failed("ListPrincipalThingsV2"))?;
            attached.extend(page.principal_thing_objects().iter().map(|thing| {
                let exclusive =
                    thing.thing_principal_type() == Some(&ThingPrincipalType::ExclusiveThing);
                Thing {
                    exclusive,
                    ..Thing::attached(thing.thing_name())
                }
            }));
            match page.next_token {
                Some(next) if !next.is_empty() => token = Some(next),
                _ => break,
            }
        }
        let is_attached = attached.iter().any(|thing| thing.name == client);
        let own = (!is_attached).then(|| Thing {
            attached: false,
            ..Thing::attached(client)
        });
        for thing in attached.into_iter().chain(own) {
            // The thing that is named like the client may not exist at all.
            let Ok(described) = self
                .iot
                .describe_thing()
                .thing_name(&thing.name)
                .send()
                .await
            else {
                continue;
            };
            let attributes: HashMap<String, String> = described.attributes.unwrap_or_default();
            context.things.push(Thing {
                type_name: described.thing_type_name,
                attributes: attributes.into_iter().collect(),
                ..thing
            });
        }
        Ok(context)
    }

    /// GetEffectivePolicies: what applies to the principal and the thing (`C-8`, `C-57`).
    pub(super) async fn effective_policies(
        &self,
        principal: &Principal,
        context: &Context,
    ) -> Result<Vec<Policy>, Failure> {
        let thing = context.thing().map(|thing| thing.name.clone());
        let answer = self
            .iot
            .get_effective_policies()
            .principal(&principal.arn)
            .set_thing_name(thing)
            .send()
            .await
            .map_err(api::failed("GetEffectivePolicies"))?;
        let mut policies = Vec::new();
        for policy in answer.effective_policies() {
            let name = policy.policy_name().unwrap_or_default();
            let text = policy.policy_document().unwrap_or_default();
            policies.push(parse(name, text)?);
        }
        Ok(policies)
    }

    /// TestAuthorization: what the cloud decides, in the order asked.
    pub(super) async fn test_authorization(
        &self,
        client: Option<&str>,
        principal: &Principal,
        asked: &[Asked],
        add: &[String],
        skip: &[String],
    ) -> Result<Vec<Answer>, Failure> {
        const OPERATION: &str = "TestAuthorization";
        let mut answers = Vec::new();
        for some in asked.chunks(REQUESTS) {
            let mut call = self
                .iot
                .test_authorization()
                .principal(&principal.arn)
                .set_client_id(client.map(ToOwned::to_owned))
                .set_policy_names_to_add((!add.is_empty()).then(|| add.to_vec()))
                .set_policy_names_to_skip((!skip.is_empty()).then(|| skip.to_vec()));
            for one in some {
                let info = AuthInfo::builder()
                    .set_action_type(action_type(one.action))
                    .resources(&one.resource)
                    .build()
                    .map_err(|error| Failure::new(Exit::Failed, format!("{OPERATION}: {error}")))?;
                call = call.auth_infos(info);
            }
            let answer = call.send().await.map_err(api::failed(OPERATION))?;
            if answer.auth_results().len() != some.len() {
                return Err(Failure::new(
                    Exit::Api,
                    format!(
                        "{OPERATION}: {} answers to {} questions",
                        answer.auth_results().len(),
                        some.len()
                    ),
                ));
            }
            answers.extend(answer.auth_results().iter().map(|result| {
                Answer {
                    decision: result
                        .auth_decision()
                        .map(|decision| decision.as_str().to_owned())
                        .unwrap_or_default(),
                    missing: result.missing_context_values().to_vec(),
                }
            }));
        }
        Ok(answers)
    }
}

/// A document that a cloud has; it may be one that only that cloud takes.
pub(super) fn parse(name: &str, text: &str) -> Result<Policy, Failure> {
    Policy::parse(name, text).map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("the cloud's policy `{name}` cannot be read here: {error}"),
        )
    })
}

/// A document for this cloud: its placeholders replaced.
pub(super) fn for_cloud(text: &str, region: &str, account: &str) -> String {
    replace_placeholders(text, region, account).0
}
