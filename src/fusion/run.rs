//! A run from the plan to the checked file, in tasks that a crew may share.

use super::analysis::{self, Analysis};
use super::crew::{self, Came, Crew, Done, Task};
use super::engine::Engine;
use super::plan::Plan;
use super::report::Report;
use super::settings::Settings;
use super::verify::{self, Verified};
use super::writer::{Writer, Written};
use super::{Input, Progress, Sources, Stage, Watch, go_on, metadata, method, portions};
use crate::backend::truncate::Keep;
use crate::container::{Ahead, Sink, Source};
use crate::error::{Code, Error, Result};
use std::cell::RefCell;

/// Fuses two files, or converts one: computes, writes, reads back and checks. Gives the finished file and the
/// accounting. What the crew does of it makes no difference to the bytes of the result.
///
/// # Errors
/// Those of planning ([`Plan::new`]), of computing and writing, of checking (`Verify`), of the crew; `Aborted`. After an
/// error whatever the sink holds is to be thrown away.
pub async fn fuse<S: Source, K: Sink, C: Crew<K::Finished>, W: Watch>(
    sources: &Sources<'_, S>,
    settings: &Settings,
    engine: &mut Engine,
    sink: &mut K,
    crew: &C,
    watch: &mut W,
) -> Result<(K::Finished, Report)> {
    let started = watch.seconds();
    let (content, style) = sources.adapters();
    let mut plan = Plan::new(content, style, settings)?;
    if engine.is_open() {
        method::try_out(&plan, sources, engine, 1 + crew.members(), watch).await?;
    }
    let mut ranks = None;
    if matches!(plan.recipe.keep, Some(Keep::Energy(_))) {
        if engine.crew(crew).is_some() {
            crew.begin(None, plan.checksum()).await?;
        }
        let found = measure(&plan, sources, engine, crew, watch).await?;
        plan.lay_out(&found, content, style)?;
        ranks = Some(found);
    }
    let checksum = plan.checksum();
    // Where a graphics device computes, the others only check.
    let shared = engine.crew(crew).is_some();
    if shared {
        crew.begin(ranks.as_deref(), checksum).await?;
    }
    let written = write(&plan, sources, engine, sink, crew, watch).await?;
    if !shared {
        crew.begin(ranks.as_deref(), checksum).await?;
    }
    metadata::fill_hash(&mut plan.layout, &written.model_hash)?;
    sink.write(0, &plan.layout.header).await?;
    let finished = sink.finish().await?;
    let saved = watch.seconds();
    let verified = check(&plan, &written, sources, &finished, crew, watch).await?;
    let seconds = [saved - started, watch.seconds() - saved];
    let report = Report::new(&plan, content, style, engine, written, verified, seconds);
    Ok((finished, report))
}

/// What is read of the files at once for an analysis: little, so that there is soon something to see, and that whatever needs
/// the machine more need not wait: nothing else is heard until a piece is done.
const ANALYSIS_PIECE: u64 = 1 << 20;

/// Finds out whatever an analysis of the pair lacks. What is found is there at once, in `analysis`.
///
/// # Errors
/// Those of planning ([`Plan::new`]), of the sources and of the crew; `NonFinite`, `Aborted`. What was found stays.
pub async fn analyse<S: Source, C: Crew<S>, W: Watch>(
    sources: &Sources<'_, S>,
    settings: &Settings,
    analysis: &RefCell<Analysis>,
    crew: &C,
    watch: &mut W,
) -> Result<()> {
    let (content, style) = sources.adapters();
    let plan = Plan::new(content, style, settings)?;
    let pieces = analysis.borrow().lacking(&plan, portions::pieces(&plan, ANALYSIS_PIECE));
    if pieces.is_empty() {
        return Ok(());
    }
    crew.begin(None, plan.checksum()).await?;
    let mut engine = Engine::on(None, "");
    let (known, all) = analysis.borrow().count(&plan);
    let mut progress =
        Progress { modules_done: known, modules_total: all, ..Progress::of(&plan, Stage::Analyse) };
    let tasks = pieces.into_iter().map(Task::Analyse);
    compute_all(&plan, tasks, sources, &mut engine, crew, watch, async |done, watch| {
        let Done::Analysed(groups, found) = done else { return Err(out_of_turn()) };
        progress.modules_done += found.len();
        analysis.borrow_mut().keep(&plan, &groups, found)?;
        watch.progress(&progress);
        Ok(())
    })
    .await
}

