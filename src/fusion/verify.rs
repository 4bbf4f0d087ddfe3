//! Reads the result back: nothing is offered before its bytes have been checked.
//!
//! Three checks, each of something the others cannot see: the header is read strictly and must lay out what was planned;
//! every tensor must have the checksum of what was written, so that the accounting of rounding errors, made at writing,
//! is that of the saved bytes; and for one module of each shape the update a loader would compute from the saved file is
//! compared with NP-LoRA computed once more, in f64, from the input files.

use super::factors::{Factor, Factors};
use super::method::Written;
use super::plan::{Entry, Plan};
use super::{Progress, Stage, Watch};
use crate::backend::{Dtype, Job, cpu};
use crate::container::{self, Header, Source, Tensor};
use crate::error::{Code, Error, Result};
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// What the check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Modules that were computed again.
    pub recomputed: usize,
    /// The largest difference among them, relative to the module's update.
    pub worst: f64,
}

/// Bytes read at a time.
const PIECE: u64 = 8 << 20;

/// Difference that is tolerated in a recomputed module beside its rounding: the method's bound for the worst-conditioned
/// factors (method.md).
const TOLERANCE: f64 = 1e-4;

/// Checks the finished file.
///
/// # Errors
/// `Verify` with what is wrong; `Aborted`; those of the sources.
pub async fn check<R: Source, C: Source, S: Source, W: Watch>(
    plan: &Plan,
    written: &Written,
    result: &R,
    content: &C,
    style: &S,
    watch: &mut W,
) -> Result<Verified> {
    let header = Header::read(result).await.map_err(|error| wrong(error.to_string()))?;
    let start = result.read(0..header.data_start).await?;
    if start != plan.layout.header || header.tensors != plan.layout.tensors {
        return Err(wrong("Its header is not the one that was planned.".to_owned()));
    }
    let sha256 = check_bytes(plan, written, result, watch).await?;
    let mut shapes = HashSet::new();
    let mut verified = Verified { sha256, recomputed: 0, worst: 0.0 };
    for entry in plan.shared() {
        let Some((of_style, of_content)) = entry.pair() else { continue };
        let (s, c) = (&of_style.module, &of_content.module);
        if !shapes.insert((s.out_features, s.in_features, s.rank, c.rank)) {
            continue;
        }
        if watch.cancelled() {
            return Err(Error::new(Code::Aborted, ""));
        }
        let apart = recompute(plan, entry, result, content, style).await?;
        let rounding =
            written.modules.iter().find(|m| m.name == entry.id.as_str()).map_or(0.0, |m| m.rounding);
        // The difference is estimated from a few directions, so it may be some times the rounding error.
        if apart.is_nan() || apart > TOLERANCE + 8.0 * rounding {
            return Err(wrong(format!("Its update is {apart:.1e} away from what it should be."))
                .at_tensor(entry.id.as_str()));
        }
        verified.recomputed += 1;
        verified.worst = verified.worst.max(apart);
    }
    Ok(verified)
}

fn wrong(detail: String) -> Error {
    Error::new(Code::Verify, detail)
}

/// Reads the whole file once, in order: checksums, finiteness and SHA-256.
async fn check_bytes<R: Source, W: Watch>(
    plan: &Plan,
    written: &Written,
    result: &R,
    watch: &mut W,
) -> Result<String> {
    let size = plan.layout.size;
    let mut digest = Sha256::new();
    let mut crc = crc32fast::Hasher::new();
    let mut tensors = plan.layout.tensors.iter().zip(&written.checksums).peekable();
    let mut progress = Progress {
        stage: Stage::Verify,
        modules_done: plan.entries.len(),
        modules_total: plan.entries.len(),
        bytes_done: 0,
        bytes_total: size,
        module: String::new(),
    };
    let mut at = 0;
    while at < size {
        if watch.cancelled() {
            return Err(Error::new(Code::Aborted, ""));
        }
        let end = size.min(at + PIECE);
        let piece = result.read(at..end).await?;
        if piece.len() as u64 != end - at {
            return Err(wrong("It is shorter than it should be.".to_owned()));
        }
        digest.update(&piece);
        while let Some((tensor, expected)) = tensors.peek() {
            let part = slice_of(&piece, at, tensor);
            if container::first_non_finite(tensor.dtype, whole_words(part, at, tensor)).is_some() {
                return Err(wrong("It has values that are not numbers.".to_owned()).at_tensor(&tensor.name));
            }
            crc.update(part);
            if tensor.end > end {
                break;
            }
            if std::mem::take(&mut crc).finalize() != **expected {
                return Err(
                    wrong("Its bytes are not those that were written.".to_owned()).at_tensor(&tensor.name)
                );
            }
            tensors.next();
        }
        at = end;
        progress.bytes_done = at;
        watch.progress(&progress);
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The part of a tensor that lies in a piece of the file beginning at `at`.
fn slice_of<'a>(piece: &'a [u8], at: u64, tensor: &Tensor) -> &'a [u8] {
    let within =
        |position: u64| usize::try_from(position.saturating_sub(at)).unwrap_or(usize::MAX).min(piece.len());
    piece.get(within(tensor.start)..within(tensor.end)).unwrap_or_default()
}

