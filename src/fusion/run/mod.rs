//! A run from the plan to the checked file.
//!
//! A run is a list of tasks, which its leader does itself or hands to a [`crew`]; [`sharing`] decides who does what and when.
//! [`writer`] puts the modules into the file, [`hashing`] hashes them on the way, [`verify`] reads the file back, and [`report`]
//! says what was done.

pub(crate) mod crew;
pub(crate) mod hashing;
pub mod report;
pub(crate) mod sharing;
pub(crate) mod verify;
pub(crate) mod writer;

use crate::container::{Sink, Source};
use crate::error::{Code, Error, Result};
use crate::fusion::analysis::{self, Analysis};
use crate::fusion::method::engine::{CPU_PIECE, Engine};
use crate::fusion::method::piece::Piece;
use crate::fusion::plan::metadata;
use crate::fusion::plan::pass::{Pass, Passes, Variant};
use crate::fusion::plan::portions::{self, ReadAhead};
use crate::fusion::settings::Settings;
use crate::fusion::{Progress, Sources, Stage, Watch, go_on, method};
use crew::{Compute, Computed, Crew, Done, Look, Made, Run, Seen, Task, What};
use futures_util::lock::Mutex;
use report::Report;
use sharing::Came;
use std::cell::RefCell;
use verify::Verified;
use writer::{Writer, Written};

/// Fuses two files, or converts one: computes, writes, reads back and checks. Makes one file for each variant, in the sink at the
/// same index; variants that differ only in μ share the reading and decomposition of every module. Returns the finished files with
/// their reports. Neither the crew nor the other variants of the run affect the bytes of a result.
///
/// # Errors
/// Those of planning ([`Passes::new`]), of computing and writing, of checking (`Verify`), and of the crew; `Aborted`. After an
/// error, discard whatever the sinks hold: either all files are finished or none is.
pub async fn fuse<S: Source, K: Sink, C: Crew<K::Finished>, W: Watch>(
    sources: &Sources<'_, S>,
    variants: &[Variant],
    engine: &mut Engine,
    sinks: &mut [K],
    crew: &C,
    watch: &mut W,
) -> Result<Vec<(K::Finished, Report)>> {
    let started = watch.seconds();
    let files = sources.adapters();
    let mut passes = Passes::new(files, variants)?;
    if sinks.len() != variants.len() {
        return Err(Error::new(Code::Internal, "Every result needs a sink of its own."));
    }
    engine.forget();
    if engine.is_open() {
        let pass = passes.pass(0)?;
        let sources = sources.swapped(pass.swapped);
        method::try_out(pass, &sources, engine, 1 + crew.members(), watch).await?;
    }
    let mut ranks = None;
    if passes.iter().any(|pass| pass.lead.recipe.is_cut_by_energy()) {
        let found = measure(&passes, sources, engine, crew, watch).await?;
        passes.lay_out(&found, files)?;
        ranks = Some(found);
    }
    let told = told(&passes, ranks.as_deref(), engine);
    let written = write(&passes, sources, engine, sinks, (crew, told), watch).await?;
    for ((plan, written), sink) in passes.plans_mut().zip(&written).zip(&mut *sinks) {
        metadata::fill_hash(&mut plan.layout, &written.model_hash)?;
        sink.write(0, &plan.layout.header).await?;
    }
    let saved = watch.seconds();
    let (finished, verified) = check(&passes, &written, sources, sinks, crew, watch).await?;
    let seconds = [saved - started, watch.seconds() - saved];
    let mut results = Vec::with_capacity(finished.len());
    for (number, (file, (written, verified))) in
        finished.into_iter().zip(written.into_iter().zip(verified)).enumerate()
    {
        let (plan, swapped) = passes.file(number)?;
        let files = files.swapped(swapped);
        results.push((file, Report::new(plan, files, engine, written, verified, seconds)));
    }
    Ok(results)
}

/// What the crew has to be told about a run with these ranks.
fn told<'a>(passes: &Passes, ranks: Option<&'a [Vec<usize>]>, engine: &Engine) -> Run<'a> {
    Run { ranks, checksum: passes.checksum(), on_device: engine.adapter().is_some() }
}

/// The number of bytes that are read at once for an analysis: few, so that results show early and more urgent work need not wait,
/// because the page is not heard until a piece is done.
const ANALYSIS_PIECE: u64 = 1 << 20;

