//! Reads alpha tensors: tiny, many, and often scattered.

use crate::container::{self, Source, Tensor};
use crate::error::{Code, Error, Result};
use crate::order;

/// Alphas that lie within this many bytes of each other are read in one go.
const NEAR: u64 = 256 * 1024;

/// Values of the alpha tensors, in their order.
///
/// # Errors
/// `Alpha` naming a tensor that is no finite number; those of the source.
pub(super) async fn read<S: Source>(source: &S, wanted: Vec<&Tensor>) -> Result<Vec<f64>> {
    let mut alphas = vec![0.0; wanted.len()];
    let mut wanted: Vec<(usize, &Tensor)> = wanted.into_iter().enumerate().collect();
    order::sort_by(&mut wanted, |a, b| a.1.start.cmp(&b.1.start));
    let mut rest = wanted.as_slice();
    while let Some((_, first)) = rest.first() {
        let near = rest.iter().take_while(|(_, t)| t.end.saturating_sub(first.start) <= NEAR).count().max(1);
        let (group, later) = rest.split_at(near);
        rest = later;
        if let Some((_, odd)) = group.iter().find(|(_, t)| t.values() != 1) {
            let detail = "It holds more or less than one number.";
            return Err(Error::new(Code::Alpha, detail).at_tensor(&odd.name));
        }
        let end = group.iter().map(|(_, t)| t.end).max().unwrap_or(first.end);
        let bytes = container::exactly(source, first.start..end).await?;
        for (place, tensor) in group {
            let at = usize::try_from(tensor.start - first.start).unwrap_or(usize::MAX);
            let length = usize::try_from(tensor.bytes()).unwrap_or(usize::MAX);
            let value = bytes
                .get(at..at.saturating_add(length))
                .and_then(|word| container::scalar(tensor.dtype, word))
                .filter(|value| value.is_finite())
                .ok_or_else(|| {
                    Error::new(Code::Alpha, format!("It is stored as {:?}.", tensor.dtype))
                        .at_tensor(&tensor.name)
                })?;
            alphas[*place] = value;
        }
    }
    Ok(alphas)
}
