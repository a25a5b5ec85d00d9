//! Subject and issuer of a certificate: which of their values policies see, and how (`C-42` to `C-44`).

use alloc::string::String;
use alloc::vec::Vec;

use crate::context::Absent;
use crate::key::{CERTIFICATE_ATTRIBUTES, Selector};
use crate::settings::Settings;

/// Values of a certificate attribute that count (`C-44`).
const ARRAY_VALUES: usize = 5;
/// Longest certificate attribute that is substituted, in characters (`C-44`).
const ATTRIBUTE_CHARACTERS: usize = 1024;

/// The named attributes of a certificate's subject or issuer, each with its values in the certificate's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateHolder(Vec<(&'static str, Vec<String>)>);

impl CertificateHolder {
    /// Adds a value, written as it is in the certificate. `attribute` is one of
    /// [`CERTIFICATE_ATTRIBUTES`](crate::CERTIFICATE_ATTRIBUTES); others are of no use to policies and left out.
    pub fn add(&mut self, attribute: &str, value: &str) {
        let Some(attribute) = CERTIFICATE_ATTRIBUTES
            .into_iter()
            .find(|known| *known == attribute)
        else {
            return;
        };
        let value = escaped(value);
        match self.0.iter_mut().find(|(name, _)| *name == attribute) {
            Some((_, values)) => values.push(value),
            None => self.0.push((attribute, Vec::from([value]))),
        }
    }

    fn values(&self, attribute: &str) -> &[String] {
        let values = self
            .0
            .iter()
            .find(|(name, _)| *name == attribute)
            .map_or([].as_slice(), |(_, values)| values);
        values.get(..ARRAY_VALUES).unwrap_or(values)
    }

    /// The attributes that it has, each once.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(attribute, _)| *attribute)
    }

    /// `C-43`: the bare name is the first value, `.N` the one after N others.
    pub(crate) fn select(
        &self,
        attribute: &str,
        selector: Selector,
        settings: &Settings,
    ) -> Result<Vec<String>, Absent> {
        let values = self.values(attribute);
        let one = |index: usize| values.get(index).map(|value| Vec::from([value.clone()]));
        let found = match selector {
            Selector::First => one(0),
            Selector::Index(0) if settings.no_index_zero => None,
            Selector::Index(index) => one(index),
            Selector::List => Some(values.to_vec()).filter(|values| !values.is_empty()),
        };
        found.ok_or(Absent::CertificateHasNone)
    }
}

/// `C-44`: these come with a back-slash.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        if matches!(character, ',' | '"' | '\\' | '+' | '=' | '<' | '>' | ';') {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

/// `C-44`: whether a value of a certificate is put in for a variable.
pub(crate) fn is_substituted(value: &str) -> bool {
    !value.contains(['*', '$', '+', '?', '#'])
        && unescaped_characters(value) <= ATTRIBUTE_CHARACTERS
}

/// The length of an escaped value in the certificate, where it had no back-slashes of ours.
fn unescaped_characters(value: &str) -> usize {
    let mut behind_backslash = false;
    let counts = |character: &char| {
        behind_backslash = *character == '\\' && !behind_backslash;
        !behind_backslash
    };
    value.chars().filter(counts).count()
}
