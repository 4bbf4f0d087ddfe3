//! Pairs the modules of both files and lays out the result: every size is known here, before any arithmetic.
//!
//! The result of a module is rank r_s + r_c: up = [B_s | B_c], down = [A_s ; A_c'] (method.md). What a loader
//! multiplies in (alpha/rank) and what is folded into the factors is decided here, once, for both rank layouts.

use super::settings::{RankLayout, Recipe, Settings};
use crate::adapter::roles::{ALPHA, Spelling};
use crate::adapter::{Adapter, Module, ModuleId};
use crate::backend::Dtype;
use crate::container::{Layout, TensorSpec};
use crate::error::{Code, Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;

/// One module's half of the result: where its factors come from and what is folded into them.
#[derive(Clone, Debug)]
pub struct Part {
    /// The module as it stands in its file.
    pub module: Module,
    /// The factor folded into this part's rows of lora_down, so that with the loader's alpha/rank the part acts at
    /// strength · scale.
    pub fold: f64,
}

/// One module of the result. At least one part is there.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The layer.
    pub id: ModuleId,
    /// The style's rows, which come first.
    pub style: Option<Part>,
    /// The content's rows.
    pub content: Option<Part>,
    /// The rank as written, padding included.
    pub rank: usize,
    /// alpha/rank as a loader computes it from the result; 1 where no alpha is written.
    pub loader_scale: f64,
    /// Names of the result's tensors.
    pub names: Names,
}

/// Names of one module's tensors in the result.
#[derive(Clone, Debug)]
pub struct Names {
    /// lora_down.
    pub down: String,
    /// lora_up.
    pub up: String,
    /// alpha, in spellings that have one.
    pub alpha: Option<String>,
}

/// The whole pair: what is fused, what passes through, and where each byte of the result will stand.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The settings as the user made them, for the report.
    pub settings: Settings,
    /// The settings in the method's terms.
    pub recipe: Recipe,
    /// All modules of the result by identity.
    pub entries: Vec<Entry>,
    /// The result's number format.
    pub dtype: Dtype,
    /// The largest rank in the result.
    pub rank: usize,
    /// The one alpha value of the file (meaningless where no alpha is written).
    pub alpha: f64,
    /// The result's header and tensor positions.
    pub layout: Layout,
    /// What a user should know although the pair is accepted.
    pub warnings: Vec<Error>,
}

/// How two files fit and what the result will be, before any arithmetic.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fit {
    /// Modules of both files.
    pub shared: Vec<String>,
    /// Modules that only the content has.
    pub content_only: Vec<String>,
    /// Modules that only the style has.
    pub style_only: Vec<String>,
    /// The largest rank in the result.
    pub rank: usize,
    /// The result's number format.
    pub dtype: String,
    /// The result's size in bytes.
    pub output_bytes: u64,
    /// What a user should know although the pair is accepted.
    pub warnings: Vec<Error>,
}

impl Entry {
    /// The two parts where both files have the module: what the method works on.
    pub fn pair(&self) -> Option<(&Part, &Part)> {
        self.style.as_ref().zip(self.content.as_ref())
    }

    /// The parts in the order of their rows.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.style.iter().chain(&self.content)
    }
}

