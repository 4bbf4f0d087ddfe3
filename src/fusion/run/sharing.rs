//! Decides who does which task of a run, and when: the leader, or a member of its crew.

use super::crew::{Crew, Done, Run, Task};
use crate::error::Result;
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::{BTreeMap, VecDeque};

/// The total size of tasks that the leader reads for at once, so that its reading and its computing overlap.
const READING: usize = 2;

/// If a task is late, the size by which the tasks begun may exceed what all workers can have under way; their results wait in
/// memory until the late one arrives.
const LATE: usize = 5;

/// The largest total size of tasks begun, counted from the first task that has not been taken.
const fn ahead(places: usize) -> usize {
    places + READING + LATE
}

/// A piece of work under way.
enum Work<'a> {
    Tell(Run<'a>),
    Theirs(usize, SizedTask),
    Own(usize, SizedTask),
}

/// A task and its size, the share of the memory for tasks that it takes: usually 1, and more for a module that is larger than what
/// is made at once, so that fewer of these run at a time.
pub(crate) type SizedTask = (usize, Task);

/// The tasks begun, from the first one that has not been taken.
#[derive(Default)]
struct Begun {
    /// For each task its size, and whether its result has been taken.
    tasks: VecDeque<(usize, bool)>,
    /// The number of tasks taken before these.
    before: usize,
    /// The total size of these tasks.
    size: usize,
}

impl Begun {
    /// Adds a task of this size and returns its number.
    fn add(&mut self, size: usize) -> usize {
        self.tasks.push_back((size, false));
        self.size += size;
        self.before + self.tasks.len() - 1
    }

    fn take(&mut self, number: usize) {
        if let Some((_, taken)) = number.checked_sub(self.before).and_then(|at| self.tasks.get_mut(at)) {
            *taken = true;
        }
        while let Some(&(size, true)) = self.tasks.front() {
            self.tasks.pop_front();
            self.before += 1;
            self.size -= size;
        }
    }
}

/// Who does a task.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Crew,
    Leader,
}

/// The tasks under way, and the results that have not been taken yet.
struct Board<R> {
    begun: Begun,
    /// What has come in, by task number, with the size of each task.
    come: BTreeMap<usize, (usize, Came<R>)>,
    /// The total size of the tasks that the leader reads for, or has read for.
    own: usize,
    /// The total size of the tasks that the crew is doing.
    others: usize,
}

impl<R> Board<R> {
    fn new() -> Self {
        Self { begun: Begun::default(), come: BTreeMap::new(), own: 0, others: 0 }
    }

    /// Who begins the next task, of this size, with the number and the size that it has from then on. `None` if everyone has enough to do.
    fn begin(&mut self, size: usize, places: usize, each: usize) -> Option<(Whose, usize, usize)> {
        let (whose, size) = self.next(size, places, each)?;
        match whose {
            Whose::Crew => self.others += size,
            Whose::Leader => self.own += size,
        }
        Some((whose, self.begun.add(size), size))
    }

    /// Who does the next task, of this size, and the size that it counts with there.
    fn next(&self, size: usize, places: usize, each: usize) -> Option<(Whose, usize)> {
        let is_done = |(size, came): &(usize, Came<R>)| matches!(came, Came::Done(_)).then_some(*size);
        // What the crew has done and the leader has not taken.
        let waiting: usize = self.come.values().filter_map(is_done).sum();
        // Each member can have two tasks, however large, so that it need not wait for the second while the leader computes.
        let theirs = size.min((each / 2).max(1));
        let mine = size.min(READING);
        // Results that wait take as much memory as tasks under way.
        let to_crew = self.others + waiting.saturating_sub(READING) + theirs <= places;
        let (whose, size) = if to_crew { (Whose::Crew, theirs) } else { (Whose::Leader, mine) };
        let fits = self.begun.size == 0 || self.begun.size + size <= ahead(places);
        let leader_has_enough = self.own + mine > READING || waiting > 0;
        (fits && (to_crew || !leader_has_enough)).then_some((whose, size))
    }

    fn came(&mut self, number: usize, size: usize, came: Came<R>) {
        if let Came::Done(_) = came {
            self.others -= size;
        }
        self.come.insert(number, (size, came));
    }

    /// The earliest task that has come, with its number.
    fn first(&mut self) -> Option<(usize, Came<R>)> {
        let (number, (size, came)) = self.come.pop_first()?;
        if let Came::Read(_) = came {
            self.own -= size;
        }
        Some((number, came))
    }
}

/// What has come in for a task: its input, if the leader is to do it, or its result.
pub(crate) enum Came<R> {
    /// The input of a task that the leader has to compute.
    Read(R),
    /// A result that the leader has to take.
    Done(Done),
}