/// The ranks that keep the wanted energy, in the order of [`Plan::outputs`].
async fn measure<S: Source, F, C: Crew<F>, W: Watch>(
    plan: &Plan,
    sources: &Sources<'_, S>,
    engine: &mut Engine,
    crew: &C,
    watch: &mut W,
) -> Result<Vec<usize>> {
    let mut ranks: Vec<Vec<usize>> = vec![Vec::new(); plan.groups.len()];
    let mut progress = Progress::of(plan, Stage::Measure);
    let each = plan.layout.size / progress.modules_total.max(1) as u64;
    let tasks = pieces(plan, engine).map(Task::Measure);
    compute_all(plan, tasks, sources, engine, crew, watch, async |done, watch| {
        let Done::Measured(groups, found) = done else { return Err(out_of_turn()) };
        let mut found = found.into_iter();
        for at in groups {
            let Some(group) = plan.groups.get(at) else { return Err(out_of_turn()) };
            ranks[at] = found.by_ref().take(group.outputs.len()).collect();
            progress.modules_done += group.outputs.len();
            progress.bytes_done += each * group.outputs.len() as u64;
        }
        watch.progress(&progress);
        Ok(())
    })
    .await?;
    Ok(ranks.concat())
}

async fn write<S: Source, K: Sink, C: Crew<K::Finished>, W: Watch>(
    plan: &Plan,
    sources: &Sources<'_, S>,
    engine: &mut Engine,
    sink: &mut K,
    crew: &C,
    watch: &mut W,
) -> Result<Written> {
    let mut writer = Writer::new(plan, sink);
    watch.progress(writer.progress());
    writer.take(method::small(plan, sources, watch).await?).await?;
    let tasks = pieces(plan, engine).map(Task::Fuse);
    compute_all(plan, tasks, sources, engine, crew, watch, async |done, watch| {
        let Done::Fused(piece) = done else { return Err(out_of_turn()) };
        writer.take(piece).await?;
        watch.progress(writer.progress());
        Ok(())
    })
    .await?;
    go_on(watch)?;
    writer.finish()
}

/// Shares out tasks that compute; `take` is told what came of each.
async fn compute_all<S: Source, F, C: Crew<F>, W: Watch>(
    plan: &Plan,
    tasks: impl IntoIterator<Item = Task>,
    sources: &Sources<'_, S>,
    engine: &mut Engine,
    crew: &C,
    watch: &mut W,
    mut take: impl AsyncFnMut(Done, &mut W) -> Result<()>,
) -> Result<()> {
    let crew = engine.crew(crew);
    crew::share_out(
        tasks,
        crew,
        None,
        async |task| read(plan, task, sources).await,
        async |came| {
            go_on(watch)?;
            let done = compute(plan, came, sources, engine, watch).await?;
            take(done, watch).await
        },
    )
    .await
}

/// The plan's groups, as many at once as suits the engine.
fn pieces(plan: &Plan, engine: &Engine) -> impl Iterator<Item = Vec<usize>> + use<> {
    portions::pieces(plan, engine.piece_bytes(plan.layout.size)).into_iter()
}

/// A task, and what it needs of the files.
type Read<'a, S> = (Task, [Option<Ahead<'a, S>>; 2]);

/// Reads for a task that computes.
async fn read<'a, S: Source>(plan: &Plan, task: Task, sources: &Sources<'a, S>) -> Result<Read<'a, S>> {
    let (Task::Fuse(groups) | Task::Measure(groups) | Task::Analyse(groups)) = &task else {
        return Err(out_of_turn());
    };
    let ahead = portions::ahead(plan, groups, sources).await?;
    Ok((task, ahead))
}

