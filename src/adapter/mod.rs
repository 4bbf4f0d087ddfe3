//! Tensors → LoRA modules: names, shapes and scales. No arithmetic on pairs of files.
//!
//! [`roles`] splits tensor names, [`module`] checks one module's pair, [`families`] says which layer a module is,
//! [`summary`] describes a file in the words of its user.

pub mod families;
pub mod module;
pub mod roles;
pub mod summary;

pub use families::ModuleId;
pub use module::Module;
pub use summary::Summary;

use crate::container::{self, Header, Source, Tensor};
use crate::error::{Code, Error, Result};
use roles::{Role, Spelling};
use std::collections::BTreeMap;

/// A LoRA file, understood from its header and its alphas.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// The file's name.
    pub name: String,
    /// The file's size in bytes.
    pub size: u64,
    /// Free texts from `__metadata__`.
    pub metadata: BTreeMap<String, String>,
    /// Modules by identity.
    pub modules: BTreeMap<ModuleId, Module>,
    /// Names of tensors that belong to no LoRA module.
    pub extra: Vec<String>,
    /// What a user should know although the file is accepted.
    pub warnings: Vec<Error>,
}

/// The parts of one module as they are found.
#[derive(Default)]
struct Parts<'a> {
    spelling: Option<&'static Spelling>,
    down: Option<&'a Tensor>,
    up: Option<&'a Tensor>,
    alpha: Option<&'a Tensor>,
    foreign: Option<(&'a str, &'static str)>,
}

impl Adapter {
    /// Reads the header and the alphas of a file; no factor is read.
    ///
    /// # Errors
    /// Every container error, and `NoLora`, `PairMissing`, `AdapterKind`, `Alpha` and those of [`Module::new`]; all
    /// name the file, most the tensor.
    pub async fn open<S: Source>(source: &S) -> Result<Self> {
        Self::read(source).await.map_err(|error| error.in_file(source.name()))
    }

    async fn read<S: Source>(source: &S) -> Result<Self> {
        let header = Header::read(source).await?;
        let mut parts: BTreeMap<&str, Parts<'_>> = BTreeMap::new();
        let mut extra = Vec::new();
        for tensor in &header.tensors {
            let (stem, role) = roles::role(&tensor.name);
            if role == Role::Extra {
                extra.push(tensor.name.clone());
                continue;
            }
            let part = parts.entry(stem).or_default();
            match role {
                Role::Down(spelling) => (part.down, part.spelling) = (Some(tensor), Some(spelling)),
                Role::Up(spelling) => {
                    (part.up, part.spelling) = (Some(tensor), part.spelling.or(Some(spelling)))
                }
                Role::Alpha => part.alpha = Some(tensor),
                Role::Foreign(kind) => part.foreign = Some((&tensor.name, kind)),
                Role::Extra => {}
            }
        }
        refuse_foreign(&parts)?;

        let mut modules = BTreeMap::new();
        let mut warnings = Vec::new();
        let alphas = read_alphas(source, &parts).await?;
        for (stem, part) in parts {
            let (Some(spelling), down, up) = (part.spelling, part.down, part.up) else {
                extra.extend(part.alpha.map(|tensor| tensor.name.clone()));
                continue;
            };
            let missing = |suffix: &str, present: &Tensor| {
                Error::new(Code::PairMissing, format!("There is no {suffix:?} for it."))
                    .at_tensor(&present.name)
            };
            let (down, up) = match (down, up) {
                (Some(down), Some(up)) => (down, up),
                (Some(down), None) => return Err(missing(spelling.up, down)),
                (None, Some(up)) => return Err(missing(spelling.down, up)),
                (None, None) => continue,
            };
            let id = ModuleId::of(stem);
            let alpha = alphas.get(stem).copied();
            let module = Module::new(id.clone(), stem, spelling, down.clone(), up.clone(), alpha)?;
            warnings.extend(oddities(&module));
            modules.insert(id, module);
        }
        if modules.is_empty() {
            return Err(no_lora(&header));
        }
        if !extra.is_empty() {
            let some = extra.iter().take(3).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
            warnings.push(Error::new(Code::ExtraTensors, format!("{} of them: {some} …", extra.len())));
        }
        let warnings = merge_alike(warnings).into_iter().map(|w| w.in_file(source.name())).collect();
        Ok(Self {
            name: source.name().to_owned(),
            size: source.size(),
            metadata: header.metadata,
            modules,
            extra,
            warnings,
        })
    }
}

/// Refuses the file if any module is of a kind whose update is more than lora_up·lora_down.
fn refuse_foreign(parts: &BTreeMap<&str, Parts<'_>>) -> Result<()> {
    let mut foreign = parts.values().filter_map(|part| part.foreign);
    let Some((tensor, kind)) = foreign.next() else { return Ok(()) };
    let more = match foreign.count() {
        0 => String::new(),
        n => format!(" So are {n} more modules."),
    };
    Err(Error::new(Code::AdapterKind, format!("The module is {kind}.{more}")).at_tensor(tensor))
}

/// Values of all alpha tensors by stem. They are tiny and often scattered, so neighbours are read together.
async fn read_alphas<'a, S: Source>(
    source: &S,
    parts: &BTreeMap<&'a str, Parts<'_>>,
) -> Result<BTreeMap<&'a str, f64>> {
    let mut wanted: Vec<(&str, &Tensor)> =
        parts.iter().filter_map(|(stem, part)| Some((*stem, part.alpha?))).collect();
    wanted.sort_by_key(|(_, tensor)| tensor.start);
    let mut alphas = BTreeMap::new();
    let mut rest = wanted.as_slice();
    while let Some((_, first)) = rest.first() {
        let near =
            rest.iter().take_while(|(_, t)| t.end.saturating_sub(first.start) <= ALPHA_READ).count().max(1);
        let (group, later) = rest.split_at(near);
        rest = later;
        let end = group.iter().map(|(_, t)| t.end).max().unwrap_or(first.end);
        if group.iter().any(|(_, t)| t.values() != 1) {
            let odd = group.iter().find(|(_, t)| t.values() != 1).map_or("", |(_, t)| &t.name);
            return Err(Error::new(Code::Alpha, "It holds more or less than one number.").at_tensor(odd));
        }
        let bytes = source.read(first.start..end).await?;
        for (stem, tensor) in group {
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
            alphas.insert(*stem, value);
        }
    }
    Ok(alphas)
}

/// Alphas that lie within this many bytes of each other are read in one go.
const ALPHA_READ: u64 = 256 * 1024;

fn oddities(module: &Module) -> Vec<Error> {
    let mut found = Vec::new();
    if let Some(alpha) = module.alpha.filter(|&alpha| alpha <= 0.0) {
        found
            .push(Error::new(Code::AlphaNegative, format!("alpha = {alpha}.")).at_tensor(module.id.as_str()));
    }
    if module.rank > module.in_features.min(module.out_features) {
        let sizes = format!("Rank {}, layer {}×{}.", module.rank, module.out_features, module.in_features);
        found.push(Error::new(Code::RankOverDims, sizes).at_tensor(module.id.as_str()));
    }
    found
}

/// One warning a code: the first, and how many more there are.
fn merge_alike(warnings: Vec<Error>) -> Vec<Error> {
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