/// Measures whatever an analysis of the pair still lacks. Findings are in `analysis` as soon as they are made.
///
/// # Errors
/// Those of [`Plan::new`](crate::fusion::Plan::new), of the sources and of the crew; `NonFinite`, `Aborted`. Findings made before
/// an error are kept.
pub async fn analyse<S: Source, C: Crew<S>, W: Watch>(
    sources: &Sources<'_, S>,
    settings: &Settings,
    analysis: &RefCell<Analysis>,
    crew: &C,
    watch: &mut W,
) -> Result<()> {
    let passes = Passes::new(sources.adapters(), &[settings.clone().into()])?;
    let plan = &passes.pass(0)?.lead;
    let pieces = analysis.borrow().lacking(plan, portions::pieces(plan, ANALYSIS_PIECE));
    if pieces.is_empty() {
        return Ok(());
    }
    let mut engine = Engine::cpu("");
    let told = told(&passes, None, &engine);
    let (known, all) = analysis.borrow().count(plan);
    let mut progress =
        Progress { modules_done: known, modules_total: all, ..Progress::of(&passes, Stage::Analyse) };
    let tasks = pieces.into_iter().map(|groups| Compute { what: What::Analysis, pass: 0, groups }).collect();
    compute_all(&passes, tasks, sources, &mut engine, (crew, told), watch, async |of, made, watch| {
        let Made::Analysis(found) = made else { return Err(out_of_turn()) };
        progress.modules_done += found.len();
        analysis.borrow_mut().keep(plan, &of.groups, found)?;
        watch.progress(&progress);
        Ok(())
    })
    .await
}

/// The ranks that keep the wanted energy, for each result in the order of [`Plan::outputs`](crate::fusion::Plan::outputs); empty
/// for a result without a wanted energy.
async fn measure<S: Source, F, C: Crew<F>, W: Watch>(
    passes: &Passes,
    sources: &Sources<'_, S>,
    engine: &mut Engine,
    crew: &C,
    watch: &mut W,
) -> Result<Vec<Vec<usize>>> {
    let mut ranks: Vec<Vec<Vec<usize>>> =
        passes.plans().map(|plan| vec![Vec::new(); plan.groups.len()]).collect();
    let mut progress = Progress::of(passes, Stage::Measure);
    let each = progress.bytes_total / progress.modules_total.max(1) as u64;
    let most = engine.most_bytes(1 + crew.members());
    let tasks = tasks(passes, What::Ranks, most, |pass| pass.lead.recipe.is_cut_by_energy());
    let told = told(passes, None, engine);
    compute_all(passes, tasks, sources, engine, (crew, told), watch, async |of, made, watch| {
        let Made::Ranks(found) = made else { return Err(out_of_turn()) };
        let pass = passes.pass(of.pass)?;
        for (ranks, found) in ranks.iter_mut().skip(pass.first).take(pass.count()).zip(found) {
            let mut found = found.into_iter();
            for &at in &of.groups {
                let (Some(group), Some(ranks)) = (pass.lead.groups.get(at), ranks.get_mut(at)) else {
                    return Err(out_of_turn());
                };
                *ranks = found.by_ref().take(group.outputs.len()).collect();
                progress.modules_done += group.outputs.len();
                progress.bytes_done += each * group.outputs.len() as u64;
            }
        }
        watch.progress(&progress);
        Ok(())
    })
    .await?;
    Ok(ranks.into_iter().map(|ranks| ranks.concat()).collect())
}

