//! NP-LoRA on a whole pair: ΔW = ΔW_s + ΔW_c·(I − β V_k V_kᵀ), module by module, straight into the result.
//!
//! The result of a module is up = [B_s | B_c], down = [A_s ; A_c'] (method.md, "It is exactly low-rank"); the backend
//! gives A_c'. Only one batch of modules is in memory at a time.

use super::accounting::{Figures, ModuleReport};
use super::engine::Engine;
use super::factors::Factors;
use super::plan::{Entry, Plan, as_f32};
use super::{Progress, Stage, Watch};
use crate::backend::{Batch, Job};
use crate::container::{self, Sink, Source};
use crate::error::{Code, Error, Result};
use std::collections::{BTreeMap, HashMap};

/// Everything that was written, for the report and for the check of the saved bytes.
#[derive(Debug)]
pub struct Written {
    /// Checksums (CRC-32) of the tensors, in the order of the layout.
    pub checksums: Vec<u32>,
    /// The accounting of fused modules.
    pub modules: Vec<ModuleReport>,
}

/// Writes the result of a plan.
///
/// # Errors
/// Those of the sources and the sink; `NonFinite`, `OutputRange`, `Aborted`. What was written until then is useless.
pub async fn write<C: Source, S: Source, K: Sink, W: Watch>(
    plan: &Plan,
    content: &C,
    style: &S,
    engine: &mut Engine,
    sink: &mut K,
    watch: &mut W,
) -> Result<Written> {
    let mut writer = Writer::begin(plan, sink, watch).await?;
    let mut modules = Vec::new();
    for batch in batches(plan, engine.batch_bytes()) {
        modules.extend(fuse_batch(plan, &batch, content, style, engine, &mut writer).await?);
    }
    for entry in plan.entries.iter().filter(|entry| entry.pair().is_none()) {
        writer.check_cancelled()?;
        let factors = match (&entry.style, &entry.content) {
            (Some(part), _) => Factors::read(style, &part.module).await?,
            (None, Some(part)) => Factors::read(content, &part.module).await?,
            (None, None) => continue,
        };
        let fold = entry.parts().map(|part| part.fold).sum();
        let down = factors.down.rounded(fold, plan.dtype);
        let up = factors.up.rounded(1.0, plan.dtype);
        writer.module(entry, &[&down.bytes], &[(&up.bytes, factors.up.cols)]).await?;
    }
    modules.sort_by(|a: &ModuleReport, b| a.name.cmp(&b.name));
    Ok(Written { checksums: writer.finish()?, modules })
}

/// Shared modules of one shape and format, as many as fit into `limit` bytes of input (at least one).
fn batches(plan: &Plan, limit: usize) -> Vec<Vec<&Entry>> {
    let mut groups: Vec<Vec<&Entry>> = Vec::new();
    let mut place: BTreeMap<_, usize> = BTreeMap::new();
    for entry in plan.shared() {
        let Some((style, content)) = entry.pair() else { continue };
        let (s, c) = (&style.module, &content.module);
        let key = (s.out_features, s.in_features, s.rank, c.rank, s.down.dtype, s.up.dtype, c.down.dtype);
        let at = *place.entry(key).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[at].push(entry);
    }
    let bytes = |entry: &Entry| {
        entry.parts().map(|p| p.module.down.bytes() + p.module.up.bytes()).sum::<u64>().max(1)
    };
    groups
        .iter()
        .flat_map(|group| {
            let each = group.first().map_or(1, |entry| usize::try_from(bytes(entry)).unwrap_or(limit));
            group.chunks((limit / each).max(1))
        })
        .map(<[&Entry]>::to_vec)
        .collect()
}

async fn fuse_batch<C: Source, S: Source, K: Sink, W: Watch>(
    plan: &Plan,
    entries: &[&Entry],
    content: &C,
    style: &S,
    engine: &mut Engine,
    writer: &mut Writer<'_, K, W>,
) -> Result<Vec<ModuleReport>> {
    let mut inputs = Vec::with_capacity(entries.len());
    for entry in entries {
        writer.check_cancelled()?;
        if let Some((of_style, of_content)) = entry.pair() {
            let pair = (
                Factors::read(style, &of_style.module).await?,
                Factors::read(content, &of_content.module).await?,
            );
            inputs.push((*entry, of_style, of_content, pair));
        }
    }
    let jobs: Vec<Job<'_>> = inputs
        .iter()
        .map(|(_, _, of_content, (style, content))| Job {
            style_down: style.down.stored(),
            style_up: style.up.stored(),
            content_down: content.down.stored(),
            scale: as_f32(of_content.fold),
        })
        .collect();
    // Without style there is nothing to protect (method.md: w_s = 0 means no projection).
    let beta = if plan.recipe.style_strength == 0.0 { 0.0 } else { plan.recipe.beta };
    let batch = Batch { jobs: &jobs, cut: plan.recipe.cut, beta: as_f32(beta), output: plan.dtype };
    let projected = engine.project(&batch).await?;

    let mut reports = Vec::with_capacity(entries.len());
    for ((entry, of_style, of_content, (style, content)), projected) in inputs.iter().zip(projected) {
        writer.check_cancelled()?;
        let style_down = style.down.rounded(of_style.fold, plan.dtype);
        let (style_up, content_up) = (style.up.rounded(1.0, plan.dtype), content.up.rounded(1.0, plan.dtype));
        writer
            .module(
                entry,
                &[&style_down.bytes, &projected.content_down],
                &[(&style_up.bytes, style.up.cols), (&content_up.bytes, content.up.cols)],
            )
            .await?;
        let figures = Figures {
            beta,
            style_scale: of_style.fold * entry.loader_scale,
            content_scale: of_content.fold * entry.loader_scale,
            loader_scale: entry.loader_scale,
            style,
            content,
            projected: &projected,
            style_down_error: style_down.error.as_deref(),
            style_up_error: style_up.error.as_deref(),
            content_up_error: content_up.error.as_deref(),
        };
        reports.push(figures.report(entry.id.as_str()));
    }
    Ok(reports)
}

