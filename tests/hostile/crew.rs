//! Nothing in a result depends on who has done which part of it, nor on the order; and a crew that fails ends the run.

use crate::lies::edited;
use crate::lora::{Patience, bytes, file, fuse};
use futures_util::lock::Mutex;
use np_lora::adapter::Adapter;
use np_lora::container::{Bytes, MemorySink, MemorySource, Sink, Source};
use np_lora::error::{Code, Error, Result};
use np_lora::fusion::analysis::Outlook;
use np_lora::fusion::settings::Recompress;
use np_lora::fusion::{
    self, Computed, Crew, Done, Engine, EngineChoice, Held, Input, Pair, Parcel, Passes, Plan, Report, Run,
    Settings, Sources, Task, Variant,
};
use pollster::block_on;
use sha2::Sha256;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::ops::Range;
use std::task::Poll;

/// Others that have the same files, make their own plan, and answer as late as they like.
struct Others<'a> {
    sources: Sources<'a, MemorySource>,
    variants: &'a [Variant],
    passes: RefCell<Option<Passes>>,
    places: usize,
    seed: Cell<u64>,
    done: Cell<usize>,
    /// How many tasks they do before one fails.
    good: usize,
    /// What they make of what came of a task.
    says: fn(Done) -> Done,
    /// Whether they were told to leave their graphics devices.
    left: Cell<bool>,
    /// The largest size of what they did.
    largest: Cell<usize>,
}

impl<'a> Others<'a> {
    fn new(
        sources: Sources<'a, MemorySource>,
        variants: &'a [Variant],
        places: usize,
        seed: u64,
        good: usize,
        says: fn(Done) -> Done,
    ) -> Self {
        Self {
            sources,
            variants,
            passes: RefCell::default(),
            places,
            seed: Cell::new(seed),
            done: Cell::new(0),
            good,
            says,
            left: Cell::new(false),
            largest: Cell::new(0),
        }
    }

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
    type Hash = Sha256;

    fn members(&self) -> usize {
        1
    }

    fn places(&self) -> usize {
        self.places
    }

    fn each(&self) -> usize {
        self.places
    }

    fn leave_device(&self) {
        self.left.set(true);
    }

    async fn begin(&self, Run { ranks, checksum, on_device }: Run<'_>) -> Result<()> {
        assert!(!on_device);
        let [content, style] = [&self.sources.content, &self.sources.style]
            .map(|input| input.as_ref().map(|input| input.adapter));
        let mut passes = Passes::new(Pair { content, style }, self.variants)?;
        if let Some(ranks) = ranks {
            passes.lay_out(ranks, Pair { content, style })?;
        }
        assert_eq!(passes.checksum(), checksum);
        self.passes.replace(Some(passes));
        Ok(())
    }

    async fn run(&self, task: &Task, size: usize, result: Option<&MemorySource>) -> Result<Done> {
        self.largest.set(self.largest.get().max(size));
        self.dawdle().await;
        self.done.set(self.done.get() + 1);
        if self.done.get() > self.good {
            return Err(Error::new(Code::Internal, "It fell ill."));
        }
        // As the page carries it.
        let task = serde_json::from_str(&serde_json::to_string(task).unwrap()).unwrap();
        let passes = self.passes.borrow().clone().unwrap();
        let watch = Patience::until(usize::MAX);
        let engine = Mutex::new(Engine::cpu(""));
        let mut done = fusion::assist(&passes, &self.sources, task, result, (&engine, false), &watch).await?;
        self.dawdle().await;
        let mut carried: Done = serde_json::from_str(&serde_json::to_string(&done).unwrap()).unwrap();
        if let (Some(to), Some(from)) = (carried.pieces_mut(), done.pieces_mut()) {
            to.iter_mut().zip(from).for_each(|(to, from)| to.bytes = from.bytes.clone());
        }
        Ok((self.says)(carried))
    }

    fn hash(&self) -> Sha256 {
        Sha256::default()
    }

