//! Things, thing groups, certificates, policies and how they are attached: what the control plane changes and the broker asks about.
//!
//! Reading happens in memory. A change is decided against the state, then made durable as one batch, then becomes visible, then
//! is answered; if the disk refuses, nothing happened. Changes take turns, readers never wait for the disk. The calls that
//! change something block until the disk is done: from async code call them on a blocking thread.

mod attachments;
mod certificates;
mod edit;
mod error;
mod groups;
mod members;
mod names;
mod page;
mod policies;
mod principals;
mod record;
mod relation;
pub(crate) mod rows;
mod standing;
mod state;
#[cfg(test)]
mod tests;
mod things;
pub(crate) mod verify;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use thingwire_store::{Store, StoreError};

pub use certificates::{Known, NewCertificate};
use edit::Edit;
pub use error::RegistryError;
pub use groups::{GroupChange, GroupFilter};
pub use names::Place;
pub use page::{DEFAULT_PAGE_SIZE, Page, PageRequest};
pub use record::{
    AttachmentType, Certificate, CertificateMode, CertificateStatus, Policy, PolicyTarget,
    PolicyVersion, Thing, ThingGroup, Timestamp,
};
pub use standing::{AttachedThing, Standing};
use state::State;
pub use things::{AttributeChange, ThingFilter};

/// What runs when a certificate stops being ACTIVE; it gets the certificate id.
pub type LeftActive = Box<dyn Fn(&str) + Send + Sync>;

/// The registry of one account in one region.
pub struct Registry {
    place: Place,
    store: Arc<dyn Store>,
    state: RwLock<State>,
    /// Held by the change whose turn it is, through the disk's work.
    turn: Mutex<()>,
    generation: AtomicU64,
    left_active: OnceLock<LeftActive>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Registry")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// Reads the registry from its store.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read, a row is damaged, or a newer program wrote it.
    pub fn open(store: Arc<dyn Store>, place: Place) -> Result<Self, StoreError> {
        let state = rows::load(store.as_ref())?;
        Ok(Self {
            place,
            store,
            state: RwLock::new(state),
            turn: Mutex::new(()),
            generation: AtomicU64::new(1),
            left_active: OnceLock::new(),
        })
    }

    /// Region and account of everything here.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Grows with every change that can alter a decision, after the change is visible.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Says what to do when a certificate stops being ACTIVE: disconnect its clients (`A-27`). Only the first call counts.
    pub fn on_certificate_left_active(&self, hook: LeftActive) {
        if self.left_active.set(hook).is_err() {
            tracing::error!(
                "the registry already knows what to do when a certificate stops being active"
            );
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        // A poisoned lock means that another thread panicked; the state is only touched by `Edit::apply`.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// One change: `decide` sees the state and names the edits and the answer.
    fn change<T>(
        &self,
        decide: impl FnOnce(&State) -> Result<(Vec<Edit>, T), RegistryError>,
    ) -> Result<T, RegistryError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (edits, answer, alters) = {
            let state = self.read();
            let (edits, answer) = decide(&state)?;
            let alters = edits.iter().any(|edit| edit.alters_decisions(&state));
            (edits, answer, alters)
        };
        if edits.is_empty() {
            return Ok(answer);
        }
        let batch = edits.iter().map(Edit::write).collect::<Result<_, _>>()?;
        self.store.commit(batch)?;
        {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            for edit in edits {
                edit.apply(&mut state);
            }
        }
        if alters {
            self.generation.fetch_add(1, Ordering::Release);
        }
        Ok(answer)
    }

    fn left_active(&self, certificate_id: &str) {
        if let Some(hook) = self.left_active.get() {
            hook(certificate_id);
        }
    }
}

fn new_uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}
