//! Typed payloads: JSON to and from values, without an allocator (feature `json`).
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use thingwire_device::json;
//!
//! #[derive(Deserialize, Serialize, PartialEq, Debug)]
//! struct Lamp<'a> { on: bool, color: &'a str }
//!
//! let mut buffer = [0; 64];
//! let text = json::encode(&Lamp { on: true, color: "red" }, &mut buffer).unwrap();
//! assert_eq!(text, br#"{"on":true,"color":"red"}"#);
//! assert_eq!(json::decode::<Lamp>(text).unwrap(), Lamp { on: true, color: "red" });
//! ```

use serde::{Deserialize, Serialize};

use crate::Received;

pub use serde_json_core::de::Error as DecodeError;
pub use serde_json_core::ser::Error as EncodeError;

/// Reads a value; strings in it borrow the text and must be without escapes.
///
/// # Errors
/// The text is not JSON, is followed by something else, or is no such value.
pub fn decode<'t, T: Deserialize<'t>>(text: &'t [u8]) -> Result<T, DecodeError> {
    let (value, read) = serde_json_core::from_slice(text)?;
    let rest = text.get(read..).unwrap_or_default();
    if rest.iter().all(u8::is_ascii_whitespace) {
        Ok(value)
    } else {
        Err(DecodeError::TrailingCharacters)
    }
}

/// Writes a value into `buffer` and answers the written part, ready to publish.
///
/// # Errors
/// The buffer is too short.
pub fn encode<'b, T: Serialize + ?Sized>(
    value: &T,
    buffer: &'b mut [u8],
) -> Result<&'b [u8], EncodeError> {
    let len = serde_json_core::to_slice(value, buffer)?;
    Ok(buffer.get(..len).unwrap_or_default())
}

impl<'m> Received<'m> {
    /// Reads the payload as JSON.
    ///
    /// # Errors
    /// As [`decode`].
    pub fn json<T: Deserialize<'m>>(&self) -> Result<T, DecodeError> {
        decode(self.payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_value_is_an_error_and_never_a_panic() {
        assert_eq!(decode::<u8>(b"7 \n"), Ok(7));
        assert!(decode::<u8>(b"7 8").is_err());
        assert!(decode::<u8>(b"").is_err());
        assert!(decode::<u8>(b"\xff").is_err());
        assert!(encode(&[1, 2, 3], &mut [0; 6]).is_err());
    }
}
