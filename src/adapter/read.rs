//! Reads an adapter from a file's header, module by module.

use super::families::{self, Detected};
use super::kinds::{Kind, Parts};
use super::module::MAX_SPARE_WORK;
use super::roles::{self, KOHYA, Part, Role, SPELLINGS, Spelling, VectorKind, VectorSpelling};
use super::scale::{Alpha, Scaling};
use super::{Adapter, Module, Refused, Vector, alphas, notes};
use crate::container::{Header, Source, Tensor};
use crate::error::{Code, Error, Result, merge_alike};
use crate::order::{self, Places};
use std::borrow::Cow;

/// The tensors of one module, collected as they are found.
#[derive(Default)]
struct Found {
    spelling: Option<&'static Spelling>,
    parts: Parts,
    alpha: Option<Tensor>,
    magnitude: Option<Tensor>,
    vectors: Vec<(&'static VectorSpelling, Tensor)>,
    foreign: Option<&'static str>,
    tensors: usize,
}

/// The spelling of a full difference of a vector, which is the change of a norm's weight (in lightx2v's and other distillation files).
static DIFF_VECTOR: VectorSpelling =
    VectorSpelling { suffix: ".diff", kind: VectorKind::NormWeight, scaled: false };

/// The spelling of a full difference of a weight that is not a layer: patch embeddings, and tables that are added to a block's
/// modulation (in Wan's distillation files).
pub(super) static DIFF_WEIGHT: VectorSpelling =
    VectorSpelling { suffix: ".diff", kind: VectorKind::Weight, scaled: false };

/// The most values that a weight which is not a layer may have to be added as a whole, in memory; a larger one is cut to a rank as
/// if it were a layer.
const MAX_WEIGHT: u64 = 1 << 24;

/// Reads an adapter; see [`Adapter::open`].
pub(super) async fn read<S: Source>(source: &S, config: Option<&str>) -> Result<Adapter> {
    let header = Header::read(source).await?;
    let scaling = Scaling::new(&header.metadata, config)?;
    let (found, extra) = sorted(&header)?;
    let wanted = found.iter().filter_map(|(_, module)| module.alpha.as_ref());
    let mut alphas = alphas::read(source, wanted.collect()).await?.into_iter();
    let mut known = Known { extra, spare: MAX_SPARE_WORK, ..Known::default() };
    for (stem, found) in found {
        let stored = found.alpha.as_ref().and_then(|_| alphas.next());
        known.add(stem, found, stored, &scaling)?;
    }
    if let Some(name) = scaling.initial() {
        known.warnings.push(Error::new(Code::BaseChanged, format!("Its init_lora_weights is {name:?}.")));
    }
    check_names(&header)?;
    known.check(&header)?;
    let Known { modules, mut vectors, refused, extra, warnings, .. } = known;
    let stems = modules.iter().map(|module| (module.stem.as_str(), module.out_features, module.in_features));
    let family = families::detect(stems, &header.metadata);
    let (weights, modules): (Vec<Module>, Vec<Module>) =
        modules.into_iter().partition(|module| is_beside_layers(module, &family));
    vectors.extend(weights.iter().filter_map(Vector::of_weight));
    let warnings = merge_alike(warnings).into_iter().map(|w| w.in_file(source.name())).collect();
    Ok(Adapter {
        name: source.name().to_owned(),
        size: source.size(),
        tensors: header.tensors.len(),
        trigger_words: notes::trigger_words(&header.metadata),
        metadata: header.metadata,
        modules,
        vectors,
        refused,
        extra,
        family,
        warnings,
    })
}

/// What has been read of a file so far.
#[derive(Default)]
struct Known {
    modules: Vec<Module>,
    vectors: Vec<Vector>,
    refused: Vec<Refused>,
    extra: Vec<String>,
    warnings: Vec<Error>,
    /// The work that is left for modules with ranks far beyond their layers; see `Module::take_off`.
    spare: u64,
}

impl Known {
    /// Adds a module, with the value of its alpha tensor if it has one.
    ///
    /// # Errors
    /// Those of [`Module::new`] and [`Vector::new`]; `TargetParameters`, `Alpha`; `LoraShape` for too many ranks far beyond their
    /// layers.
    fn add(&mut self, stem: String, found: Found, stored: Option<f64>, scaling: &Scaling) -> Result<()> {
        if let Some(why) = found.foreign {
            self.refused.push(Refused { stem, why, tensors: found.tensors });
            return Ok(());
        }
        if scaling.targets_parameter(&stem) {
            return Err(Error::new(Code::TargetParameters, "").at_tensor(stem));
        }
        let stored = stored.map(Alpha::stored);
        let alpha = stored.or_else(|| scaling.alpha(&stem));
        let spelling = found.spelling.unwrap_or(&SPELLINGS[KOHYA]);
        let module = Module::new(&stem, spelling, &found.parts, found.magnitude.clone(), alpha)?;
        // Alpha is checked only now, because a module that does not use its alpha may hold any value there (LoKr files say inf).
        if let (Some(alpha), Some(tensor)) = (module.as_ref().and_then(|module| module.alpha), &found.alpha)
            && !alpha.value.is_finite()
        {
            let detail = format!("It is {}, stored as {:?}.", alpha.value, tensor.dtype);
            return Err(Error::new(Code::Alpha, detail).at_tensor(&tensor.name));
        }
        for (spelling, tensor) in found.vectors {
            self.vectors.push(Vector::new(&stem, spelling, tensor)?);
        }
        if let Some(module) = module {
            module.take_off(&mut self.spare)?;
            self.warnings.extend(oddities(&module));
            self.modules.push(module);
        } else {
            let others = found.parts.others().map(|(_, tensor)| tensor);
            let rest = found.alpha.iter().chain(&found.magnitude).chain(others);
            self.extra.extend(rest.map(|tensor| tensor.name.clone()));
        }
        Ok(())
    }