/// Has tasks done by the leader and its crew, after telling the crew about the run (`told`; `None` if it knows it), and passes on
/// each task that is read for or done, the earliest first. Only the leader can take results, so it begins tasks of its own only
/// when the others have enough to do and none of their results waits. Ends with the first error; work still under way is then
/// dropped.
pub(crate) async fn share_out<F, R>(
    tasks: impl IntoIterator<Item = SizedTask>,
    crew: &impl Crew<F>,
    told: Option<Run<'_>>,
    results: &[F],
    read: impl AsyncFn(Task) -> Result<R>,
    mut take: impl AsyncFnMut(Came<R>) -> Result<()>,
) -> Result<()> {
    let start = async |work: Work<'_>| match work {
        Work::Tell(run) => crew.begin(run).await.map(|()| None),
        Work::Theirs(number, (size, task)) => {
            let result = match &task {
                Task::Look(look) => results.get(look.file()),
                Task::Compute(_) => None,
            };
            Ok(Some((number, size, Came::Done(crew.run(&task, size, result).await?))))
        }
        Work::Own(number, (size, task)) => Ok(Some((number, size, Came::Read(read(task).await?)))),
    };
    let mut tasks = tasks.into_iter().peekable();
    let mut under_way = FuturesUnordered::new();
    let mut board = Board::new();
    if let Some(run) = told {
        under_way.push(start(Work::Tell(run)));
        // This must come first, because polling is what sends the message.
        under_way.next().now_or_never().flatten().transpose()?;
    }
    loop {
        crew.listen().await;
        loop {
            while let Some((size, _)) = tasks.peek() {
                // The number of places grows as members hear of the run.
                let Some((whose, number, size)) = board.begin(*size, crew.places(), crew.each()) else {
                    break;
                };
                let Some((_, task)) = tasks.next() else { break };
                under_way.push(start(match whose {
                    Whose::Crew => Work::Theirs(number, (size, task)),
                    Whose::Leader => Work::Own(number, (size, task)),
                }));
            }
            // Members that have yet to hear of the run are not waited for.
            if board.begun.size == 0 {
                return Ok(());
            }
            // Polling here is also what starts the tasks.
            let came = if board.come.is_empty() {
                under_way.next().await
            } else {
                under_way.next().now_or_never().flatten()
            };
            let Some(came) = came else { break };
            let Some((number, size, came)) = came? else { continue };
            board.came(number, size, came);
        }
        let Some((number, came)) = board.first() else { continue };
        take(came).await?;
        board.begun.take(number);
    }
}

