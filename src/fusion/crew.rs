//! A run in tasks: each can be done wherever the files and the settings are, and nothing in a result depends on where.
//!
//! The page's worker has others of its kind beside it (one a core), which open the same files and make the same plan.

use super::accounting::{Cut, ModuleReport};
use super::analysis::Measured;
use super::hashing::Hashing;
use super::verify::Difference;
use crate::error::{Code, Error, Result};
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
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
    /// Modules of each result of the pass; and why a graphics device was given up meanwhile, if one was.
    Fused(usize, Vec<Piece>, Option<String>),
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

/// What the others have to know of a run.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// As given to [`super::Passes::lay_out`].
    pub ranks: Option<&'a [Vec<usize>]>,
    /// Of the plans: [`super::Passes::checksum`].
    pub checksum: u32,
    /// Whether a graphics device computes, of which each has one of its own: nothing in a result may depend on who makes it.
    pub on_device: bool,
}

/// Those who share a run with the one that leads it.
#[allow(async_fn_in_trait, reason = "crews are used by one thread; on wasm32 no future is Send")]
pub trait Crew<F> {
    /// How a result is hashed.
    type Hash: Hashing;

    /// How many they are.
    fn members(&self) -> usize;

    /// How many tasks they may have at once, so that none of them waits for the next.
    fn places(&self) -> usize;