/// Puts tensors at their places and keeps count.
struct Writer<'a, K, W> {
    plan: &'a Plan,
    sink: &'a mut K,
    watch: &'a mut W,
    checksums: Vec<Option<u32>>,
    places: HashMap<&'a str, usize>,
    progress: Progress,
}

impl<'a, K: Sink, W: Watch> Writer<'a, K, W> {
    /// Writes the header and all alphas, which are one value for the whole file.
    async fn begin(plan: &'a Plan, sink: &'a mut K, watch: &'a mut W) -> Result<Self> {
        let tensors = &plan.layout.tensors;
        let mut writer = Self {
            plan,
            sink,
            watch,
            checksums: vec![None; tensors.len()],
            places: tensors.iter().enumerate().map(|(at, tensor)| (tensor.name.as_str(), at)).collect(),
            progress: Progress {
                stage: Stage::Fuse,
                modules_done: 0,
                modules_total: plan.entries.len(),
                bytes_done: plan.layout.header.len() as u64,
                bytes_total: plan.layout.size,
                module: String::new(),
            },
        };
        writer.sink.write(0, &plan.layout.header).await?;
        let word = as_f32(plan.alpha).to_le_bytes();
        let mut alphas: Vec<usize> = plan
            .entries
            .iter()
            .filter_map(|entry| writer.places.get(entry.names.alpha.as_deref()?).copied())
            .collect();
        alphas.sort_unstable();
        // Neighbours go out as one piece: there may be thousands.
        for run in alphas.chunk_by(|a, b| a + 1 == *b) {
            let Some(first) = run.first() else { continue };
            for &at in run {
                writer.checksums[at] = Some(crc32fast::hash(&word));
            }
            let bytes = word.repeat(run.len());
            writer.progress.bytes_done += bytes.len() as u64;
            writer.sink.write(tensors[*first].start, &bytes).await?;
        }
        Ok(writer)
    }

    fn check_cancelled(&self) -> Result<()> {
        if self.watch.cancelled() { Err(Error::new(Code::Aborted, "")) } else { Ok(()) }
    }

    /// Writes one module: `downs` are blocks of rows, `ups` blocks of columns (words, number of columns), in the same
    /// order; what is missing to the planned rank is padded with zeros.
    async fn module(&mut self, entry: &Entry, downs: &[&[u8]], ups: &[(&[u8], usize)]) -> Result<()> {
        let mut down = downs.concat();
        let size = |name: &str| {
            let tensor = self.plan.layout.find(name);
            tensor.and_then(|tensor| usize::try_from(tensor.bytes()).ok()).unwrap_or(0)
        };
        down.resize(size(&entry.names.down), 0);
        let word = self.plan.dtype.bitsize() / 8;
        let mut up = vec![0; size(&entry.names.up)];
        let row = entry.rank * word;
        let mut column = 0;
        for (words, cols) in ups {
            let width = cols * word;
            for (target, source) in up.chunks_exact_mut(row).zip(words.chunks_exact(width)) {
                target[column..column + width].copy_from_slice(source);
            }
            column += width;
        }
        self.tensor(&entry.names.down, &down).await?;
        self.tensor(&entry.names.up, &up).await?;
        self.progress.modules_done += 1;
        self.progress.bytes_done += (down.len() + up.len()) as u64;
        entry.id.as_str().clone_into(&mut self.progress.module);
        self.watch.progress(&self.progress);
        Ok(())
    }

    async fn tensor(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let Some(&at) = self.places.get(name) else {
            return Err(Error::new(Code::Internal, "A tensor was not planned.").at_tensor(name));
        };
        // A value too large for the format has become infinite: say so instead of writing it.
        if let Some(value) = container::first_non_finite(self.plan.dtype, bytes) {
            let detail = format!("Value {value} is too large for {}.", self.plan.dtype);
            return Err(Error::new(Code::OutputRange, detail).at_tensor(name));
        }
        self.checksums[at] = Some(crc32fast::hash(bytes));
        self.sink.write(self.plan.layout.tensors[at].start, bytes).await
    }

    fn finish(self) -> Result<Vec<u32>> {
        let missing = || Error::new(Code::Internal, "A planned tensor was not written.");
        self.checksums.into_iter().collect::<Option<Vec<u32>>>().ok_or_else(missing)
    }
}