    /// Checks that the file is a LoRA that can be fused at all, and adds warnings about the parts that cannot.
    ///
    /// # Errors
    /// `NoLora`, `AdapterKind`.
    fn check(&mut self, header: &Header) -> Result<()> {
        if self.modules.is_empty() && self.vectors.is_empty() {
            return Err(self.refused.first().map_or_else(
                || no_lora(header),
                |first| Error::new(Code::AdapterKind, format!("It is {}.", first.why)).at_tensor(&first.stem),
            ));
        }
        check_extra(&self.extra)?;
        self.warnings.extend(self.refused.iter().map(|module| {
            Error::new(Code::ModulesRefused, format!("It is {}.", module.why)).at_tensor(&module.stem)
        }));
        if !self.extra.is_empty() {
            let some = self.extra.iter().take(NAMED).map(|name| format!("{name:?}"));
            let some = some.collect::<Vec<_>>().join(", ");
            let more = if self.extra.len() > NAMED { " …" } else { "" };
            let detail = format!("{} of them: {some}{more}", self.extra.len());
            self.warnings.push(Error::new(Code::ExtraTensors, detail));
        }
        Ok(())
    }
}

/// The most tensors without a module that a warning names.
const NAMED: usize = 3;

/// Modules in the order of their stems, and the names of tensors that belong to none.
type Sorted = (Vec<(String, Found)>, Vec<String>);

/// Sorts the tensors by module and lists those that belong to none.
///
/// # Errors
/// `SpellingMix` if a module has two tensors for the same role: loaders would choose differently.
fn sorted(header: &Header) -> Result<Sorted> {
    let (mut modules, mut places) = (Vec::new(), Places::default());
    let mut extra = Vec::new();
    for tensor in &header.tensors {
        let (stem, role) = roles::role(&tensor.name);
        if role == Role::Extra {
            extra.push(tensor.name.clone());
            continue;
        }
        let stem = plain(stem);
        let stem = stem.as_ref();
        let (_, found) = places.entry(&mut modules, stem, || (stem.to_owned(), Found::default()));
        let (tensor, name) = (tensor.clone(), &tensor.name);
        found.tensors += 1;
        let again = match role {
            Role::Down(spelling) => {
                found.spelling = Some(spelling);
                found.parts.down.replace(tensor)
            }
            Role::Up(spelling) => {
                found.spelling.get_or_insert(spelling);
                found.parts.up.replace(tensor)
            }
            Role::Alpha => found.alpha.replace(tensor),
            Role::Magnitude => found.magnitude.replace(tensor),
            Role::Part(Part::Diff) if tensor.shape.len() == 1 => {
                found.vectors.push((&DIFF_VECTOR, tensor));
                None
            }
            Role::Part(part) => found.parts.put(part, tensor),
            Role::Vector(spelling) => {
                found.vectors.push((spelling, tensor));
                None
            }
            Role::Foreign(why) => {
                found.foreign = Some(why);
                None
            }
            Role::Extra => None,
        };
        if let Some(other) = again {
            let detail = format!("{:?} says the same of its module.", other.name);
            return Err(Error::new(Code::SpellingMix, detail).at_tensor(name));
        }
    }
    order::sort_by(&mut modules, |a, b| a.0.cmp(&b.0));
    Ok((modules, extra))
}

/// The component prefixes that diffusers 0.23 wrote twice.
const TWICE: [&str; 3] = ["unet.", "text_encoder.", "text_encoder_2."];

/// A stem without the parts that say nothing about the model: wrappers' names and repeated components.
fn plain(stem: &str) -> Cow<'_, str> {
    let mut plain = roles::without_wrappers(stem);
    for component in TWICE {
        if plain.strip_prefix(component).is_some_and(|rest| rest.starts_with(component)) {
            plain = plain[component.len()..].to_owned().into();
        }
    }
    plain
}

