//! Tensors → modules: names, kinds, shapes and scales. No arithmetic on pairs of files.
//!
//! [`roles`] splits tensor names, [`kinds`] says what the tensors of a module make, [`scale`] where its scale comes from,
//! [`families`] which layer of which model it is, [`summary`] describes a file in the words of its user.

pub mod families;
pub mod scale;

mod alphas;
pub(crate) mod kinds;
mod module;
mod notes;
pub(crate) mod roles;
mod summary;

pub use families::ModuleId;
pub use module::Module;
pub use summary::Summary;

use crate::container::{Header, Source, Tensor};
use crate::error::{Code, Error, Result};
use crate::order::{self, Places};
use families::Detected;
use kinds::Parts;
use roles::{KOHYA, Part, Role, SPELLINGS, Spelling, VectorKind, VectorSpelling};
use scale::{Alpha, ScaleChoice, ScaleSource, Scaling};
use std::collections::BTreeMap;

/// The file in which PEFT keeps what a LoRA file does not say.
pub const CONFIG_NAME: &str = "adapter_config.json";
/// In bytes. Real ones have a few kilobytes.
pub const CONFIG_BYTES: u64 = 1_000_000;

/// A LoRA file, understood from its header and its alphas.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// The file's name.
    pub name: String,
    /// The file's size in bytes.
    pub size: u64,
    /// Free texts from `__metadata__`.
    pub metadata: BTreeMap<String, String>,
    /// Modules in the order of their stems.
    pub modules: Vec<Module>,
    /// Changes of biases and norms.
    pub vectors: Vec<Vector>,
    /// Modules that cannot be fused, and why.
    pub refused: Vec<Refused>,
    /// Names of tensors that belong to no module.
    pub extra: Vec<String>,
    /// Number of tensors in the file.
    pub tensors: usize,
    /// Words that the metadata says trigger it. Hostile text.
    pub trigger_words: Vec<String>,
    /// Which model it is for.
    pub family: Detected,
    /// What a user should know although the file is accepted.
    pub warnings: Vec<Error>,
}

/// A vector that is added in proportion to the strength.
#[derive(Clone, Debug)]
pub struct Vector {
    /// The module's stem as the file spells it.
    pub stem: String,
    /// How it is spelled, and what it changes.
    pub spelling: &'static VectorSpelling,
    /// Its values.
    pub tensor: Tensor,
    /// Number of values.
    pub length: usize,
}

/// A module that is left out of every result.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Its stem.
    pub stem: String,
    /// What it is.
    pub why: &'static str,
    /// Number of its tensors.
    pub tensors: usize,
}

/// The tensors of one module as they are found.
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

/// A full difference of a vector is that of a norm's weight (lightx2v's and other distillation files).
static DIFF_VECTOR: VectorSpelling =
    VectorSpelling { suffix: ".diff", kind: VectorKind::NormWeight, scaled: false };

impl Adapter {
    /// Reads the header and the alphas of a file; no factor is read. `config` is the text of PEFT's
    /// `adapter_config.json`, where it came with the file.
    ///
    /// # Errors
    /// Every container error, and `NoLora`, `Alpha`, `Config`, `AdapterKind`, `TargetParameters` and those of
    /// [`Module::new`]; all name the file, most the tensor.
    pub async fn open<S: Source>(source: &S, config: Option<&str>) -> Result<Self> {
        Self::read(source, config).await.map_err(|error| error.in_file(source.name()))
    }

    /// Whether there are modules of which nothing says the scale: a [`CONFIG_NAME`] may.
    pub fn lacks_scale(&self) -> bool {
        self.modules.iter().any(|module| module.scale(ScaleChoice::Auto).1 == ScaleSource::Unknown)
    }

