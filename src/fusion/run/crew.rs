//! Splits a run into tasks that can be done wherever the files and the settings are; nothing in a result depends on where.
//!
//! The page's worker has others like it beside it (one per core), which open the same files and make the same plan.

use super::hashing::Hashing;
use super::verify::Difference;
use crate::error::{Code, Error, Result};
use crate::fusion::analysis::Measured;
use crate::fusion::method::piece::Piece;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::ops::Range;

/// A task of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Task {
    /// Compute something from the input files.
    Compute(Compute),
    /// Look at a finished file.
    Look(Look),
}

/// A computation for some groups of a pass, given by their numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the name says it")]
pub struct Compute {
    pub what: What,
    pub pass: usize,
    pub groups: Vec<usize>,
}

/// The kinds of computations for some groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// Find the ranks that keep the wanted energy in the groups' modules.
    Ranks,
    /// Measure how both files relate to each other in the groups' modules.
    Analysis,
    /// Make the groups' modules for each result.
    Fusion,
}

/// A check of the finished file with this number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "files, groups and tensors by their numbers")]
pub enum Look {
    /// Read these tensors of the file.
    Read { file: usize, tensors: Range<usize> },
    /// Compute a group again and compare it with the file.
    Repeat { file: usize, group: usize },
}

impl Look {
    /// The number of the file.
    pub(crate) fn file(&self) -> usize {
        let (Self::Read { file, .. } | Self::Repeat { file, .. }) = self;
        *file
    }

    /// The tensors to be read of the finished file with this number; `None` for other tasks.
    pub(crate) fn tensors_of(&self, file: usize) -> Option<Range<usize>> {
        match self {
            Self::Read { file: of, tensors } if *of == file => Some(tensors.clone()),
            _ => None,
        }
    }
}

/// The result of a [`Task`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Done {
    /// The result of a computation.
    Computed(Computed),
    /// The result of a look at a finished file.
    Seen(Seen),
}

impl Done {
    /// The pieces of results that the task made, if any.
    pub fn pieces_mut(&mut self) -> Option<&mut Vec<Piece>> {
        match self {
            Self::Computed(Computed { made: Made::Fusion(pieces), .. }) => Some(pieces),
            _ => None,
        }
    }
}

/// The result of a [`Compute`] task.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Computed {
    /// The computation that was done.
    pub of: Compute,
    /// The output of the computation.
    pub made: Made,
    /// Why the worker has stopped using a graphics device, if its device has failed.
    pub gave_up: Option<String>,
}

/// The output of a computation for some groups.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Made {
    /// The ranks of the groups' modules, in order, for each result of the pass.
    Ranks(Vec<Vec<usize>>),
    /// The measurements of the groups' modules, in order.
    Analysis(Vec<Measured>),
    /// A piece with the groups' modules for each result of the pass.
    Fusion(Vec<Piece>),
}

/// The result of a [`Look`] task.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "files, groups and tensors by their numbers; the rest has its type")]
pub enum Seen {
    /// The checksums of the file's tensors, beginning with tensor `first`.
    Read { file: usize, first: usize, checksums: Vec<u64> },
    /// How far the group in the file is from what it should be.
    Repeated { file: usize, group: usize, difference: Difference },
}

impl Seen {
    /// Whether this can be the result of that task.
    pub(crate) fn answers(&self, look: &Look) -> bool {
        match (self, look) {
            (Self::Read { file, first, checksums }, Look::Read { file: of, tensors }) => {
                file == of && *first == tensors.start && checksums.len() == tensors.len()
            }
            (Self::Repeated { file, group, .. }, Look::Repeat { file: of, group: asked }) => {
                file == of && group == asked
            }
            _ => false,
        }
    }
}

/// What the members of a crew have to know about a run.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The ranks as given to [`crate::fusion::Passes::lay_out`].
    pub ranks: Option<&'a [Vec<usize>]>,
    /// The checksum of the plans: [`crate::fusion::Passes::checksum`].
    pub checksum: u32,
    /// Whether graphics devices compute: each member then uses one of its own, because nothing in a result may depend on who makes it.
    pub on_device: bool,
}

/// The workers that share a run with the one that leads it.
#[allow(async_fn_in_trait, reason = "crews are used by one thread; on wasm32 no future is Send")]
pub trait Crew<F> {
    /// The hash that the crew computes of a result.
    type Hash: Hashing;

    /// The number of members.
    fn members(&self) -> usize;

    /// The number of tasks of size 1 that all members who know the run may have at once, so that none has to wait for its next task.
    fn places(&self) -> usize;

    /// The number of these places that each member has.
    fn each(&self) -> usize;

    /// Tells the members about the run; they already have its variants from the leader. A member that makes other plans, or has no
    /// backend like the leader's, takes no part.
    ///
    /// # Errors
    /// Those of whoever delivers the message.
    async fn begin(&self, run: Run<'_>) -> Result<()>;

    /// From the next task on, no graphics device is used, because one has failed and all are on the same card.
    fn leave_device(&self);

    /// Has one of the members do a task of this size; `result` is the finished file, if the task looks at one.
    ///
    /// # Errors
    /// Those of doing the task oneself, and those of whoever delivers it.
    async fn run(&self, task: &Task, size: usize, result: Option<&F>) -> Result<Done>;

    /// Begins the hash of a result.
    fn hash(&self) -> Self::Hash;

    /// Lets messages arrive that have already been sent: answers of members, and a wish to stop.
    async fn listen(&self);
}

/// A crew without members.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl<F> Crew<F> for Alone {
    type Hash = Sha256;

    fn members(&self) -> usize {
        0
    }

    fn places(&self) -> usize {
        0
    }

    fn each(&self) -> usize {
        0
    }

    async fn begin(&self, _: Run<'_>) -> Result<()> {
        Ok(())
    }

    fn leave_device(&self) {}

    async fn run(&self, _: &Task, _: usize, _: Option<&F>) -> Result<Done> {
        Err(Error::new(Code::Internal, "There is nobody to do it."))
    }

    fn hash(&self) -> Sha256 {
        Sha256::default()
    }

    async fn listen(&self) {}
}