    async fn listen(&self) {
        self.dawdle().await;
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

/// A sink that can be read before it is finished, as a file on disk can; or not, and then the others read the result.
struct Kept {
    file: MemorySink,
    early: bool,
}

impl Sink for Kept {
    type Finished = MemorySource;

    async fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        if let Some(taken) = TAKEN.take() {
            assert!(taken == bytes);
        }
        self.file.write(at, bytes).await
    }

    fn so_far(&self) -> Option<impl Source> {
        self.early.then(|| MemorySource::new("result", self.file.bytes.clone()))
    }

    async fn finish(&mut self) -> Result<MemorySource> {
        self.file.finish().await
    }
}

thread_local! {
    /// What was taken out of a parcel and not written yet.
    static TAKEN: Cell<Option<Bytes>> = const { Cell::new(None) };
}

/// Bytes that are taken out only to be written at once.
#[derive(Debug)]
struct InTurn(Bytes);

impl Held for InTurn {
    fn length(&self) -> usize {
        self.0.length()
    }

    fn part(&self, range: Range<usize>) -> Option<Bytes> {
        let part = self.0.part(range)?;
        assert!(TAKEN.replace(Some(part.clone())).is_none());
        Some(part)
    }
}

/// The finished files with their reports.
pub(crate) type Files = Vec<(Vec<u8>, Report)>;
/// And how much of them the others did.
pub(crate) type Made = (Files, usize);

fn shared(variants: &[Variant], places: usize, seed: u64, good: usize) -> Result<Made> {
    shared_with(variants, places, seed, good, |done| done)
}

pub(crate) fn shared_with(
    variants: &[Variant],
    places: usize,
    seed: u64,
    good: usize,
    says: fn(Done) -> Done,
) -> Result<Made> {
    shared_of(pair(), variants, places, seed, good, says).map(|(made, done, _)| (made, done))
}

/// And the largest size of what they did.
fn shared_of(
    [content, style]: [MemorySource; 2],
    variants: &[Variant],
    places: usize,
    seed: u64,
    good: usize,
    says: fn(Done) -> Done,
) -> Result<(Files, usize, usize)> {
    let early = seed.is_multiple_of(2);
    block_on(async {
        let (of_content, of_style) =
            (Adapter::open(&content, None).await?, Adapter::open(&style, None).await?);
        let sources = || Sources {
            content: Some(Input { adapter: &of_content, source: &content }),
            style: Some(Input { adapter: &of_style, source: &style }),
        };
        let crew = Others::new(sources(), variants, places, seed, good, says);
        let mut engine = Engine::choose(EngineChoice::Cpu).await?;
        let mut patience = Patience::until(usize::MAX);
        let kept = |_| Kept { file: MemorySink::default(), early };
        let mut sinks: Vec<Kept> = variants.iter().map(kept).collect();
        let made = fusion::fuse(&sources(), variants, &mut engine, &mut sinks, &crew, &mut patience).await?;
        let made: Vec<_> = made.into_iter().map(|(finished, report)| (bytes(&finished), report)).collect();
        assert!(made.iter().all(|(_, report)| crew.left.get() != fell_back(report).is_empty()));
        Ok((made, crew.done.get(), crew.largest.get()))
    })
}

#[test]
fn a_module_of_several_pieces_takes_the_place_of_as_many() {
    // With both factors of both files 26 MB; a piece has 8.
    let of =
        |name: &str| file(name, &[("lora_unet_large", 96_000, 64, 6_000), ("lora_unet_small", 8, 3, 16)]);
    let settings = Settings { output_name: "out".into(), ..Settings::default() };
    let variants = [settings.into()];
    let largest = |places| {
        shared_of([of("content"), of("style")], &variants, places, 2, usize::MAX, |done| done).unwrap().2
    };
    assert_eq!(largest(100), 3);
    // Half of the places are the most that anything takes.
    assert_eq!(largest(4), 2);
    let (_, _, largest) = shared_of(pair(), &variants, 100, 2, usize::MAX, |done| done).unwrap();
    assert_eq!(largest, 1);
}

/// Why the run went on without a graphics device.
fn fell_back(report: &Report) -> Vec<&str> {
    let told = report.warnings.iter().filter(|warning| warning.code == Code::GpuFellBack);
    told.map(|warning| warning.detail.as_str()).collect()
}

#[test]
fn a_device_that_another_has_lost_is_left_by_all_and_told_of_once() {
    fn lost() -> Option<String> {
        Some("It is gone.".to_owned())
    }
    for settings in all_settings() {
        let (made, _) = shared_with(&[settings.into()], 3, 1, usize::MAX, |done| match done {
            Done::Computed(computed) => Done::Computed(Computed { gave_up: lost(), ..computed }),
            Done::Seen(_) => done,
        })
        .unwrap();
        for (_, report) in made {
            assert_eq!(fell_back(&report), ["It is gone."]);
            assert_eq!(report.backend_reason, "The graphics device failed. It is gone.");
        }
    }
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
            let (mut made, done) = shared(&[settings.clone().into()], places, seed, usize::MAX).unwrap();
            let (shared, of_shared) = made.remove(0);
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

#[test]
fn several_results_are_shared_out_as_one_is() {
    let [content, style] = pair();
    for settings in all_settings() {
        let of = |mu, swapped| Variant { settings: Settings { mu, ..settings.clone() }, swapped };
        let variants = [of(0.0, false), of(0.5, false), of(f64::INFINITY, false), of(0.5, true)];
        let (made, done) = shared(&variants, 7, 6, usize::MAX).unwrap();
        assert!(done > 0 && made.len() == variants.len());
        for (variant, (shared, report)) in variants.iter().zip(made) {
            let files = if variant.swapped { [&style, &content] } else { [&content, &style] };
            let (alone, of_alone) = fuse(files, &variant.settings).unwrap();
            assert!(shared == alone, "{variant:?}");
            assert_eq!(report.recomputed, of_alone.recomputed);
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
        let settings = &settings;
        let variants = &[settings.clone().into()];
        let crew = Others::new(sources(), variants, places, seed, good, |done| done);
        let known = RefCell::default();
        let mut patience = Patience::until(usize::MAX);
        let result = fusion::analyse(&sources(), settings, &known, &crew, &mut patience).await;
        let plan =
            Plan::new(Pair { content: Some(&adapters.0), style: Some(&adapters.1) }, settings).unwrap();
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
        let variants = [settings.into()];
        let (_, tasks) = shared(&variants, 3, 1, usize::MAX).unwrap();
        for good in 0..tasks.min(40) {
            // Others may be given fewer when one of them is slow.
            if let Err(error) = shared(&variants, 3, 1, good) {
                assert_eq!((error.code, error.detail.as_str()), (Code::Internal, "It fell ill."));
            } else {
                panic!("task {good} failed unseen");
            }
        }
    }
}

#[test]
fn what_others_have_made_stays_with_them_until_it_is_written() {
    let of =
        |name: &str| file(name, &[("lora_unet_large", 48_000, 64, 3_000), ("lora_unet_small", 8, 3, 16)]);
    for (seed, files) in (0..2).flat_map(|seed| [(seed, pair()), (seed, [of("content"), of("style")])]) {
        let variants = [Settings { output_name: "out".into(), ..Settings::default() }.into()];
        let alone = shared_of(files.clone(), &variants, 0, seed, 0, |done| done).unwrap().0;
        let (made, done, _) = shared_of(files, &variants, 100, seed, usize::MAX, |done| {
            edited(done, |piece| {
                let bytes = piece.bytes.part(0..piece.bytes.length()).unwrap_or_default();
                piece.bytes = Parcel::new(InTurn(bytes));
            })
        })
        .unwrap();
        assert!(done > 0 && made[0].0 == alone[0].0);
        assert!(TAKEN.take().is_none());
    }
}