    async fn read<S: Source>(source: &S, config: Option<&str>) -> Result<Self> {
        let header = Header::read(source).await?;
        let scaling = Scaling::new(&header.metadata, config)?;
        let (found, mut extra) = sorted(&header)?;
        let wanted = found.iter().filter_map(|(_, module)| module.alpha.as_ref());
        let mut alphas = alphas::read(source, wanted.collect()).await?.into_iter();
        let (mut modules, mut vectors, mut refused, mut warnings) = (vec![], vec![], vec![], vec![]);
        for (stem, found) in found {
            let stored = found.alpha.as_ref().and_then(|_| alphas.next());
            if let Some(why) = found.foreign {
                refused.push(Refused { stem, why, tensors: found.tensors });
                continue;
            }
            if scaling.targets_parameter(&stem) {
                return Err(Error::new(Code::TargetParameters, "").at_tensor(stem));
            }
            let stored =
                stored.map(|value| Alpha { value, rank_stabilised: false, source: ScaleSource::Tensor });
            let alpha = stored.or_else(|| scaling.alpha(&stem));
            let spelling = found.spelling.unwrap_or(&SPELLINGS[KOHYA]);
            let module = Module::new(&stem, spelling, &found.parts, found.magnitude.clone(), alpha)?;
            // Only now: a module that has no use for its alpha may hold whatever there is (LoKr files say inf).
            if let (Some(alpha), Some(tensor)) =
                (module.as_ref().and_then(|module| module.alpha), &found.alpha)
                && !alpha.value.is_finite()
            {
                let detail = format!("It is {}, stored as {:?}.", alpha.value, tensor.dtype);
                return Err(Error::new(Code::Alpha, detail).at_tensor(&tensor.name));
            }
            for (spelling, tensor) in found.vectors {
                vectors.push(Vector::new(&stem, spelling, tensor)?);
            }
            match module {
                Some(module) => {
                    warnings.extend(oddities(&module));
                    modules.push(module);
                }
                None => {
                    let others = found.parts.others().map(|(_, tensor)| tensor);
                    let rest = found.alpha.iter().chain(&found.magnitude).chain(others);
                    extra.extend(rest.map(|tensor| tensor.name.clone()));
                }
            }
        }
        if modules.is_empty() && vectors.is_empty() {
            return Err(refused.first().map_or_else(
                || no_lora(&header),
                |first| Error::new(Code::AdapterKind, format!("It is {}.", first.why)).at_tensor(&first.stem),
            ));
        }
        check_extra(&extra)?;
        warnings.extend(refused.iter().map(|module| {
            Error::new(Code::ModulesRefused, format!("It is {}.", module.why)).at_tensor(&module.stem)
        }));
        if !extra.is_empty() {
            let some = extra.iter().take(3).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
            warnings.push(Error::new(Code::ExtraTensors, format!("{} of them: {some} …", extra.len())));
        }
        let stems =
            modules.iter().map(|module| (module.stem.as_str(), module.out_features, module.in_features));
        let family = families::detect(stems, &header.metadata);
        let warnings = merge_alike(warnings).into_iter().map(|w| w.in_file(source.name())).collect();
        Ok(Self {
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
}

/// Modules in the order of their stems, and the names of tensors that belong to none.
type Sorted = (Vec<(String, Found)>, Vec<String>);

/// The tensors by module, and those that belong to none.
///
/// # Errors
/// `SpellingMix` if a module has two tensors for one thing: loaders would choose differently.
fn sorted(header: &Header) -> Result<Sorted> {
    let (mut modules, mut places) = (Vec::new(), Places::default());
    let mut extra = Vec::new();
    for tensor in &header.tensors {
        let (stem, role) = roles::role(&tensor.name);
        if role == Role::Extra {
            extra.push(tensor.name.clone());
            continue;
        }
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
            Role::Part(Part::Magnitude) => found.magnitude.replace(tensor),
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

impl Vector {
    fn new(stem: &str, spelling: &'static VectorSpelling, tensor: Tensor) -> Result<Self> {
        let wrong = |code, detail: String| Err(Error::new(code, detail).at_tensor(&tensor.name));
        if !kinds::FACTOR_DTYPES.contains(&tensor.dtype) {
            return wrong(Code::DtypeUnsupported, format!("It is stored as {:?}.", tensor.dtype));
        }
        let values = tensor.values();
        let length = usize::try_from(values).unwrap_or(0);
        if length == 0 || values > kinds::MAX_FEATURES || tensor.shape.iter().filter(|&&d| d > 1).count() > 1
        {
            return wrong(
                Code::LoraShape,
                format!("Its shape is {:?}: it should be a vector.", tensor.shape),
            );
        }
        Ok(Self { stem: stem.to_owned(), spelling, tensor, length })
    }
}

/// Of a file that has modules; a whole model has such tensors as well.
///
/// # Errors
/// `AdapterKind` where a tensor tells that the whole file is of a kind that cannot be fused.
fn check_extra(extra: &[String]) -> Result<()> {
    for name in extra {
        if let Some((_, what)) = roles::FOREIGN_FILES.iter().find(|(end, _)| name.ends_with(end)) {
            return Err(Error::new(Code::AdapterKind, format!("The file is {what}.")).at_tensor(name));
        }
    }
    Ok(())
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

/// One warning a code: the first, and how many more there are.
pub(crate) fn merge_alike(warnings: Vec<Error>) -> Vec<Error> {
    let mut merged: Vec<(Error, usize)> = Vec::new();
    for warning in warnings {
        match merged.iter_mut().find(|(first, _)| first.code == warning.code) {
            Some((_, more)) => *more += 1,
            None => merged.push((warning, 0)),
        }
    }
    merged
        .into_iter()
        .map(|(mut warning, more)| {
            if more > 0 {
                warning.detail = format!("{} The same holds for {more} more modules.", warning.detail);
            }
            warning
        })
        .collect()
}

fn no_lora(header: &Header) -> Error {
    let detail = match header.tensors.first() {
        None => "It holds no tensors.".to_owned(),
        Some(first) => {
            format!("It holds {} tensors, the first is {:?}.", header.tensors.len(), first.name)
        }
    };
    Error::new(Code::NoLora, detail)
}
