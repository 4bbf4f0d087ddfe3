//! A run in tasks: each can be done wherever the files and the settings are, and nothing in a result depends on where.
//!
//! The page's worker has others of its kind beside it (one a core), which open the same files and make the same plan.

use super::accounting::{Cut, ModuleReport};
use super::analysis::Measured;
use super::verify::Difference;
use crate::error::{Code, Error, Result};
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Something to do for a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Task {
    /// Find the ranks that keep the wanted energy in the modules of these groups of a pass.
    Measure(usize, Vec<usize>),
    /// Find out how both files lie to each other in these groups of the first plan.
    Analyse(Vec<usize>),
    /// Fuse these groups of a pass.
    Fuse(usize, Vec<usize>),
    /// Read these tensors of a finished file, the one of this number.
    Read(usize, Range<usize>),
    /// Compute a group once more and compare it with a finished file.
    Repeat(usize, usize),
}

impl Task {
    /// The number of the finished file that it looks at.
    pub(super) fn file(&self) -> Option<usize> {
        match self {
            Self::Read(file, _) | Self::Repeat(file, _) => Some(*file),
            Self::Measure(..) | Self::Analyse(_) | Self::Fuse(..) => None,
        }
    }

    /// The tensors that it reads of the finished file of this number.
    pub(super) fn tensors_of(&self, file: usize) -> Option<Range<usize>> {
        match self {
            Self::Read(of, tensors) if *of == file => Some(tensors.clone()),
            _ => None,
        }
    }
}

/// What came of a [`Task`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Done {
    /// The ranks of the modules of these groups, in order, in each result of the pass.
    Measured(usize, Vec<usize>, Vec<Vec<usize>>),
    /// What is true of the modules of these groups, in order.
    Analysed(Vec<usize>, Vec<Measured>),
    /// Modules of each result of the pass.
    Fused(usize, Vec<Piece>),
    /// The checksums of the file's tensors from this one on.
    Read(usize, usize, Vec<u64>),
    /// How far the file's group is from what it should be.
    Repeated(usize, usize, Difference),
}

impl Done {
    /// Whether it can be what came of a task that looks at the finished file.
    pub(super) fn answers(&self, task: &Task) -> bool {
        match (self, task) {
            (Self::Read(file, first, found), Task::Read(of, tensors)) => {
                file == of && *first == tensors.start && found.len() == tensors.len()
            }
            (Self::Repeated(file, group, _), Task::Repeat(of, asked)) => file == of && group == asked,
            _ => false,
        }
    }
}

/// Some tensors of the result, and the account of how they were made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Piece {
    /// The tensors, in the order of `bytes`.
    pub tensors: Vec<PieceTensor>,
    /// The values of all of them, one after the other.
    #[serde(skip)]
    pub bytes: Vec<u8>,
    /// The accounting of fused units.
    pub modules: Vec<ModuleReport>,
    /// What was cut to a rank.
    pub cuts: Vec<Cut>,
    /// How many modules of the result are in it.
    pub outputs: usize,
    /// The last of them.
    pub last: String,
}

/// A tensor in a [`Piece`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceTensor {
    /// Its place in the layout.
    pub at: usize,
    /// How many bytes it has.
    pub length: usize,
    /// Their XXH3.
    pub checksum: u64,
}

/// Those who share a run with the one that leads it.
#[allow(async_fn_in_trait, reason = "crews are used by one thread; on wasm32 no future is Send")]
pub trait Crew<F> {
    /// How many they are.
    fn members(&self) -> usize;

    /// How many tasks they may have at once, so that none of them waits for the next.
    fn places(&self) -> usize;

    /// Tells them what the run is: the variants they have from the leader; `ranks` as given to [`super::Passes::lay_out`].
    /// Whoever comes to other plans than those of the checksum ([`super::Passes::checksum`]) takes no part.
    ///
    /// # Errors
    /// Those of whoever carries the message.
    async fn begin(&self, ranks: Option<&[Vec<usize>]>, checksum: u32) -> Result<()>;

    /// Has a task done by one of them; `result` is the finished file, where it looks at one.
    ///
    /// # Errors
    /// As doing it oneself; and those of whoever carries it there.
    async fn run(&self, task: &Task, result: Option<&F>) -> Result<Done>;

    /// Lets come in what has been said by now: their answers, and a wish to stop.
    async fn listen(&self);
}

/// Nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl<F> Crew<F> for Alone {
    fn members(&self) -> usize {
        0
    }

    fn places(&self) -> usize {
        0
    }

    async fn begin(&self, _: Option<&[Vec<usize>]>, _: u32) -> Result<()> {
        Ok(())
    }

    async fn run(&self, _: &Task, _: Option<&F>) -> Result<Done> {
        Err(Error::new(Code::Internal, "There is nobody to do it."))
    }

    async fn listen(&self) {}
}

/// Tasks that the leader reads for at once, so that its reading and its computing overlap.
const READING: usize = 2;

/// What has come in: what the leader needs for a task of its own, or what somebody made of one.
pub(super) enum Came<R> {
    /// To be computed.
    Read(R),
    /// To be taken.
    Done(Done),
}

/// Has tasks done by the leader and its crew, and tells of each that is read for or done, the earliest first. Nobody but the
/// leader can take what is done, so it computes itself only when the others have enough to do and nothing of theirs waits. Ends
/// with the first error; what is still under way is then dropped.
pub(super) async fn share_out<F, R>(
    tasks: impl IntoIterator<Item = Task>,
    crew: Option<&impl Crew<F>>,
    results: &[F],
    read: impl AsyncFn(Task) -> Result<R>,
    mut take: impl AsyncFnMut(Came<R>) -> Result<()>,
) -> Result<()> {
    let crew = crew.filter(|crew| crew.places() > 0);
    let start = async |number: usize, task: Task, own: bool| {
        let came = match crew.filter(|_| !own) {
            Some(crew) => {
                let result = task.file().and_then(|file| results.get(file));
                crew.run(&task, result).await.map(Came::Done)
            }
            None => read(task).await.map(Came::Read),
        };
        came.map(|came| (number, came))
    };
    let places = crew.map_or(0, |crew| crew.places());
    // However late one is, not much more is made that has to wait for it.
    let ahead = 2 * (places + READING);
    let mut tasks = tasks.into_iter().enumerate();
    let mut under_way = FuturesUnordered::new();
    let mut unfinished = BTreeSet::new();
    let mut come = BTreeMap::new();
    let (mut own, mut others, mut started) = (0, 0, 0);
    loop {
        if let Some(crew) = crew {
            crew.listen().await;
        }
        loop {
            let waits = come.values().any(|came| matches!(came, Came::Done(_)));
            while unfinished.first().is_none_or(|first| started - first < ahead) {
                let to_crew = others < places;
                if !to_crew && (own == READING || waits) {
                    break;
                }
                let Some((number, task)) = tasks.next() else { break };
                *(if to_crew { &mut others } else { &mut own }) += 1;
                started = number + 1;
                unfinished.insert(number);
                under_way.push(start(number, task, !to_crew));
            }
            // This is also what starts them.
            let came = match come.is_empty() {
                true => under_way.next().await,
                false => under_way.next().now_or_never().flatten(),
            };
            let Some(came) = came else { break };
            let (number, came) = came?;
            if let Came::Done(_) = came {
                others -= 1;
            }
            come.insert(number, came);
        }
        let Some((number, came)) = come.pop_first() else { return Ok(()) };
        if let Came::Read(_) = came {
            own -= 1;
        }
        take(came).await?;
        unfinished.remove(&number);
    }
}
