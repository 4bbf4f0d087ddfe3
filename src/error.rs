//! Errors as values: a stable code, the place, the particulars, and what to do next.
//!
//! An [`Error`] is built where the knowledge is (the header parser, the pairing of modules, a GPU error scope); the sentence for
//! the user is worded once, in the [`Code`] table below. `file` and `tensor` come from strangers' files and are hostile text: they
//! are carried as data and never spliced into markup.

use serde::ser::{Serialize, SerializeStruct, Serializer};
use std::fmt;
use std::ops::{Deref, DerefMut};

/// The result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A text of the table. Texts marked `computed` only ever come from the program that computes, so the program that opens files,
/// which a visitor waits for, leaves them out.
macro_rules! words {
    ($words:literal) => {
        $words
    };
    (computed $words:literal) => {
        if cfg!(any(feature = "compute", not(target_arch = "wasm32"))) { $words } else { "" }
    };
}

macro_rules! codes {
    ($($variant:ident, $code:literal, $($when:ident)? $sentence:literal, $remedy:literal;)*) => {
        /// Every reason to refuse a run or to warn about it. Codes are stable: hosts and tests match on them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $sentence] $variant,)*
        }

        impl Code {
            /// All codes, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable spelling: `E_…` for refusals, `W_…` for warnings.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// What went wrong, in one plain sentence without names.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => words!($($when)? $sentence),)* }
            }

            /// What the user can do about it.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => words!($($when)? $remedy),)* }
            }
        }
    };
}

impl Code {
    /// Whether the fault lies in the two files themselves, so that no strength or format can mend it.
    pub const fn is_unfit(self) -> bool {
        matches!(
            self,
            Self::SpellingMix
                | Self::NoCommonModules
                | Self::ShapeMismatch
                | Self::BaseMismatch
                | Self::NoiseStage
        )
    }
}

