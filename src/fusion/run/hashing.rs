//! SHA-256 of a result, which names it: `sshs_model_hash`, AutoV3. Bytes have to come one after the other, so that of all that a
//! run does it alone cannot be shared out; but it can be done beside the rest.

use crate::error::Result;
use sha2::{Digest, Sha256};

/// A hash under way.
#[allow(async_fn_in_trait, reason = "hashes are made by one thread; on wasm32 no future is Send")]
pub trait Hashing {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// Those of whoever makes it.
    async fn update(&mut self, bytes: &[u8]) -> Result<()>;

    /// The hash of all bytes, in hexadecimal.
    ///
    /// # Errors
    /// Those of whoever makes it.
    async fn finish(self) -> Result<String>;
}

/// At once, by whoever has the bytes.
impl Hashing for Sha256 {
    async fn update(&mut self, bytes: &[u8]) -> Result<()> {
        Digest::update(self, bytes);
        Ok(())
    }

    async fn finish(self) -> Result<String> {
        Ok(hexadecimal(self))
    }
}

/// The hash of all bytes so far.
pub(crate) fn hexadecimal(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