#[cfg(test)]
mod tests {
    use super::super::crew::{Compute, Computed, Made, What};
    use super::*;
    use pollster::block_on;
    use sha2::Sha256;
    use std::cell::{Cell, RefCell};
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// A crew that answers in any order, but never answers task `held` before the leader has heard of `until` others.
    struct Slow<'a> {
        places: usize,
        held: usize,
        until: usize,
        seed: Cell<u64>,
        /// The number of tasks under way, and their total size.
        busy: Cell<(usize, usize)>,
        /// The largest number of tasks under way at once.
        most: Cell<usize>,
        /// Whether the crew has heard of the run.
        knows: Cell<bool>,
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
            Task::Compute(Compute { pass: number, .. }) => *number,
            Task::Look(_) => usize::MAX,
        }
    }

    fn task(number: usize) -> Task {
        Task::Compute(Compute { what: What::Fusion, pass: number, groups: Vec::new() })
    }

    fn done(number: usize) -> Done {
        let of = Compute { what: What::Fusion, pass: number, groups: Vec::new() };
        Done::Computed(Computed { of, made: Made::Fusion(Vec::new()), gave_up: None })
    }

    impl Crew<()> for Slow<'_> {
        type Hash = Sha256;

        fn members(&self) -> usize {
            1
        }

        fn places(&self) -> usize {
            if self.knows.get() { self.places } else { 0 }
        }

        fn each(&self) -> usize {
            self.places
        }

        fn leave_device(&self) {}

        async fn begin(&self, Run { checksum: heard_after, .. }: Run<'_>) -> Result<()> {
            poll_fn(|context| {
                context.waker().wake_by_ref();
                let taken = self.taken.borrow().len();
                if taken < heard_after as usize { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            self.knows.set(true);
            Ok(())
        }

        async fn run(&self, task: &Task, size: usize, _: Option<&()>) -> Result<Done> {
            let number = number(task);
            self.begun.borrow_mut().push(number);
            let (busy, sizes) = self.busy.get();
            self.busy.set((busy + 1, sizes + size));
            self.most.set(self.most.get().max(busy + 1));
            assert!(sizes + size <= self.places);
            poll_fn(|context| {
                let held = number == self.held && self.taken.borrow().len() < self.until;
                if !held && self.is_ready() {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            let (busy, sizes) = self.busy.get();
            self.busy.set((busy - 1, sizes - size));
            Ok(done(number))
        }

        fn hash(&self) -> Sha256 {
            Sha256::default()
        }

        async fn listen(&self) {}
    }

    /// The value that holds no task back.
    const NOBODY: (usize, usize) = (usize::MAX, 0);

    /// The tasks begun by the others and the tasks taken, in order.
    fn shared(
        places: usize,
        (held, until): (usize, usize),
        seed: u64,
        told: Option<Run<'_>>,
    ) -> (Vec<usize>, Vec<usize>) {
        let (begun, taken, _) = shared_of(places, (held, until), seed, told, |_| 1);
        (begun, taken)
    }

    /// Like `shared`, for tasks of given sizes; also returns the largest number that the others had at once.
    fn shared_of(
        places: usize,
        (held, until): (usize, usize),
        seed: u64,
        told: Option<Run<'_>>,
        size: fn(usize) -> usize,
    ) -> (Vec<usize>, Vec<usize>, usize) {
        let (begun, taken) = (RefCell::default(), RefCell::default());
        let crew = Slow {
            places,
            held,
            until,
            seed: Cell::new(seed),
            busy: Cell::default(),
            most: Cell::new(0),
            knows: Cell::new(told.is_none()),
            begun: &begun,
            taken: &taken,
        };
        let tasks = (0..40).map(|number| (size(number), task(number)));
        let read = async |task: Task| Ok(number(&task));
        block_on(share_out(tasks, &crew, told, &[], read, async |came| {
            let number = match came {
                Came::Read(number) => number,
                Came::Done(Done::Computed(Computed { of, .. })) => of.pass,
                Came::Done(Done::Seen(_)) => usize::MAX,
            };
            taken.borrow_mut().push(number);
            Ok(())
        }))
        .unwrap();
        let most = crew.most.get();
        (begun.into_inner(), taken.into_inner(), most)
    }

    #[test]
    fn large_tasks_are_fewer_at_a_time_and_all_are_done() {
        for (places, seed) in (0..9).flat_map(|places| (0..20).map(move |seed| (places, seed))) {
            // Every third task is larger than all places together.
            let size = |number| if number % 3 == 0 { 100 } else { 1 };
            let (_, mut taken, most) = shared_of(places, NOBODY, seed, None, size);
            taken.sort_unstable();
            assert_eq!(taken, (0..40).collect::<Vec<_>>(), "{places} places, seed {seed}");
            assert!(most <= places);
        }
        // Two at a time, where there are places for eight small ones.
        let most = |size| shared_of(8, NOBODY, 1, None, size).2;
        assert_eq!((most(|_| 100), most(|_| 1)), (2, 8));
    }

    #[test]
    fn every_task_is_taken_once_whoever_does_it() {
        for (places, seed) in (0..5).flat_map(|places| (0..20).map(move |seed| (places, seed))) {
            let (begun, mut taken) = shared(places, NOBODY, seed, None);
            assert_eq!(begun.is_empty(), places == 0);
            taken.sort_unstable();
            assert_eq!(taken, (0..40).collect::<Vec<_>>(), "{places} places, seed {seed}");
        }
    }

    #[test]
    fn the_leader_does_not_wait_until_all_know_the_run() {
        for heard_after in [0, 1, 17, 40] {
            let (begun, mut taken) =
                shared(2, NOBODY, 1, Some(Run { ranks: None, checksum: heard_after, on_device: false }));
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
            // The first task comes last of all that may be begun before it.
            let ahead = ahead(places);
            let (_, taken) = shared(places, (0, ahead - 1), seed, None);
            let late = taken.iter().position(|&number| number == 0).unwrap();
            assert_eq!(late, ahead - 1);
            assert!(taken[..late].iter().all(|&number| number < ahead), "{taken:?}");
        }
    }

    /// A crew of one member that takes as much time for a task as the leader.
    struct Timed<'a> {
        now: &'a Cell<u64>,
        /// The time at which the member will have done all its tasks.
        free: Cell<u64>,
    }

    /// The time it takes to compute a task, and to take its result.
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

        fn each(&self) -> usize {
            3
        }

        fn leave_device(&self) {}

        async fn begin(&self, _: Run<'_>) -> Result<()> {
            Ok(())
        }

        async fn run(&self, task: &Task, _: usize, _: Option<&()>) -> Result<Done> {
            let ready = self.free.get().max(self.now.get()) + COMPUTE;
            self.free.set(ready);
            poll_fn(|context| {
                if self.now.get() >= ready {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            Ok(done(number(task)))
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
        let tasks = (0..100).map(|number| (1, task(number)));
        let take = async |came: Came<usize>| {
            now.set(now.get() + TAKE + if let Came::Read(_) = came { COMPUTE } else { 0 });
            Ok(())
        };
        let mut run = pin!(share_out(tasks, &crew, None, &[], async |task: Task| Ok(number(&task)), take));
        // Time passes while the leader computes, and while it waits.
        while run.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            now.set(now.get() + 1);
        }
        let best = 100 * (COMPUTE + TAKE) / 2;
        assert!(now.get() < best * 21 / 20, "{} instead of {best}", now.get());
    }
}