/// Does a task that has been read for; what is done already stays.
async fn compute<S: Source>(
    plan: &Plan,
    came: Came<Read<'_, S>>,
    sources: &Sources<'_, S>,
    engine: &mut Engine,
    watch: &impl Watch,
) -> Result<Done> {
    let (task, [content, style]) = match came {
        Came::Read(read) => read,
        Came::Done(done) => return Ok(done),
    };
    fn held<'a, S>(
        input: &Option<Input<'a, S>>,
        source: &'a Option<Ahead<'_, S>>,
    ) -> Option<Input<'a, Ahead<'a, S>>> {
        input.as_ref().zip(source.as_ref()).map(|(input, source)| Input { adapter: input.adapter, source })
    }
    let sources = Sources { content: held(&sources.content, &content), style: held(&sources.style, &style) };
    match task {
        Task::Fuse(groups) => method::fuse(plan, &groups, &sources, engine, watch).await.map(Done::Fused),
        Task::Measure(groups) => {
            let ranks = method::measure(plan, &groups, &sources, engine, watch).await?;
            Ok(Done::Measured(groups, ranks))
        }
        Task::Analyse(groups) => {
            let found = analysis::measure(plan, &groups, &sources, watch).await?;
            Ok(Done::Analysed(groups, found))
        }
        Task::Read(_) | Task::Repeat(_) => Err(out_of_turn()),
    }
}

/// Does a task that looks at the finished file.
async fn look<S: Source, R: Source>(
    plan: &Plan,
    task: &Task,
    sources: &Sources<'_, S>,
    finished: Option<&R>,
) -> Result<Done> {
    let finished = finished.ok_or_else(out_of_turn)?;
    match task {
        Task::Read(tensors) => {
            verify::read(plan, tensors.clone(), finished).await.map(|found| Done::Read(tensors.start, found))
        }
        Task::Repeat(group) => {
            let difference = verify::repeat(plan, *group, finished, sources).await?;
            Ok(Done::Repeated(*group, difference))
        }
        Task::Fuse(_) | Task::Measure(_) | Task::Analyse(_) => Err(out_of_turn()),
    }
}

/// Does a task for another's run of the same files and plan, on the CPU.
///
/// # Errors
/// As [`fuse`].
pub async fn assist<S: Source, R: Source>(
    plan: &Plan,
    sources: &Sources<'_, S>,
    task: Task,
    finished: Option<&R>,
    watch: &impl Watch,
) -> Result<Done> {
    go_on(watch)?;
    if matches!(task, Task::Read(_) | Task::Repeat(_)) {
        return look(plan, &task, sources, finished).await;
    }
    let read = read(plan, task, sources).await?;
    compute(plan, Came::Read(read), sources, &mut Engine::on(None, ""), watch).await
}

fn out_of_turn() -> Error {
    Error::new(Code::Internal, "A task came out of turn.")
}

/// Three checks, each of something the others cannot see: see [`verify`]. Every task must have been answered, once.
async fn check<S: Source, R: Source, C: Crew<R>, W: Watch>(
    plan: &Plan,
    written: &Written,
    sources: &Sources<'_, S>,
    finished: &R,
    crew: &C,
    watch: &mut W,
) -> Result<Verified> {
    verify::check_header(plan, finished).await?;
    let mut verified = Verified::default();
    let mut progress = Progress { modules_done: plan.outputs().count(), ..Progress::of(plan, Stage::Verify) };
    watch.progress(&progress);
    let tasks = verify::tasks(plan);
    let mut open = tasks.clone();
    crew::share_out(
        tasks,
        Some(crew),
        Some(finished),
        async |task| look(plan, &task, sources, Some(finished)).await,
        async |came| {
            go_on(watch)?;
            let (Came::Read(done) | Came::Done(done)) = came;
            let answered = open.iter().position(|task| done.answers(task)).ok_or_else(out_of_turn)?;
            open.swap_remove(answered);
            progress.bytes_done += verify::judge(plan, written, &done, &mut verified)?;
            watch.progress(&progress);
            Ok(())
        },
    )
    .await?;
    if open.is_empty() { Ok(verified) } else { Err(out_of_turn()) }
}