codes! {
    // The container.
    Empty, "E_EMPTY", "The file is empty.", "Download or export it again.";
    TooShort, "E_TOO_SHORT", "The file is too short to be a safetensors file.", "Download or export it again.";
    Truncated, "E_TRUNCATED", "The file ends before its last tensor.", "The download was probably cut off: fetch it again.";
    NotSafetensors, "E_NOT_SAFETENSORS", "This is not a safetensors file.", "Choose a LoRA in the safetensors format.";
    HeaderTooLarge, "E_HEADER_TOO_LARGE", "The header claims an impossible length.", "The file is damaged or not a safetensors file: fetch it again.";
    HeaderUtf8, "E_HEADER_UTF8", "The header is not valid text.", "The file is damaged: fetch it again.";
    HeaderJson, "E_HEADER_JSON", "The header cannot be read.", "The file is damaged: fetch it again.";
    DuplicateKey, "E_DUPLICATE_KEY", "The header names something twice, so it has no single meaning.", "Save the file again with the program that made it.";
    Metadata, "E_METADATA", "The metadata is not a list of texts.", "Save the file again with the program that made it.";
    TensorInfo, "E_TENSOR_INFO", "A tensor is described wrongly.", "The file is damaged: fetch it again.";
    Offsets, "E_OFFSETS", "A tensor's position in the file makes no sense.", "The file is damaged: fetch it again.";
    Overlap, "E_OVERLAP", "Two tensors share the same bytes.", "The file is damaged or was made to deceive: do not use it.";
    Hole, "E_HOLE", "There are bytes in the file that belong to no tensor.", "Save the file again with the program that made it.";
    Trailing, "E_TRAILING", "There are bytes after the last tensor.", "Save the file again with the program that made it.";
    SizeMismatch, "E_SIZE_MISMATCH", "A tensor's size does not fit its shape.", "The file is damaged: fetch it again.";
    Overflow, "E_OVERFLOW", "A tensor's shape is too large to be real.", "The file is damaged: fetch it again.";
    Dtype, "E_DTYPE", "A tensor has an unknown number format.", "Save the file as F16, BF16 or F32.";
    TooManyTensors, "E_TOO_MANY_TENSORS", "The file has more tensors or dimensions than any LoRA.", "Check that this is a LoRA and not something else.";
    Read, "E_READ", "The file could not be read.", "It may have been moved or changed: choose it again.";
    // A file on a server.
    Link, "E_LINK", computed "This is not a link to a file.", "Paste the address of a .safetensors file on Hugging Face.";
    LinkHost, "E_LINK_HOST", computed "This page loads no files from that host.", "Download the file there and choose it here.";
    LinkCivitai, "E_LINK_CIVITAI", computed "Civitai does not let other pages load its files.", "Download the file there and choose it here.";
    LinkNotFile, "E_LINK_NOT_FILE", computed "The link leads to no single file.", "Open the .safetensors file among the repository's files and copy that address.";
    Offline, "E_OFFLINE", computed "There is no connection to the internet.", "Connect, then load it again.";
    Unreachable, "E_UNREACHABLE", computed "The host did not answer.", "Check the link and the connection, then load it again.";
    Cors, "E_CORS", computed "The host does not let other pages read this file.", "Download the file there and choose it here.";
    RequestBlocked, "E_REQUEST_BLOCKED", computed "A security policy of this page forbids requests to that host.", "Tell whoever runs this site, or download the file and choose it here.";
    Gated, "E_GATED", computed "The file is not open to everybody.", "Log in at the host, accept its terms, download the file and choose it here.";
    Expired, "E_EXPIRED", computed "The host no longer gives the file.", "Load it again, as its address may have expired.";
    Missing, "E_MISSING", computed "There is no such file on the host.", "Check the link: the file may have been renamed or removed.";
    WebPage, "E_WEB_PAGE", computed "The host sent a web page in place of the file.", "Open the link in a tab: it may ask you to log in. Download the file there and choose it here.";
    WholeOnly, "E_WHOLE_ONLY", computed "The host sends the file only as a whole, so its parts cannot be read.", "Download the file and choose it here.";
    WrongPart, "E_WRONG_PART", computed "The host sent a different part of the file than was asked for.", "Download the file and choose it here.";
    BrokenOff, "E_BROKEN_OFF", computed "The connection broke off, also when tried again.", "Check the connection, then load it again.";
    Busy, "E_BUSY", computed "The host is overloaded, or wants fewer requests.", "Wait a few minutes, then load it again.";
    Answer, "E_ANSWER", computed "The host gave an answer that makes no sense.", "Download the file and choose it here.";
    RemoteChanged, "E_REMOTE_CHANGED", computed "The file changed on the host while it was being used.", "Load it again.";
    // The LoRA.
    NoLora, "E_NO_LORA", "There is no LoRA in this file.", "Choose a LoRA file, not a whole model or an embedding.";
    PairMissing, "E_PAIR_MISSING", "A module has only one half of its LoRA pair.", "The file is incomplete: export it again.";
    RankZero, "E_RANK_ZERO", "A module has rank 0.", "Export the LoRA again.";
    RankMismatch, "E_RANK_MISMATCH", "The two halves of a module disagree about its rank.", "Export the LoRA again.";
    LoraShape, "E_LORA_SHAPE", "A module's shapes are not those of a LoRA.", "Export the LoRA again, or choose another file.";
    Alpha, "E_ALPHA", "A module's alpha is not a number that can be used.", "Export the LoRA again.";
    AdapterKind, "E_ADAPTER_KIND", "This kind of adapter cannot be fused without the base model.", "Use a plain LoRA instead.";
    TargetParameters, "E_TARGET_PARAMETERS", "The file adapts raw parameters (PEFT's target_parameters), which is no plain LoRA.", "Train or export it for layers instead.";
    Config, "E_CONFIG", "This adapter_config.json cannot be used.", "Choose the one that came with the file, or leave it out.";
    SpellingMix, "E_SPELLING_MIX", "The file has one layer under two names, so it has no single meaning.", "Save it again with the program that made it.";
    DtypeUnsupported, "E_DTYPE_UNSUPPORTED", "A LoRA tensor is stored in a number format that cannot be fused.", "Save the file as F16, BF16 or F32.";
    NonFinite, "E_NONFINITE", computed "The file contains values that are not numbers (NaN or infinity), or that lead to them.", "The training or a conversion went wrong: use another version of the file.";
    // The pair.
    NoCommonModules, "E_NO_COMMON_MODULES", "The two files have no module in common, so there is nothing to fuse.", "Choose two LoRAs for the same base model that change the same parts of it.";
    ShapeMismatch, "E_SHAPE_MISMATCH", "The same module has different sizes in the two files.", "They were made for different base models: choose two LoRAs for the same one.";
    BaseMismatch, "E_BASE_MISMATCH", "The two files were made for different base models.", "Choose two LoRAs for the same one.";
    NotOfPair, "E_NOT_OF_PAIR", computed "This file has nothing to do with the two that it is compared with.", "Choose one that was made of these two, or for the same base model.";
    FamilyUnclear, "E_FAMILY_UNCLEAR", "The files fit more than one model family, and they do not say which.", "Choose the model family in the settings.";
    NoiseStage, "E_NOISE_STAGE", "One file is for the noisy half of the steps and the other for the clean half.", "Fuse the two high-noise files with each other, and the two low-noise files.";
    Settings, "E_SETTINGS", "A setting is out of its range, or there is no such setting.", "Change the setting named here.";
    Recipe, "E_RECIPE", computed "This is not a recipe that can be used.", "Choose a recipe or a report that this tool has saved, or a file that it has fused.";
    // The run.
    OutputRange, "E_OUTPUT_RANGE", computed "The result does not fit the chosen number format.", "Choose F32 for the result, or smaller strengths.";
    Verify, "E_VERIFY", computed "The written file did not pass its check, so it is not offered.", "Fuse again; if it happens again, please report it.";
    Write, "E_WRITE", computed "The result could not be written.", "Free some disk space or close other tabs, then fuse again.";
    InputChanged, "E_INPUT_CHANGED", "An input file changed while it was being read.", "Choose it again.";
    GpuUnavailable, "E_GPU_UNAVAILABLE", computed "WebGPU was asked for but is not available.", "Let the tool choose, or use the CPU.";
    GpuFault, "E_GPU_FAULT", computed "The graphics device failed.", "The CPU is used instead.";
    Aborted, "E_ABORTED", "Cancelled.", "Press Fuse to start again.";
    Internal, "E_INTERNAL", "Something went wrong inside the tool.", "Reload the page; if it happens again, please report it.";
    // Accepted, with a comment.
    SameFile, "W_SAME_FILE", computed "Both files change the model in the same way.", "Choose a different subject or style.";
    Parallel, "W_PARALLEL", computed "The two updates point in almost the same directions.", "The projection will remove most of the subject.";
    BaseChanged, "W_BASE_CHANGED", "The LoRA was trained on a base model that had been changed for it, and does not fit the usual one.", "Convert it to an ordinary LoRA first, with the program that made it.";
    StagesUnclear, "W_NOISE_STAGE", "By their names, one file may be for the noisy half of the steps and the other for the clean half.", "If so, fuse the two high-noise files with each other, and the two low-noise files.";
    BaseDiffers, "W_BASE_DIFFERS", "The files' metadata names different base models, but their modules fit.", "Check the result closely.";
    ZeroEffect, "W_ZERO_EFFECT", computed "One of the two LoRAs changes nothing.", "Check its strength, and that the right file was chosen.";
    NoOverlap, "W_NO_OVERLAP", computed "The two LoRAs have no overlap, so this file changes nothing.", "Load the two without it: that is their fusion, for every μ.";
    AlphaNegative, "W_ALPHA_NEGATIVE", "A module's alpha is negative or zero.", "A negative alpha is kept. Zero is read as the rank, as sd-scripts does; ComfyUI, A1111 and InvokeAI let such a module do nothing.";
    RankOverDims, "W_RANK_OVER_DIMS", "A module's rank is larger than its layer.", "It works, but wastes space.";
    ExtraTensors, "W_EXTRA_TENSORS", "The file has tensors that belong to no LoRA module.", "They are left out of the result.";
    ModulesRefused, "W_MODULES_REFUSED", "Some modules are of a kind that cannot be fused without the base model.", "They are left out of the result.";
    DirectionOnly, "W_DIRECTION_ONLY", "DoRA modules were fused without their magnitudes.", "Compare the result with the original before you rely on it.";
    PartsMissing, "W_PARTS_MISSING", "Neither file has all parts of a layer that the result keeps as one.", "The missing parts stay unchanged.";
    NamesDiffer, "W_NAMES_DIFFER", "The model is not known, and each file has layers that the other does not have.", "Compare their names: a layer that goes by two names was not projected.";
    NoBlock, "W_NO_BLOCK", "The files do not have all the blocks that something is set for.", "What is set for the others has no part in the result.";
    UnknownModules, "W_UNKNOWN_MODULES", "Some modules are not known in this model family.", "Some programs may not load them.";
    Unread, "W_UNREAD", "Some layers have names in this naming that no known program loads.", "Choose another naming for the result.";
    Distilled, "W_DISTILLED", "This looks like a LoRA for fewer steps rather than a subject or a style.", "Fusing can spoil what it was made for.";
    EnergyCut, "W_ENERGY_CUT", computed "Some modules were cut to a rank, and lost a part of their strength.", "Choose a higher rank if the result is too weak.";
    Rescaled, "W_OUTPUT_RANGE", computed "Some numbers were too large for F16 as they are.", "The module's other half has taken over a part of their scale: what the two make together is the same.";
    GpuFellBack, "W_GPU_FELL_BACK", computed "The graphics device failed during the run.", "The run was finished on the CPU; the result is as good.";
}