/// Whether a module is the full difference of a weight that is not a layer in any family that the file may belong to: a patch
/// embedding, whose kernel has three dimensions, or a table (`[1, …]`). The projection has nothing to work on there.
fn is_beside_layers(module: &Module, family: &Detected) -> bool {
    let Kind::Diff(kind) = &module.kind else { return false };
    let is_layer = !matches!(kind.diff.shape[..], [1, ..] | [_, _, _, _, _]);
    let families = family.families();
    !is_layer
        && !families.is_empty()
        && module.magnitude.is_none()
        && kind.diff.values() <= MAX_WEIGHT
        && families.iter().all(|family| family.resolve(&module.stem).is_none())
}

/// Checks the tensors without a module in a file that has modules; a whole model has such tensors as well.
///
/// # Errors
/// `AdapterKind` if a tensor shows that the whole file is of a kind that cannot be fused.
fn check_extra(extra: &[String]) -> Result<()> {
    for name in extra {
        if let Some((_, what)) = roles::FOREIGN_FILES.iter().find(|(end, _)| name.ends_with(end)) {
            return Err(Error::new(Code::AdapterKind, format!("The file is {what}.")).at_tensor(name));
        }
    }
    Ok(())
}

/// Refuses a file whose tensors are named like factors but are something else.
///
/// # Errors
/// `AdapterKind`.
fn check_names(header: &Header) -> Result<()> {
    let other = header.tensors.iter().find(|tensor| tensor.name.starts_with(roles::LLLITE));
    other.map_or(Ok(()), |tensor| {
        Err(Error::new(Code::AdapterKind, "The file is a ControlNet-LLLite.").at_tensor(&tensor.name))
    })
}

fn oddities(module: &Module) -> Vec<Error> {
    let mut found = Vec::new();
    if let Some(alpha) = module.alpha.filter(|alpha| alpha.value <= 0.0) {
        found.push(
            Error::new(Code::AlphaNegative, format!("alpha = {}.", alpha.value)).at_tensor(&module.stem),
        );
    }
    if module.rank > module.in_features.min(module.out_features) {
        let sizes = format!("Rank {}, layer {}×{}.", module.rank, module.out_features, module.in_features);
        found.push(Error::new(Code::RankOverDims, sizes).at_tensor(&module.stem));
    }
    found
}

/// Other kinds of files that lie in the same folders as LoRAs, recognised by the names of their tensors or the beginnings of those.
const OTHERS: [(&[&str], &str); 7] = [
    (&["emb_params", "clip_l", "clip_g"], "an embedding (textual inversion)"),
    (&["control_model.", "controlnet_cond_embedding.", "controlnet_down_blocks."], "a ControlNet"),
    (&["image_proj.", "ip_adapter."], "an IP-Adapter"),
    (&["model.diffusion_model.", "first_stage_model."], "a whole model (checkpoint)"),
    (
        &["double_blocks.", "transformer_blocks.", "down_blocks.", "joint_blocks."],
        "the weights of a whole model",
    ),
    (&["encoder.down.", "encoder.down_blocks.", "decoder.up.", "decoder.up_blocks."], "a VAE"),
    (&["model.layers.", "text_model.", "encoder.block."], "a language model or text encoder"),
];

fn no_lora(header: &Header) -> Error {
    let detail = match header.tensors.first() {
        None => "It holds no tensors.".to_owned(),
        Some(first) => {
            let is =
                |name: &str, known: &str| name == known || known.ends_with('.') && name.starts_with(known);
            let has = |known: &str| header.tensors.iter().any(|tensor| is(&tensor.name, known));
            let known = OTHERS.iter().find(|(names, _)| names.iter().any(|known| has(known)));
            let looks = known.map_or_else(String::new, |(_, what)| format!("It looks like {what}. "));
            let tensors = match header.tensors.len() {
                1 => "one tensor".to_owned(),
                several => format!("{several} tensors"),
            };
            format!("{looks}It holds {tensors}, the first is {:?}.", first.name)
        }
    };
    Error::new(Code::NoLora, detail)
}
