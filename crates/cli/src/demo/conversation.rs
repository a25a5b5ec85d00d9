//! The demo's chapters 3 and 4.

use super::story::Story;
use crate::exit::Failure;
use crate::target::Local;
use std::path::Path;

/// Who takes part.
pub(super) struct Stage<'a> {
    pub(super) kit_dir: &'a Path,
    pub(super) operator_kit: &'a Path,
    pub(super) local: &'a Local,
}

pub(super) async fn hold(story: &mut Story, stage: &Stage<'_>) -> Result<(), Failure> {
    Ok(())
}
