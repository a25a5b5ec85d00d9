//! The demo's last chapter: three refusals. The device sees little; the cloud says why.

use thingwire_kit::Kit;
use thingwire_mqtt::{QoS, Version};

use super::THING;
use super::console::{Provisioned, short};
use super::conversation::Stage;
use super::story::Story;
use crate::exit::{Exit, Failure};
use crate::messages::Heard;
use crate::speaker::Speaker;
use crate::target::Target;

/// A client id that is not the thing's name.
const STRANGER: &str = "esp32-stranger";
/// A topic that the policy does not allow.
const FORBIDDEN: &str = "esp32/everything";

pub(super) async fn show(
    story: &mut Story,
    cloud: &Target,
    stage: &Stage<'_>,
    provisioned: &Provisioned,
) -> Result<(), Failure> {
    story.chapter("5  Three refusals", "and what a device sees of them")?;
    let kit = Kit::load(stage.kit_dir)?;

    let stranger = Speaker::new(
        kit.clone(),
        STRANGER.to_owned(),
        Version::V311,
        Some(stage.local.clone()),
    );
    let refusal = story
        .wait("a wrong client id is refused", connect_only(&stranger))
        .await?;
    told(story, &format!("wrong client id `{STRANGER}`"), refusal)?;

    let device = Speaker::new(
        kit.clone(),
        THING.to_owned(),
        Version::V5,
        Some(stage.local.clone()),
    );
    let refusal = story
        .wait(
            "a topic outside the policy is refused",
            publish_only(&device),
        )
        .await?;
    told(story, &format!("publish to `{FORBIDDEN}`"), refusal)?;

    cloud.deactivate(&provisioned.certificate.id).await?;
    let id = short(&provisioned.certificate.id);
    story.ticked_as(
        "the certificate is INACTIVE now",
        format_args!("aws iot update-certificate --certificate-id {id}… --new-status INACTIVE"),
    )?;
    let device = Speaker::new(
        kit,
        THING.to_owned(),
        Version::V5,
        Some(stage.local.clone()),
    );
    let refusal = story
        .wait("an inactive certificate is refused", connect_only(&device))
        .await?;
    told(story, &format!("inactive certificate {id}"), refusal)
}

/// Connects; being connected is the failure here.
async fn connect_only(speaker: &Speaker) -> Option<Failure> {
    let mut means = match speaker.means() {
        Ok(means) => means,
        Err(failure) => return Some(failure),
    };
    match speaker.connect(&mut means).await {
        Ok(line) => {
            line.close().await;
            None
        }
        Err(failure) => Some(failure),
    }
}

/// Publishes to the forbidden topic.
async fn publish_only(speaker: &Speaker) -> Option<Failure> {
    let mut means = match speaker.means() {
        Ok(means) => means,
        Err(failure) => return Some(failure),
    };
    let mut line = match speaker.connect(&mut means).await {
        Ok(line) => line,
        // Refused too early: not the refusal that was to be shown.
        Err(failure) => return Some(Failure::new(Exit::Failed, failure.message())),
    };
    if let Err(error) = line.publish(FORBIDDEN, b"{}", QoS::AtLeastOnce, false) {
        return Some(Failure::new(Exit::Failed, error.to_string()));
    }
    loop {
        let heard = match line.flush().await {
            Ok(()) => line.wait().await,
            Err(error) => Err(error),
        };
        match heard {
            Ok(Heard::Published(reason)) if reason.0 >= 0x80 => {
                let failure = speaker.refused_publish(FORBIDDEN, reason).await;
                line.close().await;
                return Some(failure);
            }
            Ok(Heard::Published(..)) => return None,
            Ok(_) => {}
            Err(error) => return Some(speaker.explain(error, Some(FORBIDDEN)).await),
        }
    }
}

/// Ticks a refusal, if it is one and comes with its reason.
fn told(story: &mut Story, attempt: &str, refusal: Option<Failure>) -> Result<(), Failure> {
    let Some(refusal) = refusal else {
        return Err(Failure::new(
            Exit::Failed,
            format!("{attempt}: the cloud allowed it"),
        ));
    };
    if refusal.exit() != Exit::Denied {
        return Err(refusal);
    }
    let Some(reason) = refusal.reason() else {
        return Err(Failure::new(
            Exit::Failed,
            format!("{attempt}: refused, but the cloud does not say why"),
        ));
    };
    story.ticked(format_args!("{attempt}: {}", refusal.message()))?;
    story.note(format_args!("why: {reason}"))
}
