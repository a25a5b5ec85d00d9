//! The steps that make a device known to a cloud, each one call of the control plane.
//!
//! The device's key is made here and stays here; only the signing request travels (`A-24`).

use aws_sdk_iot::types::CertificateStatus;
use rcgen::{CertificateParams, DnType, KeyPair};
use thingwire_contract::Arn;
use thingwire_kit::{KitFiles, Manifest, PrivateKeyPem};

use crate::api;
use crate::exit::{Exit, Failure};
use crate::target::Target;

/// A key that was made on this computer and the request for its certificate.
pub(crate) struct Request {
    /// The key; it goes into the kit and nowhere else.
    pub(crate) key: PrivateKeyPem,
    /// The certificate signing request, PEM.
    pub(crate) csr: String,
}

/// A certificate the cloud issued.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    /// Its id (`A-25`).
    pub(crate) id: String,
    /// Its ARN.
    pub(crate) arn: String,
    /// Its PEM.
    pub(crate) pem: String,
}

/// A thing that is in the registry.
#[derive(Clone, Debug)]
pub(crate) struct Thing {
    /// Its ARN.
    pub(crate) arn: String,
    /// The account it is in.
    pub(crate) account: String,
}

/// Makes a P-256 key and the signing request for it.
///
/// # Errors
/// If the system gives no randomness.
pub(crate) fn request(common_name: &str) -> Result<Request, Failure> {
    let failed =
        |error: rcgen::Error| Failure::new(Exit::Failed, format!("cannot make a key: {error}"));
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    let csr = params
        .serialize_request(&key)
        .and_then(|request| request.pem())
        .map_err(failed)?;
    Ok(Request {
        key: PrivateKeyPem::new(key.serialize_pem()),
        csr,
    })
}

impl Target {
    /// DescribeEndpoint: the host name that devices connect to (`A-2`).
    pub(crate) async fn endpoint(&self) -> Result<String, Failure> {
        let answer = self
            .iot
            .describe_endpoint()
            .endpoint_type("iot:Data-ATS")
            .send()
            .await
            .map_err(|error| self.advise(api::failed("DescribeEndpoint")(error)))?;
        answer
            .endpoint_address()
            .map(ToOwned::to_owned)
            .ok_or_else(|| incomplete("DescribeEndpoint"))
    }

    /// CreateThing; the same again is fine (`G-8`). The account is read from the ARN that comes back.
    pub(crate) async fn create_thing(&self, name: &str) -> Result<Thing, Failure> {
        let answer = self
            .iot
            .create_thing()
            .thing_name(name)
            .send()
            .await
            .map_err(|error| self.advise(api::failed("CreateThing")(error)))?;
        let arn = answer
            .thing_arn()
            .ok_or_else(|| incomplete("CreateThing"))?
            .to_owned();
        let account = match Arn::parse(&arn) {
            Ok(parsed) => parsed.account.to_owned(),
            Err(_) => return Err(incomplete("CreateThing")),
        };
        Ok(Thing { arn, account })
    }

    /// CreateCertificateFromCsr, active at once.
    pub(crate) async fn issue(&self, csr: &str) -> Result<Certificate, Failure> {
        const OPERATION: &str = "CreateCertificateFromCsr";
        let answer = self
            .iot
            .create_certificate_from_csr()
            .certificate_signing_request(csr)
            .set_as_active(true)
            .send()
            .await
            .map_err(api::failed(OPERATION))?;
        match (
            answer.certificate_id,
            answer.certificate_arn,
            answer.certificate_pem,
        ) {
            (Some(id), Some(arn), Some(pem)) => Ok(Certificate { id, arn, pem }),
            _ => Err(incomplete(OPERATION)),
        }
    }

    /// AttachPolicy: what the certificate may do.
    pub(crate) async fn attach_policy(
        &self,
        policy: &str,
        certificate_arn: &str,
    ) -> Result<(), Failure> {
        let call = self
            .iot
            .attach_policy()
            .policy_name(policy)
            .target(certificate_arn)
            .send()
            .await;
        call.map(|_| ()).map_err(api::failed("AttachPolicy"))
    }

    /// AttachThingPrincipal: which thing the certificate speaks for (`C-41`).
    pub(crate) async fn attach_thing(
        &self,
        thing: &str,
        certificate_arn: &str,
    ) -> Result<(), Failure> {
        let call = self
            .iot
            .attach_thing_principal()
            .thing_name(thing)
            .principal(certificate_arn)
            .send()
            .await;
        call.map(|_| ())
            .map_err(api::failed("AttachThingPrincipal"))
    }

    /// UpdateCertificate to INACTIVE (`A-27`).
    pub(crate) async fn deactivate(&self, certificate_id: &str) -> Result<(), Failure> {
        let call = self
            .iot
            .update_certificate()
            .certificate_id(certificate_id)
            .new_status(CertificateStatus::Inactive)
            .send()
            .await;
        call.map(|_| ()).map_err(api::failed("UpdateCertificate"))
    }

    /// What goes into the kit of a device of this cloud.
    pub(crate) fn kit(
        &self,
        endpoint: &str,
        thing: &str,
        account: &str,
        certificate: &Certificate,
        key: PrivateKeyPem,
    ) -> Result<KitFiles, Failure> {
        let (mqtt_port, alpn_port) = self.mqtt_ports()?;
        // With the usual policy the client id must be the thing's name (C-51).
        let mut manifest = Manifest::new(endpoint, mqtt_port, thing, &self.region, account);
        manifest.alpn_port = alpn_port;
        manifest.time_servers = self.time_servers()?;
        manifest.thing_name = Some(thing.to_owned());
        Ok(KitFiles {
            manifest,
            root_ca_pem: self.roots_pem()?,
            certificate_pem: certificate.pem.clone(),
            private_key_pem: key,
        })
    }
}

fn incomplete(operation: &str) -> Failure {
    Failure::new(
        Exit::Api,
        format!("{operation}: the cloud's answer lacks what it must hold"),
    )
    .advise("is this really the control plane of AWS IoT, or of `thingwire up`?")
}