impl Plan {
    /// Plans the fusion of two files.
    ///
    /// # Errors
    /// `Settings`; `NoCommonModules` or `SchemeMismatch` where the files share nothing; `ShapeMismatch` naming the
    /// first module whose sizes differ.
    pub fn new(content: &Adapter, style: &Adapter, settings: &Settings) -> Result<Self> {
        let recipe = settings.check()?;
        if !content.modules.keys().any(|id| style.modules.contains_key(id)) {
            return Err(nothing_shared(content, style));
        }
        let mut ids: Vec<&ModuleId> = content.modules.keys().chain(style.modules.keys()).collect();
        ids.sort_unstable();
        ids.dedup();
        let pairs: Vec<_> =
            ids.into_iter().map(|id| (id, content.modules.get(id), style.modules.get(id))).collect();
        check_shapes(&pairs, content, style)?;

        let ranks: Vec<usize> =
            pairs.iter().map(|(_, c, s)| c.map_or(0, |m| m.rank) + s.map_or(0, |m| m.rank)).collect();
        let largest = ranks.iter().copied().max().unwrap_or(0);
        let alpha = match recipe.layout {
            RankLayout::Compatible => float(largest),
            RankLayout::Compact => common_alpha(&pairs, &ranks, &recipe),
        };
        let entries: Vec<Entry> = pairs
            .iter()
            .zip(&ranks)
            .map(|(&(id, content, style), &own)| {
                let rank = if recipe.layout == RankLayout::Compatible { largest } else { own };
                entry(id, content, style, rank, alpha, &recipe)
            })
            .collect();

        let dtype = recipe.dtype.unwrap_or_else(|| narrowest_exact(&entries));
        let metadata = super::metadata::of_result(content, style, settings, largest, alpha);
        let layout = Layout::new(entries.iter().flat_map(|entry| specs(entry, dtype)).collect(), &metadata)?;
        let warnings = warnings(content, style);
        Ok(Self {
            settings: settings.clone(),
            recipe,
            entries,
            dtype,
            rank: largest,
            alpha,
            layout,
            warnings,
        })
    }

    /// The plan in the words of its user.
    pub fn fit(&self) -> Fit {
        fn names<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<String> {
            entries.map(|entry| entry.id.to_string()).collect()
        }
        Fit {
            shared: names(self.shared()),
            content_only: names(self.content_only()),
            style_only: names(self.style_only()),
            rank: self.rank,
            dtype: self.dtype.to_string(),
            output_bytes: self.layout.size,
            warnings: self.warnings.clone(),
        }
    }

    /// Modules that both files have, in order.
    pub fn shared(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.pair().is_some())
    }

    /// Modules that only the content has.
    pub fn content_only(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.style.is_none())
    }

    /// Modules that only the style has.
    pub fn style_only(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.content.is_none())
    }
}

type Pairing<'a> = (&'a ModuleId, Option<&'a Module>, Option<&'a Module>);

fn nothing_shared(content: &Adapter, style: &Adapter) -> Error {
    let example = |adapter: &Adapter| {
        adapter.modules.values().next().map_or(("", String::new()), |m| (m.spelling.name, m.stem.clone()))
    };
    let ((content_scheme, content_stem), (style_scheme, style_stem)) = (example(content), example(style));
    let code = if content_scheme == style_scheme { Code::NoCommonModules } else { Code::SchemeMismatch };
    Error::new(
        code,
        format!(
            "{:?} ({content_scheme}) has {} modules such as {content_stem:?}; {:?} ({style_scheme}) has {} such as {style_stem:?}.",
            content.name,
            content.modules.len(),
            style.name,
            style.modules.len()
        ),
    )
}