/// `part` without a word that began in the piece before. Pieces end where no word of any format is cut only by chance;
/// a cut word was seen as finite at writing, and its checksum is compared.
fn whole_words<'a>(part: &'a [u8], at: u64, tensor: &Tensor) -> &'a [u8] {
    let word = (tensor.dtype.bitsize() / 8).max(1) as u64;
    let begun = if tensor.start < at { (at - tensor.start) % word } else { 0 };
    let skip = usize::try_from((word - begun) % word).unwrap_or(0);
    part.get(skip..).unwrap_or_default()
}

/// How far the saved update of a module is from the intended one: ‖(saved − intended)·X‖/‖intended·X‖ for a few random
/// columns X, which estimates the ratio of the Frobenius norms without building either matrix.
async fn recompute<R: Source, C: Source, S: Source>(
    plan: &Plan,
    entry: &Entry,
    result: &R,
    content: &C,
    style: &S,
) -> Result<f64> {
    let Some((of_style, of_content)) = entry.pair() else { return Ok(0.0) };
    let style = Factors::read(style, &of_style.module).await?;
    let content = Factors::read(content, &of_content.module).await?;
    let beta = if plan.recipe.style_strength == 0.0 { 0.0 } else { plan.recipe.beta };
    let job = Job {
        style_down: style.down.stored(),
        style_up: style.up.stored(),
        content_down: content.down.stored(),
        scale: 1.0,
    };
    let projected = cpu::careful(&job, plan.recipe.cut, super::plan::as_f32(beta), Dtype::F32);
    let content_down = Factor { bytes: projected.content_down, dtype: Dtype::F32, ..content.down };

    let saved = async |name: &str, rows: usize, cols: usize| {
        let tensor = plan.layout.find(name).ok_or_else(|| wrong(format!("{name:?} is missing.")))?;
        let bytes = result.read(tensor.range()).await?;
        Ok::<_, Error>(Factor { bytes, dtype: tensor.dtype, rows, cols })
    };
    let down = saved(&entry.names.down, entry.rank, style.down.cols).await?;
    let up = saved(&entry.names.up, style.up.rows, entry.rank).await?;
    #[allow(clippy::cast_precision_loss, reason = "ranks are small")]
    let loader_scale = match entry.names.alpha.as_deref().and_then(|name| plan.layout.find(name)) {
        Some(alpha) => {
            let word = result.read(alpha.range()).await?;
            container::scalar(alpha.dtype, &word).unwrap_or(f64::NAN) / entry.rank as f64
        }
        None => 1.0,
    };

    let (style_scale, content_scale) = (
        plan.recipe.style_strength * of_style.module.scale(),
        plan.recipe.content_strength * of_content.module.scale(),
    );
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let (mut apart, mut size) = (0.0, 0.0);
    for _ in 0..PROBES {
        let probe: Vec<f64> = (0..style.down.cols).map(|_| sign(&mut random)).collect();
        let through = |up: &Factor, down: &Factor| times(up, &times(down, &probe));
        let (is, of_style, of_content) =
            (through(&up, &down), through(&style.up, &style.down), through(&content.up, &content_down));
        for ((is, s), c) in is.iter().zip(of_style).zip(of_content) {
            let should = style_scale * s + content_scale * c;
            apart += (loader_scale * is - should).powi(2);
            size += should.powi(2);
        }
    }
    Ok(if size > 0.0 { (apart / size).sqrt() } else { apart.sqrt() })
}

/// Random columns a module is checked with.
const PROBES: usize = 4;

/// −1 or 1, from a xorshift generator (Marsaglia 2003): the same for every run.
fn sign(state: &mut u64) -> f64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    if *state >> 63 == 0 { 1.0 } else { -1.0 }
}

/// Matrix times vector, in f64.
fn times(matrix: &Factor, vector: &[f64]) -> Vec<f64> {
    let values = cpu::decode(&matrix.stored(), 0, false);
    values
        .chunks_exact(matrix.cols.max(1))
        .map(|row| row.iter().zip(vector).map(|(&a, &x)| f64::from(a) * x).sum())
        .collect()
}
