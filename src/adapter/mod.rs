//! Tensors → modules: names, kinds, shapes and scales. No arithmetic on pairs of files.
//!
//! [`read`] goes through a file's header: [`roles`] splits tensor names, [`kinds`] says what the tensors of a module make,
//! [`scale`] where its scale comes from, [`families`] which layer of which model it is. [`summary`] describes a file in the
//! words of its user.

pub mod families;
pub mod kinds;
pub mod roles;
pub mod scale;
pub mod summary;

mod alphas;
mod module;
mod notes;
mod read;

pub use families::ModuleId;
pub use module::Module;
pub use summary::Summary;

use crate::container::{Source, Tensor};
use crate::error::{Code, Error, Result};
use families::Detected;
use kinds::Kind;
use roles::{VectorKind, VectorSpelling};
use scale::{ScaleChoice, ScaleSource};
use std::collections::BTreeMap;

/// The name of the file in which PEFT keeps what a LoRA file does not say.
pub const CONFIG_NAME: &str = "adapter_config.json";
/// The largest configuration that is read, in bytes; real ones have a few kilobytes.
pub const CONFIG_BYTES: u64 = 1_000_000;

/// A LoRA file, understood from its header and its alphas.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// The file's name.
    pub name: String,
    /// The file's size in bytes.
    pub size: u64,
    /// The text entries in `__metadata__`.
    pub metadata: BTreeMap<String, String>,
    /// Modules in the order of their stems.
    pub modules: Vec<Module>,
    /// Changes of biases and norms, and of weights that are not layers.
    pub vectors: Vec<Vector>,
    /// Modules that cannot be fused, and the reasons.
    pub refused: Vec<Refused>,
    /// Names of tensors that belong to no module.
    pub extra: Vec<String>,
    /// Number of tensors in the file.
    pub tensors: usize,
    /// The trigger words named in the metadata. Hostile text.
    pub trigger_words: Vec<String>,
    /// The model family that the file is for.
    pub family: Detected,
    /// Warnings for the user about a file that is accepted.
    pub warnings: Vec<Error>,
}

/// A change that is added in proportion to the strength: a vector, or a weight that is not a layer.
#[derive(Clone, Debug)]
pub struct Vector {
    /// The module's stem as the file spells it.
    pub stem: String,
    /// How the vector is spelled, and what it changes.
    pub spelling: &'static VectorSpelling,
    /// The tensor that holds the values.
    pub tensor: Tensor,
    /// Number of values.
    pub length: usize,
}

/// A module that is left out of every result.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The module's stem.
    pub stem: String,
    /// Why the module is refused: what kind of adapter it is.
    pub why: &'static str,
    /// The number of the module's tensors.
    pub tensors: usize,
}

impl Adapter {
    /// Reads the header and the alphas of a file; no factor is read. `config` is the text of PEFT's
    /// `adapter_config.json`, where it came with the file.
    ///
    /// # Errors
    /// Every container error, and `NoLora`, `Alpha`, `Config`, `AdapterKind`, `TargetParameters` and those of
    /// [`Module::new`]; all name the file, most the tensor.
    pub async fn open<S: Source>(source: &S, config: Option<&str>) -> Result<Self> {
        read::read(source, config).await.map_err(|error| error.in_file(source.name()))
    }

    /// Whether the scale of any module is unknown; a [`CONFIG_NAME`] file may tell it.
    pub fn lacks_scale(&self) -> bool {
        self.modules.iter().any(|module| module.scale(ScaleChoice::Auto).1 == ScaleSource::Unknown)
    }
}

impl Vector {
    fn new(stem: &str, spelling: &'static VectorSpelling, tensor: Tensor) -> Result<Self> {
        kinds::check_dtype(&tensor)?;
        let values = tensor.values();
        let length = usize::try_from(values).unwrap_or(0);
        if length == 0 || values > kinds::MAX_FEATURES || tensor.shape.iter().filter(|&&d| d > 1).count() > 1
        {
            let detail = format!("Its shape is {:?}: it should be a vector.", tensor.shape);
            return Err(Error::new(Code::LoraShape, detail).at_tensor(&tensor.name));
        }
        Ok(Self { stem: stem.to_owned(), spelling, tensor, length })
    }

    /// The full difference of a weight that is not a layer, as a vector; `None` if the module is of another kind.
    fn of_weight(module: &Module) -> Option<Self> {
        let Kind::Diff(kind) = &module.kind else { return None };
        let (stem, tensor) = (module.stem.clone(), kind.diff.clone());
        let length = usize::try_from(tensor.values()).ok()?;
        Some(Self { stem, spelling: &read::DIFF_WEIGHT, tensor, length })
    }

    /// The vector's shape in a result.
    pub fn shape(&self) -> Vec<u64> {
        match self.spelling.kind {
            VectorKind::Weight => self.tensor.shape.clone(),
            _ => vec![self.length as u64],
        }
    }
}