async fn write<S: Source, K: Sink, C: Crew<K::Finished>, W: Watch>(
    passes: &Passes,
    sources: &Sources<'_, S>,
    engine: &mut Engine,
    sinks: &mut [K],
    crew: (&C, Run<'_>),
    watch: &mut W,
) -> Result<Vec<Written>> {
    let mut writers: Vec<Writer<'_, K, C::Hash>> =
        passes.plans().zip(sinks).map(|(plan, sink)| Writer::new(plan, sink, crew.0.hash())).collect();
    let headers = passes.plans().map(|plan| plan.layout.header.len() as u64).sum();
    let mut progress = Progress { bytes_done: headers, ..Progress::of(passes, Stage::Fuse) };
    watch.progress(&progress);
    let mut take = async |number: usize, pieces: Vec<Piece>, watch: &mut W| {
        let pass = passes.pass(number)?;
        if pieces.len() != pass.count() {
            return Err(out_of_turn());
        }
        for (writer, piece) in writers.iter_mut().skip(pass.first).zip(pieces) {
            writer.take(piece, &mut progress).await?;
        }
        watch.progress(&progress);
        Ok(())
    };
    for (number, pass) in passes.iter().enumerate() {
        let pieces = method::small(pass, &sources.swapped(pass.swapped), watch).await?;
        take(number, pieces, watch).await?;
    }
    let most = engine.most_bytes(1 + crew.0.members());
    let tasks = tasks(passes, What::Fusion, most, |_| true);
    compute_all(passes, tasks, sources, engine, crew, watch, async |of, made, watch| {
        let Made::Fusion(pieces) = made else { return Err(out_of_turn()) };
        take(of.pass, pieces, watch).await
    })
    .await?;
    go_on(watch)?;
    let mut written = Vec::with_capacity(writers.len());
    for writer in writers {
        written.push(writer.finish().await?);
    }
    Ok(written)
}

/// The computations for all groups of the wanted passes, in pieces of at most `most` bytes.
fn tasks(passes: &Passes, what: What, most: u64, wanted: impl Fn(&Pass) -> bool) -> Vec<Compute> {
    let wanted = (0..).zip(passes.iter()).filter(|(_, pass)| wanted(pass));
    wanted
        .flat_map(|(number, of)| pieces(of, most).map(move |groups| Compute { what, pass: number, groups }))
        .collect()
}

/// Shares out some computations; `take` receives the output of each.
async fn compute_all<S: Source, F, C: Crew<F>, W: Watch>(
    passes: &Passes,
    tasks: Vec<Compute>,
    sources: &Sources<'_, S>,
    engine: &mut Engine,
    (crew, told): (&C, Run<'_>),
    watch: &mut W,
    mut take: impl AsyncFnMut(Compute, Made, &mut W) -> Result<()>,
) -> Result<()> {
    let most = engine.most_bytes(1 + crew.members());
    let sized = |task: Compute| {
        let pass = passes.pass(task.pass)?;
        Ok((portions::size(&pass.lead, &task.groups, pass.count(), most), Task::Compute(task)))
    };
    let tasks = tasks.into_iter().map(sized).collect::<Result<Vec<_>>>()?;
    sharing::share_out(
        tasks,
        crew,
        Some(told),
        &[],
        async |task| match task {
            Task::Compute(task) => read(passes, task, sources).await,
            Task::Look(_) => Err(out_of_turn()),
        },
        async |came| {
            go_on(watch)?;
            let Computed { of, made, gave_up } = match came {
                Came::Read(read) => compute(passes, read, sources, engine, watch).await?,
                Came::Done(Done::Computed(done)) => done,
                Came::Done(Done::Seen(_)) => return Err(out_of_turn()),
            };
            if let Some(why) = gave_up {
                engine.give_up(&why);
                crew.leave_device();
            }
            take(of, made, watch).await
        },
    )
    .await
}

/// The groups of a pass in pieces of at most `most` bytes over all results.
fn pieces(pass: &Pass, most: u64) -> impl Iterator<Item = Vec<usize>> + use<> {
    portions::pieces(&pass.lead, most / pass.count() as u64).into_iter()
}

/// A computation, with the parts of the files that it needs.
type Read<'a, S> = (Compute, ReadAhead<'a, S>);

/// Reads what a computation needs.
async fn read<'a, S: Source>(
    passes: &Passes,
    task: Compute,
    sources: &Sources<'a, S>,
) -> Result<Read<'a, S>> {
    let pass = passes.pass(task.pass)?;
    let sources = sources.swapped(pass.swapped);
    let read = match task.what {
        What::Fusion => ReadAhead::modules(&pass.lead, &task.groups, &sources).await?,
        What::Ranks | What::Analysis => ReadAhead::factors(&pass.lead, &task.groups, &sources).await?,
    };
    Ok((task, read))
}

/// Does a computation whose input has been read.
async fn compute<S: Source>(
    passes: &Passes,
    (of, read): Read<'_, S>,
    sources: &Sources<'_, S>,
    engine: &mut Engine,
    watch: &impl Watch,
) -> Result<Computed> {
    let pass = passes.pass(of.pass)?;
    let sources = read.of_files(&sources.swapped(pass.swapped));
    let made = match of.what {
        What::Fusion => Made::Fusion(method::fuse(pass, &of.groups, &sources, engine, watch).await?),
        What::Ranks => Made::Ranks(method::measure(pass, &of.groups, &sources, engine, watch).await?),
        What::Analysis => Made::Analysis(analysis::measure(&pass.lead, &of.groups, &sources, watch).await?),
    };
    Ok(Computed { of, made, gave_up: engine.failure().map(|failure| failure.detail.clone()) })
}

/// Checks a finished file as `look` says.
async fn look<S: Source, R: Source>(
    passes: &Passes,
    look: &Look,
    sources: &Sources<'_, S>,
    finished: Option<&R>,
) -> Result<Seen> {
    let finished = finished.ok_or_else(out_of_turn)?;
    match look {
        Look::Read { file, tensors } => {
            let (plan, _) = passes.file(*file)?;
            let found = verify::read(plan, tensors.clone(), finished).await?;
            Ok(Seen::Read { file: *file, first: tensors.start, checksums: found })
        }
        Look::Repeat { file, group } => {
            let (plan, swapped) = passes.file(*file)?;
            let difference = verify::repeat(plan, *group, finished, &sources.swapped(swapped)).await?;
            Ok(Seen::Repeated { file: *file, group: *group, difference })
        }
    }
}

