//! Reads alpha tensors: tiny, many, and often scattered.

use crate::container::{self, Ahead, Source, Tensor};
use crate::error::{Code, Error, Result};
use crate::order;

/// The number of alpha tensors read in one go, so that the bytes between them do not fill the memory.
const BATCH: usize = 64;

/// The values of the alpha tensors in the order of `wanted`, finite or not.
///
/// # Errors
/// `Alpha` naming a tensor that does not hold a single number; the source's own errors.
pub(super) async fn read<S: Source>(source: &S, wanted: Vec<&Tensor>) -> Result<Vec<f64>> {
    let mut alphas = vec![0.0; wanted.len()];
    let mut wanted: Vec<(usize, &Tensor)> = wanted.into_iter().enumerate().collect();
    if let Some((_, odd)) = wanted.iter().find(|(_, tensor)| tensor.values() != 1) {
        let detail = "It holds more or less than one number.";
        return Err(Error::new(Code::Alpha, detail).at_tensor(&odd.name));
    }
    order::sort_by(&mut wanted, |a, b| a.1.start.cmp(&b.1.start));
    for batch in wanted.chunks(BATCH) {
        let ahead = Ahead::read(source, batch.iter().map(|(_, tensor)| tensor.range()).collect()).await?;
        for (place, tensor) in batch {
            let word = ahead.read(tensor.range()).await?;
            alphas[*place] = container::scalar(tensor.dtype, &word).ok_or_else(|| {
                Error::new(Code::Alpha, format!("It is stored as {:?}.", tensor.dtype))
                    .at_tensor(&tensor.name)
            })?;
        }
    }
    Ok(alphas)
}
