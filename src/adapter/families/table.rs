//! The modules of one model (a denoiser or a text encoder) and every way to spell them.

use super::text::Fault;
use crate::order;
use std::ops::Range;

/// The true size of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Rows: out features or out channels.
    pub out: usize,
    /// In features or in channels, without the kernel.
    pub inputs: usize,
    /// The kernel, if the module is a convolution.
    pub kernel: Option<[usize; 2]>,
}

impl Size {
    /// Columns once a convolution is flattened, in·kh·kw.
    pub fn in_features(&self) -> usize {
        self.inputs * self.kernel.map_or(1, |[kh, kw]| kh * kw)
    }
}

/// A canonical module: one layer at the finest split, identified by its path in diffusers.
#[derive(Debug)]
pub(super) struct Canonical {
    pub(super) path: String,
    pub(super) size: Size,
    pub(super) label: Option<String>,
    /// Whether the native layer has the two halves of the module's rows swapped.
    pub(super) swapped: bool,
    /// The index of the spelling of the native layer that holds the module, and the module's first row in that layer.
    native: usize,
    first: usize,
}

/// Whose name a module goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// As diffusers (or transformers) names it.
    Diffusers,
    /// As the model's original code, and mostly ComfyUI, names it.
    Native,
    /// Another name that some trainer uses.
    Alias,
}

/// A name for one or more modules, stacked by rows.
#[derive(Debug)]
pub(super) struct Spelling {
    /// The name, with its dots.
    pub(super) name: String,
    pub(super) naming: Naming,
    /// The indices of the modules that the name covers, in the order of their rows.
    pub(super) parts: Vec<usize>,
}

/// All modules of one model.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) modules: Vec<Canonical>,
    spellings: Vec<Spelling>,
    /// All flattened names in order, each with the index of its spelling.
    index: Vec<(String, usize)>,
}

impl Table {
    /// The spelling whose flattened name is `flat`.
    pub(super) fn find(&self, flat: &str) -> Option<&Spelling> {
        let at = self.index.binary_search_by(|(name, _)| name.as_str().cmp(flat)).ok()?;
        self.spellings.get(self.index[at].1)
    }

    /// The end of the longest parent path that `flat` shares with known layers, and the layers below that parent: each with its
    /// spelling and the first module in it.
    pub(super) fn beside(&self, flat: &str) -> Option<(usize, Vec<(&Spelling, usize)>)> {
        flat.rmatch_indices('_').find_map(|(end, _)| {
            let parent = &flat[..=end];
            let from = self.index.partition_point(|(name, _)| name.as_str() < parent);
            let below: Vec<_> = self.index[from..]
                .iter()
                .take_while(|(name, _)| name.starts_with(parent))
                .filter_map(|(_, at)| self.spellings.get(*at))
                .filter(|spelling| {
                    spelling.naming != Naming::Alias && spelling.name.as_bytes().get(end) == Some(&b'.')
                })
                .filter_map(|spelling| Some((spelling, *spelling.parts.first()?)))
                .collect();
            (!below.is_empty()).then_some((end, below))
        })
    }

    /// The block label of a module, or, for a path that is no known module, the label that all known layers beside it share.
    pub(super) fn label(&self, path: &str) -> Option<&str> {
        if let Some(module) = self.module(path) {
            return module.label.as_deref();
        }
        let (_, below) = self.beside(&flatten(path))?;
        let mut labels = below.iter().map(|(_, module)| self.modules.get(*module)?.label.as_deref());
        let first = labels.next()??;
        labels.all(|label| label == Some(first)).then_some(first)
    }

    /// The name of a module, or of the layer that holds it, in a naming.
    pub(super) fn name(&self, module: usize, naming: Naming) -> Option<&str> {
        let module = self.modules.get(module)?;
        match naming {
            Naming::Native => Some(self.spellings.get(module.native)?.name.as_str()),
            _ => Some(module.path.as_str()),
        }
    }

    /// The canonical module of that path.
    pub(super) fn module(&self, path: &str) -> Option<&Canonical> {
        let found = self.find(&flatten(path)).filter(|spelling| spelling.naming == Naming::Diffusers)?;
        self.modules.get(*found.parts.first()?).filter(|module| module.path == path)
    }

    /// The native layer that holds a module: its name, its number of rows, and the module's rows in it.
    pub(super) fn native(&self, module: &Canonical) -> Option<(&str, usize, Range<usize>)> {
        let native = self.spellings.get(module.native)?;
        Some((&native.name, self.rows(native), module.first..module.first + module.size.out))
    }

    /// The number of rows of all modules that a spelling covers.
    pub(super) fn rows(&self, spelling: &Spelling) -> usize {
        spelling.parts.iter().filter_map(|&part| self.modules.get(part)).map(|module| module.size.out).sum()
    }

    #[cfg(test)]
    pub(super) fn spellings(&self) -> &[Spelling] {
        &self.spellings
    }
}

/// The flattened form of a name: every dot becomes `_`.
pub fn flatten(name: &str) -> String {
    name.replace('.', "_")
}

/// Collects modules and names and builds a [`Table`] of them.
#[derive(Debug, Default)]
pub(super) struct Builder(Table);

impl Builder {
    /// Adds a module and returns its index.
    pub(super) fn module(&mut self, path: String, size: Size, label: Option<&str>, swapped: bool) -> usize {
        let at = self.0.modules.len();
        let label = label.map(str::to_owned);
        self.0.spellings.push(Spelling { name: path.clone(), naming: Naming::Diffusers, parts: vec![at] });
        self.0.modules.push(Canonical { path, size, label, swapped, native: usize::MAX, first: 0 });
        at
    }

    /// Adds the name of the native layer that stacks `parts`.
    pub(super) fn native(&mut self, name: &str, parts: Vec<usize>) -> Result<(), Fault> {
        let at = self.0.spellings.len();
        let mut first = 0;
        for &part in &parts {
            let module = self.0.modules.get_mut(part).ok_or("no such module")?;
            (module.native, module.first) = (at, first);
            first += module.size.out;
        }
        self.spelling(name, Naming::Native, parts)
    }

    /// Adds another name for `parts`.
    pub(super) fn alias(&mut self, name: &str, parts: &[usize]) -> Result<(), Fault> {
        self.spelling(name, Naming::Alias, parts.to_vec())
    }

    fn spelling(&mut self, name: &str, naming: Naming, parts: Vec<usize>) -> Result<(), Fault> {
        let inputs = |part: &usize| self.0.modules.get(*part).map(|module| module.size.in_features());
        if parts.is_empty() || parts.iter().any(|part| inputs(part) != inputs(&parts[0])) {
            return Err(format!("{name}: layers of different inputs cannot be stacked"));
        }
        self.0.spellings.push(Spelling { name: name.to_owned(), naming, parts });
        Ok(())
    }

    /// The index of the module at `path`, if it has been added.
    pub(super) fn find(&self, path: &str) -> Option<usize> {
        self.0.modules.iter().rposition(|module| module.path == path)
    }

    /// Builds the table. If a name occurs more than once, the first naming wins, in the order diffusers, native, alias.
    pub(super) fn build(self) -> Table {
        let mut table = self.0;
        table.index =
            table.spellings.iter().enumerate().map(|(at, spelling)| (flatten(&spelling.name), at)).collect();
        order::sort_by(&mut table.index, |a, b| {
            let rank = |at: usize| table.spellings[at].naming as u8;
            a.0.cmp(&b.0).then(rank(a.1).cmp(&rank(b.1)))
        });
        table.index.dedup_by(|later, first| later.0 == first.0);
        table
    }
}