/// Does a task of another worker's run of the same files and plans; `finished` is the file that the task looks at. While one task
/// has the engine, others only read. Without `on_device`, no graphics device is used for this task or any later one.
///
/// # Errors
/// Those of [`fuse`].
pub async fn assist<S: Source, R: Source>(
    passes: &Passes,
    sources: &Sources<'_, S>,
    task: Task,
    finished: Option<&R>,
    (engine, on_device): (&Mutex<Engine>, bool),
    watch: &impl Watch,
) -> Result<Done> {
    go_on(watch)?;
    match task {
        Task::Compute(task) => {
            let read = read(passes, task, sources).await?;
            let mut engine = engine.lock().await;
            if !on_device && engine.adapter().is_some() {
                engine.give_up("It failed elsewhere.");
            }
            compute(passes, read, sources, &mut engine, watch).await.map(Done::Computed)
        }
        Task::Look(task) => {
            // Computing again takes turns, because it needs more memory: it is done in f64.
            let _turn = if let Look::Repeat { .. } = task { Some(engine.lock().await) } else { None };
            look(passes, &task, sources, finished).await.map(Done::Seen)
        }
    }
}

fn out_of_turn() -> Error {
    Error::new(Code::Internal, "A task came out of turn.")
}

/// Makes three checks of every file, each of something that the others cannot see: see [`verify`]. Every task must be answered
/// exactly once. Whatever need not wait for the finished file is done beforehand. Returns the finished files.
async fn check<S: Source, K: Sink, C: Crew<K::Finished>, W: Watch>(
    passes: &Passes,
    written: &[Written],
    sources: &Sources<'_, S>,
    sinks: &mut [K],
    crew: &C,
    watch: &mut W,
) -> Result<(Vec<K::Finished>, Vec<Verified>)> {
    let headers = passes.plans().map(|plan| plan.layout.header.len() as u64).sum();
    let mut progress = Progress { bytes_done: headers, ..Progress::of(passes, Stage::Verify) };
    progress.modules_done = progress.modules_total;
    watch.progress(&progress);
    let mut verified = vec![Verified::default(); sinks.len()];
    let mut open: Vec<Look> =
        (0..).zip(passes.plans()).flat_map(|(file, plan)| verify::looks(file, plan)).collect();
    let mut answered = |open: &mut Vec<Look>, seen: &Seen, watch: &mut W| {
        go_on(watch)?;
        let answered = open.iter().position(|look| seen.answers(look)).ok_or_else(out_of_turn)?;
        let file = open.remove(answered).file();
        let (plan, _) = passes.file(file)?;
        let (Some(written), Some(verified)) = (written.get(file), verified.get_mut(file)) else {
            return Err(out_of_turn());
        };
        progress.bytes_done += verify::judge(plan, written, seen, verified)?;
        watch.progress(&progress);
        Ok(())
    };
    let mut finished = Vec::with_capacity(sinks.len());
    for (file, (plan, sink)) in passes.plans().zip(sinks).enumerate() {
        if let Some(so_far) = sink.so_far() {
            for tensors in open.iter().filter_map(|look| look.tensors_of(file)).collect::<Vec<_>>() {
                crew.listen().await;
                let found = verify::read(plan, tensors.clone(), &so_far).await?;
                answered(&mut open, &Seen::Read { file, first: tensors.start, checksums: found }, watch)?;
            }
        }
        finished.push(sink.finish().await?);
    }
    for (plan, file) in passes.plans().zip(&finished) {
        verify::check_header(plan, file).await?;
    }
    let sized = |look: &Look| {
        let size = match look {
            Look::Repeat { file, group } => portions::size(passes.file(*file)?.0, &[*group], 1, CPU_PIECE),
            Look::Read { .. } => 1,
        };
        Ok((size, Task::Look(look.clone())))
    };
    sharing::share_out(
        open.iter().map(sized).collect::<Result<Vec<_>>>()?,
        crew,
        None,
        &finished,
        async |task| match task {
            Task::Look(task) => look(passes, &task, sources, finished.get(task.file())).await,
            Task::Compute(_) => Err(out_of_turn()),
        },
        async |came| match came {
            Came::Read(seen) | Came::Done(Done::Seen(seen)) => answered(&mut open, &seen, watch),
            Came::Done(Done::Computed(_)) => Err(out_of_turn()),
        },
    )
    .await?;
    if open.is_empty() { Ok((finished, verified)) } else { Err(out_of_turn()) }
}
