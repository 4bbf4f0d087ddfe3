//! A run in tasks: each can be done wherever the files and the settings are, and nothing in a result depends on where.
//!
//! The page's worker has others of its kind beside it (one a core), which open the same files and make the same plan.

use super::hashing::Hashing;
use super::verify::Difference;
use crate::error::{Code, Error, Result};
use crate::fusion::analysis::Measured;
use crate::fusion::method::piece::Piece;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::ops::Range;

/// Something to do for a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Task {
    /// Compute something from the input files.
    Compute(Compute),
    /// Look at a finished file.
    Look(Look),
}

/// Something to compute for these groups of a pass, by their numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the name says it")]
pub struct Compute {
    pub what: What,
    pub pass: usize,
    pub groups: Vec<usize>,
}

/// What is computed for some groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// The ranks that keep the wanted energy in their modules.
    Ranks,
    /// How both files lie to each other in them.
    Analysis,
    /// Their modules of each result.
    Fusion,
}

/// Something to look at in the finished file of this number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "files, groups and tensors by their numbers")]
pub enum Look {
    /// Read these tensors.
    Read { file: usize, tensors: Range<usize> },
    /// Compute a group once more and compare it.
    Repeat { file: usize, group: usize },
}

impl Look {
    /// The file's number.
    pub(crate) fn file(&self) -> usize {
        let (Self::Read { file, .. } | Self::Repeat { file, .. }) = self;
        *file
    }

    /// The tensors that it reads of the finished file of this number.
    pub(crate) fn tensors_of(&self, file: usize) -> Option<Range<usize>> {
        match self {
            Self::Read { file: of, tensors } if *of == file => Some(tensors.clone()),
            _ => None,
        }
    }
}

/// What came of a [`Task`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Done {
    /// Of one that computes.
    Computed(Computed),
    /// Of one that looks at a finished file.
    Seen(Seen),
}

impl Done {
    /// The pieces of results in it, if it made any.
    pub fn pieces_mut(&mut self) -> Option<&mut Vec<Piece>> {
        match self {
            Self::Computed(Computed { made: Made::Fusion(pieces), .. }) => Some(pieces),
            _ => None,
        }
    }
}

/// What came of a [`Compute`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Computed {
    /// What it was.
    pub of: Compute,
    /// What was made.
    pub made: Made,
    /// Why whoever did it has no graphics device any more, where one has failed.
    pub gave_up: Option<String>,
}

/// What was computed for some groups.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Made {
    /// The ranks of their modules, in order, in each result of the pass.
    Ranks(Vec<Vec<usize>>),
    /// What is true of their modules, in order.
    Analysis(Vec<Measured>),
    /// Their modules of each result of the pass.
    Fusion(Vec<Piece>),
}

/// What came of a [`Look`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "files, groups and tensors by their numbers; the rest has its type")]
pub enum Seen {
    /// The checksums of the file's tensors from this one on.
    Read { file: usize, first: usize, checksums: Vec<u64> },
    /// How far the file's group is from what it should be.
    Repeated { file: usize, group: usize, difference: Difference },
}

impl Seen {
    /// Whether it can be what came of this.
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

/// What the others have to know of a run.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// As given to [`crate::fusion::Passes::lay_out`].
    pub ranks: Option<&'a [Vec<usize>]>,
    /// Of the plans: [`crate::fusion::Passes::checksum`].
    pub checksum: u32,
    /// Whether a graphics device computes: each then takes one of its own, as nothing in a result may depend on who makes it.
    pub on_device: bool,
}

/// Those who share a run with the one that leads it.
#[allow(async_fn_in_trait, reason = "crews are used by one thread; on wasm32 no future is Send")]
pub trait Crew<F> {
    /// How a result is hashed.
    type Hash: Hashing;

    /// How many they are.
    fn members(&self) -> usize;

    /// How many tasks of size 1 those may have at once who know the run, so that none of them waits for the next.
    fn places(&self) -> usize;

    /// How many of these places each member has.
    fn each(&self) -> usize;

    /// Tells them what the run is: the variants they have from the leader. Whoever comes to other plans, or has no backend like
    /// the leader's, takes no part.
    ///
    /// # Errors
    /// Those of whoever carries the message.
    async fn begin(&self, run: Run<'_>) -> Result<()>;

    /// From the next task on no graphics device is used: one of them has failed, and all are of the same card.
    fn leave_device(&self);

    /// Has a task of this size done by one of them; `result` is the finished file, where it looks at one.
    ///
    /// # Errors
    /// As doing it oneself; and those of whoever carries it there.
    async fn run(&self, task: &Task, size: usize, result: Option<&F>) -> Result<Done>;

    /// Begins the hash of a result.
    fn hash(&self) -> Self::Hash;

    /// Lets come in what has been said by now: their answers, and a wish to stop.
    async fn listen(&self);
}

/// Nobody.
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