/// A refusal or a warning. Boxed, so that [`Result<T>`](Result) stays one pointer wide on the error side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Refusal>);

/// The contents of an [`Error`]: what went wrong, where, and the particulars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of error.
    pub code: Code,
    /// The name of the file as the user knows it.
    pub file: Option<String>,
    /// The tensor or module at fault.
    pub tensor: Option<String>,
    /// Figures and other particulars in plain words; may be empty.
    pub detail: String,
}

impl Error {
    /// An error with its particulars (`detail` may be empty).
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(Box::new(Refusal { code, file: None, tensor: None, detail: detail.into() }))
    }

    /// Adds the file's name, unless it is empty or a more exact place has already been named.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        if self.file.is_none() {
            self.file = Some(file.into()).filter(|file| !file.is_empty());
        }
        self
    }

    /// Adds the name of the tensor or module, unless it is empty or a more exact place has already been named.
    #[must_use]
    pub fn at_tensor(mut self, tensor: impl Into<String>) -> Self {
        if self.tensor.is_none() {
            self.tensor = Some(tensor.into()).filter(|tensor| !tensor.is_empty());
        }
        self
    }
}

impl Deref for Error {
    type Target = Refusal;

    fn deref(&self) -> &Refusal {
        &self.0
    }
}

impl DerefMut for Error {
    fn deref_mut(&mut self) -> &mut Refusal {
        &mut self.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.code.sentence())?;
        if let Some(file) = &self.file {
            write!(f, " File: {file:?}.")?;
        }
        if let Some(tensor) = &self.tensor {
            write!(f, " Tensor: {tensor:?}.")?;
        }
        if !self.detail.is_empty() {
            write!(f, " {}", self.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// The error as the page takes it: the code's texts beside the particulars.
impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Problem", 6)?;
        fields.serialize_field("code", self.code.as_str())?;
        fields.serialize_field("message", self.code.sentence())?;
        fields.serialize_field("remedy", self.code.remedy())?;
        fields.serialize_field("file", &self.file)?;
        fields.serialize_field("tensor", &self.tensor)?;
        fields.serialize_field("detail", &self.detail)?;
        fields.end()
    }
}

/// Merges warnings with the same code: keeps the first, and says how many more there are.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_and_worded() {
        let mut seen = HashSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{} stands twice", code.as_str());
            assert!(code.as_str().starts_with("E_") || code.as_str().starts_with("W_"));
            assert!(code.sentence().ends_with('.') && code.remedy().ends_with('.'), "{}", code.as_str());
        }
    }

    #[test]
    fn the_innermost_place_is_kept() {
        let error =
            Error::new(Code::Read, "").at_tensor("inner").at_tensor("outer").in_file("a").in_file("b");
        assert_eq!((error.tensor.as_deref(), error.file.as_deref()), (Some("inner"), Some("a")));
        let nameless = Error::new(Code::Internal, "").at_tensor("").in_file("");
        assert_eq!((&nameless.tensor, &nameless.file), (&None, &None), "no name is no place");
    }
}
