//! SHA-256 of a result, which identifies it: `sshs_model_hash`, AutoV3. The bytes must be hashed in order, so this is the one part
//! of a run that cannot be divided; but it can run beside the rest.

use crate::error::Result;
use sha2::{Digest, Sha256};

/// A hash under construction.
#[allow(async_fn_in_trait, reason = "hashes are made by one thread; on wasm32 no future is Send")]
pub trait Hashing {
    /// Hashes the next bytes.
    ///
    /// # Errors
    /// Those of whoever computes the hash.
    async fn update(&mut self, bytes: &[u8]) -> Result<()>;

    /// The hash of all bytes, in hexadecimal.
    ///
    /// # Errors
    /// Those of whoever computes the hash.
    async fn finish(self) -> Result<String>;
}

/// Hashes the bytes at once, in the same worker.
impl Hashing for Sha256 {
    async fn update(&mut self, bytes: &[u8]) -> Result<()> {
        Digest::update(self, bytes);
        Ok(())
    }

    async fn finish(self) -> Result<String> {
        Ok(hexadecimal(self))
    }
}

/// The hash of all bytes so far in hexadecimal.
pub(crate) fn hexadecimal(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
