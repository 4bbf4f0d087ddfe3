//! Nothing in a result depends on who has done which part of it, nor on the order; and a crew that fails ends the run.

use crate::lora::{Patience, bytes, file, fuse};
use np_lora::adapter::Adapter;
use np_lora::container::{MemorySink, MemorySource};
use np_lora::error::{Code, Error, Result};
use np_lora::fusion::analysis::Outlook;
use np_lora::fusion::settings::Recompress;
use np_lora::fusion::{
    self, Crew, Done, Engine, EngineChoice, Input, Piece, Plan, Report, Settings, Sources, Task,
};
use pollster::block_on;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::Poll;

/// Others that have the same files, make their own plan, and answer as late as they like.
struct Others<'a> {
    sources: Sources<'a, MemorySource>,
    settings: &'a Settings,
    plan: RefCell<Option<Plan>>,
    places: usize,
    seed: Cell<u64>,
    done: Cell<usize>,
    /// How many tasks they do before one fails.
    good: usize,
    /// What they make of what came of a task.
    says: fn(Done) -> Done,
}

impl Others<'_> {
    /// Waits for a number of turns that nobody knows beforehand.
    async fn dawdle(&self) {
        let seed =
            self.seed.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.seed.set(seed);
        let mut turns = seed >> 61;
        poll_fn(|context| {
            if turns == 0 {
                return Poll::Ready(());
            }
            turns -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

impl Crew<MemorySource> for Others<'_> {
    fn members(&self) -> usize {
        1
    }

    fn places(&self) -> usize {
        self.places
    }

    async fn begin(&self, ranks: Option<&[usize]>, checksum: u32) -> Result<()> {
        let [content, style] = [&self.sources.content, &self.sources.style]
            .map(|input| input.as_ref().map(|input| input.adapter));
        let mut plan = Plan::new(content, style, self.settings)?;
        if let Some(ranks) = ranks {
            plan.lay_out(ranks, content, style)?;
        }
        assert_eq!(plan.checksum(), checksum);
        self.plan.replace(Some(plan));
        Ok(())
    }

    async fn run(&self, task: &Task, result: Option<&MemorySource>) -> Result<Done> {
        self.dawdle().await;
        self.done.set(self.done.get() + 1);
        if self.done.get() > self.good {
            return Err(Error::new(Code::Internal, "It fell ill."));
        }
        // As the page carries it.
        let task = serde_json::from_str(&serde_json::to_string(task).unwrap()).unwrap();
        let plan = self.plan.borrow().clone().unwrap();
        let watch = Patience::until(usize::MAX);
        let done = fusion::assist(&plan, &self.sources, task, result, &watch).await?;
        self.dawdle().await;
        let mut carried: Done = serde_json::from_str(&serde_json::to_string(&done).unwrap()).unwrap();
        if let (Done::Fused(to), Done::Fused(from)) = (&mut carried, done) {
            to.bytes = from.bytes;
        }
        Ok((self.says)(carried))
    }
}

fn pair() -> [MemorySource; 2] {
    let modules: Vec<(String, usize, usize)> =
        (0..24).map(|at| (format!("lora_unet_{at}"), 8 + at % 5, 16 + at % 3)).collect();
    let of = |name: &str, r: usize, from: usize| {
        let modules: Vec<_> = modules.iter().skip(from).map(|(s, m, n)| (s.as_str(), *m, r, *n)).collect();
        file(name, &modules)
    };
    [of("content", 3, 0), of("style", 4, 2)]
}

fn shared(settings: &Settings, places: usize, seed: u64, good: usize) -> Result<(Vec<u8>, Report, usize)> {
    shared_with(settings, places, seed, good, |done| done)
}

fn shared_with(
    settings: &Settings,
    places: usize,
    seed: u64,
    good: usize,
    says: fn(Done) -> Done,
) -> Result<(Vec<u8>, Report, usize)> {
    let [content, style] = pair();
    block_on(async {
        let (of_content, of_style) =
            (Adapter::open(&content, None).await?, Adapter::open(&style, None).await?);
        let sources = || Sources {
            content: Some(Input { adapter: &of_content, source: &content }),
            style: Some(Input { adapter: &of_style, source: &style }),
        };
        let (plan, seed, done) = (RefCell::new(None), Cell::new(seed), Cell::new(0));
        let crew = Others { sources: sources(), settings, plan, places, seed, done, good, says };
        let mut engine = Engine::choose(EngineChoice::Cpu).await?;
        let mut patience = Patience::until(usize::MAX);
        let (finished, report) =
            fusion::fuse(&sources(), settings, &mut engine, &mut MemorySink::default(), &crew, &mut patience)
                .await?;
        Ok((bytes(&finished), report, crew.done.get()))
    })
}

fn all_settings() -> [Settings; 3] {
    let of = |recompress| Settings { recompress, output_name: "out".into(), ..Settings::default() };
    [of(Recompress::Exact), of(Recompress::Rank { rank: 3 }), of(Recompress::Energy { share: 0.9 })]
}

#[test]
fn who_does_what_and_when_changes_no_byte() {
    let [content, style] = pair();
    for settings in all_settings() {
        let (alone, report) = fuse([&content, &style], &settings).unwrap();
        for (places, seed) in [(1, 1), (3, 2), (3, 3), (7, 4), (100, 5)] {
            let (shared, of_shared, done) = shared(&settings, places, seed, usize::MAX).unwrap();
            assert!(done > 0, "nothing was given away");
            assert!(shared == alone, "{places} places, seed {seed}");
            let modules = |report: &Report| {
                let names = report.modules.iter().map(|module| (module.name.clone(), module.protected));
                (names.collect::<Vec<_>>(), report.recomputed, report.cuts.len(), report.model_hash.clone())
            };
            assert_eq!(modules(&of_shared), modules(&report));
        }
    }
}

/// What a crew finds out, and how much of it the others did.
fn analysed(places: usize, seed: u64, good: usize) -> (Result<()>, usize, Outlook) {
    let [content, style] = pair();
    let settings = Settings::default();
    block_on(async {
        let adapters =
            (Adapter::open(&content, None).await.unwrap(), Adapter::open(&style, None).await.unwrap());
        let sources = || Sources {
            content: Some(Input { adapter: &adapters.0, source: &content }),
            style: Some(Input { adapter: &adapters.1, source: &style }),
        };
        let (plan, seed, done) = (RefCell::new(None), Cell::new(seed), Cell::new(0));
        let (settings, says) = (&settings, |done| done);
        let crew = Others { sources: sources(), settings, plan, places, seed, done, good, says };
        let known = RefCell::default();
        let mut patience = Patience::until(usize::MAX);
        let result = fusion::analyse(&sources(), settings, &known, &crew, &mut patience).await;
        let plan = Plan::new(Some(&adapters.0), Some(&adapters.1), settings).unwrap();
        (result, crew.done.get(), Outlook::of(&plan, &known.borrow()))
    })
}

#[test]
fn an_analysis_is_the_same_whoever_makes_it() {
    let (_, none, alone) = analysed(0, 1, 0);
    assert_eq!((none, alone.analysed, alone.total), (0, 22, 22));
    let (result, done, shared) = analysed(100, 2, usize::MAX);
    assert!(result.is_ok() && done > 0);
    let numbers = |outlook: &Outlook| -> Vec<f64> {
        outlook.modules.iter().flat_map(|m| [m.tally.overlap, m.tally.change, m.effective_rank]).collect()
    };
    // Numbers that were carried as JSON may differ in the last digit.
    let close = |a: &f64, b: &f64| (a - b).abs() <= 1e-14;
    assert!(numbers(&alone).iter().zip(&numbers(&shared)).all(|(a, b)| close(a, b)));
    assert_eq!((shared.analysed, shared.verdict), (alone.analysed, alone.verdict));
    let (result, ..) = analysed(100, 2, 0);
    assert_eq!(result.map_err(|error| error.detail.clone()), Err("It fell ill.".to_owned()));
}

#[test]
fn a_crew_that_fails_at_any_task_ends_the_run() {
    for settings in all_settings() {
        let (.., tasks) = shared(&settings, 3, 1, usize::MAX).unwrap();
        for good in 0..tasks.min(40) {
            // Others may be given fewer when one of them is slow.
            if let Err(error) = shared(&settings, 3, 1, good) {
                assert_eq!((error.code, error.detail.as_str()), (Code::Internal, "It fell ill."));
            } else {
                panic!("task {good} failed unseen");
            }
        }
    }
}

#[test]
fn an_answer_that_does_not_fit_its_task_ends_the_run() {
    let lies: [fn(Done) -> Done; 6] = [
        // Nothing was read, or something else.
        |done| if let Done::Read(first, _) = done { Done::Read(first, Vec::new()) } else { done },
        |done| if let Done::Read(first, found) = done { Done::Read(first + 1, found) } else { done },
        // Another group was compared.
        |done| if let Done::Repeated(at, found) = done { Done::Repeated(at + 1, found) } else { done },
        // A tensor is missing, is another, or comes twice.
        |done| edited(done, |piece| piece.tensors.truncate(1)),
        |done| edited(done, |piece| piece.tensors[0].at += 1),
        |done| {
            edited(done, |piece| {
                piece.tensors.extend_from_within(..);
                piece.bytes.extend_from_within(..);
            })
        },
    ];
    let settings = Settings { output_name: "out".into(), ..Settings::default() };
    for (number, lie) in lies.into_iter().enumerate() {
        let error = shared_with(&settings, 3, 1, usize::MAX, lie).err();
        assert_eq!(error.map(|error| error.code), Some(Code::Internal), "lie {number}");
    }
}

fn edited(done: Done, edit: fn(&mut Piece)) -> Done {
    match done {
        Done::Fused(mut piece) => {
            edit(&mut piece);
            Done::Fused(piece)
        }
        other => other,
    }
}