    /// Tells them what the run is: the variants they have from the leader. Whoever comes to other plans, or has no backend like
    /// the leader's, takes no part.
    ///
    /// # Errors
    /// Those of whoever carries the message.
    async fn begin(&self, run: Run<'_>) -> Result<()>;

    /// Has a task done by one of them; `result` is the finished file, where it looks at one.
    ///
    /// # Errors
    /// As doing it oneself; and those of whoever carries it there.
    async fn run(&self, task: &Task, result: Option<&F>) -> Result<Done>;

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

    async fn begin(&self, _: Run<'_>) -> Result<()> {
        Ok(())
    }

    async fn run(&self, _: &Task, _: Option<&F>) -> Result<Done> {
        Err(Error::new(Code::Internal, "There is nobody to do it."))
    }

    fn hash(&self) -> Sha256 {
        Sha256::default()
    }

    async fn listen(&self) {}
}

/// Tasks that the leader reads for at once, so that its reading and its computing overlap.
const READING: usize = 2;

/// However late a task is, not much more is made that has to wait for it: all that is made waits in memory.
const fn ahead(places: usize) -> usize {
    3 * (places + READING) / 2
}

/// What the crew is to be told of the run before it can take part.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told<'a> {
    /// Nothing: it knows the run.
    Already,
    /// As [`Crew::begin`] has it. The leader does not wait for that.
    Now(Run<'a>),
}

/// Somebody's next piece of work.
enum Work<'a> {
    Tell(Run<'a>),
    Theirs(usize, Task),
    Own(usize, Task),
}

/// What has come in: what the leader needs for a task of its own, or what somebody made of one.
pub(super) enum Came<R> {
    /// To be computed.
    Read(R),
    /// To be taken.
    Done(Done),
}

/// Has tasks done by the leader and its crew, once that has been told of the run, and tells of each that is read for or done, the
/// earliest first. Nobody but the leader can take what is done, so it begins tasks of its own only when the others have
/// enough to do and nothing of theirs waits. Ends with the first error; what is still under way is then dropped.
pub(super) async fn share_out<F, R>(
    tasks: impl IntoIterator<Item = Task>,
    crew: &impl Crew<F>,
    told: Told<'_>,
    results: &[F],
    read: impl AsyncFn(Task) -> Result<R>,
    mut take: impl AsyncFnMut(Came<R>) -> Result<()>,
) -> Result<()> {
    let start = async |work: Work<'_>| match work {
        Work::Tell(run) => crew.begin(run).await.map(|()| None),
        Work::Theirs(number, task) => {
            let result = task.file().and_then(|file| results.get(file));
            Ok(Some((number, Came::Done(crew.run(&task, result).await?))))
        }
        Work::Own(number, task) => Ok(Some((number, Came::Read(read(task).await?)))),
    };
    let mut places = if let Told::Already = told { crew.places() } else { 0 };
    let mut tasks = tasks.into_iter().enumerate();
    let mut under_way = FuturesUnordered::new();
    let mut unfinished = BTreeSet::new();
    let mut come = BTreeMap::new();
    let (mut own, mut others, mut started) = (0, 0, 0);
    if let Told::Now(run) = told {
        under_way.push(start(Work::Tell(run)));
        // Before all else: this is what sends it.
        if under_way.next().now_or_never().flatten().transpose()?.is_some() {
            places = crew.places();
        }
    }
    loop {
        crew.listen().await;
        loop {
            let waits = come.values().any(|came| matches!(came, Came::Done(_)));
            while unfinished.first().is_none_or(|first| started - first < ahead(places)) {
                let to_crew = others < places;
                if !to_crew && (own == READING || waits) {
                    break;
                }
                let Some((number, task)) = tasks.next() else { break };
                started = number + 1;
                unfinished.insert(number);
                if to_crew {
                    others += 1;
                    under_way.push(start(Work::Theirs(number, task)));
                } else {
                    own += 1;
                    under_way.push(start(Work::Own(number, task)));
                }
            }
            // This is also what starts them.
            let came = if come.is_empty() {
                under_way.next().await
            } else {
                under_way.next().now_or_never().flatten()
            };
            let Some(came) = came else { break };
            let Some((number, came)) = came? else {
                places = crew.places();
                continue;
            };
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

#[cfg(test)]
mod tests {
    use super::*;
    use pollster::block_on;
    use std::cell::{Cell, RefCell};
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// Answers what it is asked in any order, but never this task before the leader has heard of so many others.
    struct Slow<'a> {
        places: usize,
        held: usize,
        until: usize,
        seed: Cell<u64>,
        busy: Cell<usize>,
        begun: &'a RefCell<Vec<usize>>,
        taken: &'a RefCell<Vec<usize>>,
    }

    impl Slow<'_> {
        fn is_ready(&self) -> bool {
            self.seed.set(self.seed.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            self.seed.get() >> 61 == 0
        }
    }

    fn number(task: &Task) -> usize {
        match task {
            Task::Fuse(number, _) => *number,
            _ => usize::MAX,
        }
    }

    impl Crew<()> for Slow<'_> {
        type Hash = Sha256;

        fn members(&self) -> usize {
            1
        }

        fn places(&self) -> usize {
            self.places
        }

        async fn begin(&self, Run { checksum: heard_after, .. }: Run<'_>) -> Result<()> {
            poll_fn(|context| {
                context.waker().wake_by_ref();
                let taken = self.taken.borrow().len();
                if taken < heard_after as usize { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            Ok(())
        }

        async fn run(&self, task: &Task, _: Option<&()>) -> Result<Done> {
            let number = number(task);
            self.begun.borrow_mut().push(number);
            self.busy.set(self.busy.get() + 1);
            assert!(self.busy.get() <= self.places);
            poll_fn(|context| {
                let held = number == self.held && self.taken.borrow().len() < self.until;
                if !held && self.is_ready() {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            self.busy.set(self.busy.get() - 1);
            Ok(Done::Fused(number, Vec::new(), None))
        }

        fn hash(&self) -> Sha256 {
            Sha256::default()
        }

        async fn listen(&self) {}
    }

    /// Holds no task back.
    const NOBODY: (usize, usize) = (usize::MAX, 0);

    /// What was begun by the others, and what was taken, in order.
    fn shared(
        places: usize,
        (held, until): (usize, usize),
        seed: u64,
        told: Told<'_>,
    ) -> (Vec<usize>, Vec<usize>) {
        let (begun, taken) = (RefCell::default(), RefCell::default());
        let crew = Slow {
            places,
            held,
            until,
            seed: Cell::new(seed),
            busy: Cell::new(0),
            begun: &begun,
            taken: &taken,
        };
        let tasks = (0..40).map(|number| Task::Fuse(number, Vec::new()));
        let read = async |task: Task| Ok(number(&task));
        block_on(share_out(tasks, &crew, told, &[], read, async |came| {
            let number = match came {
                Came::Read(number) | Came::Done(Done::Fused(number, ..)) => number,
                Came::Done(_) => usize::MAX,
            };
            taken.borrow_mut().push(number);
            Ok(())
        }))
        .unwrap();
        (begun.into_inner(), taken.into_inner())
    }

    #[test]
    fn every_task_is_taken_once_whoever_does_it() {
        for (places, seed) in (0..5).flat_map(|places| (0..20).map(move |seed| (places, seed))) {
            let (begun, mut taken) = shared(places, NOBODY, seed, Told::Already);
            assert_eq!(begun.is_empty(), places == 0);
            taken.sort_unstable();
            assert_eq!(taken, (0..40).collect::<Vec<_>>(), "{places} places, seed {seed}");
        }
    }

    #[test]
    fn the_leader_does_not_wait_until_all_know_the_run() {
        for heard_after in [0, 1, 17, 40] {
            let (begun, mut taken) =
                shared(2, NOBODY, 1, Told::Now(Run { ranks: None, checksum: heard_after, on_device: false }));
            let own = usize::try_from(heard_after).unwrap();
            assert!(taken[..own].iter().all(|number| !begun.contains(number)), "{heard_after}: {taken:?}");
            assert_eq!(begun.is_empty(), own == 40);
            taken.sort_unstable();
            assert_eq!(taken, (0..40).collect::<Vec<_>>());
        }
    }

    #[test]
    fn nothing_is_begun_too_far_ahead_of_what_is_late() {
        for (places, seed) in (1..5).flat_map(|places| (0..20).map(move |seed| (places, seed))) {
            // Behind a first task that comes last of all that may be begun before it.
            let ahead = ahead(places);
            let (_, taken) = shared(places, (0, ahead - 1), seed, Told::Already);
            let late = taken.iter().position(|&number| number == 0).unwrap();
            assert_eq!(late, ahead - 1);
            assert!(taken[..late].iter().all(|&number| number < ahead), "{taken:?}");
        }
    }

    /// Another who takes its time, of which there is as much as the leader's own.
    struct Timed<'a> {
        now: &'a Cell<u64>,
        /// When it has done all it has been given.
        free: Cell<u64>,
    }

    /// What computing a task takes, and what taking what was made of it.
    const COMPUTE: u64 = 10;
    const TAKE: u64 = 4;

    impl Crew<()> for Timed<'_> {
        type Hash = Sha256;

        fn members(&self) -> usize {
            1
        }

        fn places(&self) -> usize {
            3
        }

        async fn begin(&self, _: Run<'_>) -> Result<()> {
            Ok(())
        }

        async fn run(&self, task: &Task, _: Option<&()>) -> Result<Done> {
            let done = self.free.get().max(self.now.get()) + COMPUTE;
            self.free.set(done);
            poll_fn(|context| {
                if self.now.get() >= done {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            Ok(Done::Fused(number(task), Vec::new(), None))
        }

        fn hash(&self) -> Sha256 {
            Sha256::default()
        }

        async fn listen(&self) {}
    }

    #[test]
    fn two_are_nearly_twice_as_fast_as_one() {
        let now = Cell::new(0);
        let crew = Timed { now: &now, free: Cell::new(0) };
        let tasks = (0..100).map(|number| Task::Fuse(number, Vec::new()));
        let take = async |came: Came<usize>| {
            now.set(now.get() + TAKE + if let Came::Read(_) = came { COMPUTE } else { 0 });
            Ok(())
        };
        let mut run =
            pin!(share_out(tasks, &crew, Told::Already, &[], async |task: Task| Ok(number(&task)), take));
        // Time passes where the leader computes, and where it waits.
        while run.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            now.set(now.get() + 1);
        }
        let best = 100 * (COMPUTE + TAKE) / 2;
        assert!(now.get() < best * 21 / 20, "{} instead of {best}", now.get());
    }
}