fn check_shapes(pairs: &[Pairing<'_>], content: &Adapter, style: &Adapter) -> Result<()> {
    let size = |module: &Module| (module.out_features, module.in_features);
    let mut unlike =
        pairs.iter().filter_map(|(id, c, s)| Some((id, (*c)?, (*s)?))).filter(|(_, c, s)| size(c) != size(s));
    let Some((id, c, s)) = unlike.next() else { return Ok(()) };
    let ((m_c, n_c), (m_s, n_s)) = (size(c), size(s));
    let detail = format!(
        "It is {m_c}×{n_c} in {:?} and {m_s}×{n_s} in {:?}; {} more modules differ.",
        content.name,
        style.name,
        unlike.count()
    );
    Err(Error::new(Code::ShapeMismatch, detail).in_file(&content.name).at_tensor(id.as_str()))
}

/// The alpha that lets most modules keep their style factors bit for bit (compact layout): the most common
/// w_s·s_s·rank. A zero or negative one would break loaders that treat it specially; then alpha is the common rank.
fn common_alpha(pairs: &[Pairing<'_>], ranks: &[usize], recipe: &Recipe) -> f64 {
    let mut counts: BTreeMap<u64, (f64, usize)> = BTreeMap::new();
    for ((_, content, style), &rank) in pairs.iter().zip(ranks) {
        let scale = match (style, content) {
            (Some(style), _) => recipe.style_strength * style.scale(),
            (None, Some(content)) => recipe.content_strength * content.scale(),
            (None, None) => continue,
        };
        let alpha = scale * float(rank);
        counts.entry(alpha.to_bits()).or_insert((alpha, 0)).1 += 1;
    }
    let common = counts.values().max_by_key(|(_, count)| *count).map_or(1.0, |(alpha, _)| *alpha);
    let usable = f64::from(as_f32(common)) == common && common > 0.0;
    if usable { common } else { float(ranks.iter().copied().max().unwrap_or(1)) }
}

fn entry(
    id: &ModuleId,
    content: Option<&Module>,
    style: Option<&Module>,
    rank: usize,
    alpha: f64,
    recipe: &Recipe,
) -> Entry {
    // A module of both files is spelled as the content spells it.
    let named = content.or(style);
    let spelling: Option<&'static Spelling> = named.map(|module| module.spelling);
    let stem = named.map_or(id.as_str(), |module| &module.stem);
    let writes_alpha = spelling.is_some_and(|s| s.writes_alpha);
    let loader_scale = if writes_alpha { alpha / float(rank) } else { 1.0 };
    let part = |module: Option<&Module>, strength: f64| {
        module.map(|m| Part { module: m.clone(), fold: strength * m.scale() / loader_scale })
    };
    Entry {
        id: id.clone(),
        style: part(style, recipe.style_strength),
        content: part(content, recipe.content_strength),
        rank,
        loader_scale,
        names: Names {
            down: format!("{stem}{}", spelling.map_or("", |s| s.down)),
            up: format!("{stem}{}", spelling.map_or("", |s| s.up)),
            alpha: writes_alpha.then(|| format!("{stem}{ALPHA}")),
        },
    }
}

/// The narrowest of F16, BF16 and F32 that holds every value of the inputs exactly.
fn narrowest_exact(entries: &[Entry]) -> Dtype {
    let mut needs = [false; 3]; // F16, BF16, F32
    for part in entries.iter().flat_map(Entry::parts) {
        for tensor in [&part.module.down, &part.module.up] {
            match tensor.dtype {
                Dtype::F32 => needs[2] = true,
                Dtype::BF16 => needs[1] = true,
                _ => needs[0] = true, // F16, and F8 whose two formats F16 contains
            }
        }
    }
    match needs {
        [true, false, false] => Dtype::F16,
        [false, true, false] => Dtype::BF16,
        _ => Dtype::F32,
    }
}

fn specs(entry: &Entry, dtype: Dtype) -> Vec<TensorSpec> {
    let modules = || entry.parts().map(|part| &part.module);
    let rank = entry.rank as u64;
    // Where one file keeps a 1×1 convolution as a matrix and the other as a convolution, the latter loads everywhere.
    let dims: Vec<u64> =
        modules().map(Module::input_dims).max_by_key(|dims| dims.len()).unwrap_or_default().to_vec();
    let out = modules().next().map_or(0, |module| module.out_features) as u64;
    let ones = vec![1; dims.len().saturating_sub(1)];
    let mut specs = vec![
        TensorSpec { name: entry.names.down.clone(), dtype, shape: [vec![rank], dims].concat() },
        TensorSpec { name: entry.names.up.clone(), dtype, shape: [vec![out, rank], ones].concat() },
    ];
    specs.extend(entry.names.alpha.iter().map(|name| TensorSpec {
        name: name.clone(),
        dtype: Dtype::F32,
        shape: vec![],
    }));
    specs
}

fn warnings(content: &Adapter, style: &Adapter) -> Vec<Error> {
    let mut warnings = Vec::new();
    let base = |adapter: &Adapter| adapter.metadata.get("ss_base_model_version").cloned();
    if let (Some(of_content), Some(of_style)) = (base(content), base(style))
        && of_content != of_style
    {
        let detail = format!("The subject's is {of_content:?}, the style's {of_style:?}.");
        warnings.push(Error::new(Code::BaseDiffers, detail));
    }
    warnings
}

#[allow(clippy::cast_precision_loss, reason = "ranks are far below 2^53")]
fn float(value: usize) -> f64 {
    value as f64
}

/// The value as the result stores it.
#[allow(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
pub(super) fn as_f32(value: f64) -> f32 {
    value as f32
}
