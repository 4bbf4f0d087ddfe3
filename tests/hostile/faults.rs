//! A fault at any point ends a run with its code, and the next run is as good as the first.

use crate::lora::{Patience, file, fuse, run};
use np_lora::container::{Bytes, MemorySink, MemorySource, Sink, Source};
use np_lora::error::{Code, Error, Result};
use np_lora::fusion::Settings;
use np_lora::fusion::settings::Recompress;
use std::cell::Cell;
use std::ops::Range;

fn pair() -> [MemorySource; 2] {
    [
        file("content", &[("lora_unet_a", 12, 3, 20), ("lora_unet_b", 8, 2, 16), ("lora_te_only", 6, 2, 9)]),
        file("style", &[("lora_unet_a", 12, 4, 20), ("lora_unet_b", 8, 4, 16), ("lora_unet_only", 7, 1, 5)]),
    ]
}

fn all_settings() -> [Settings; 3] {
    let of = |recompress| Settings { recompress, output_name: "out".into(), ..Settings::default() };
    [of(Recompress::Exact), of(Recompress::Rank { rank: 3 }), of(Recompress::Energy { share: 0.9 })]
}

/// What becomes of a file from a certain read on.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Unreadable,
    Changed,
    /// Reads end early, against the trait's contract.
    Short,
    /// Every value is another.
    Other,
}

struct Faulty<'a> {
    file: &'a MemorySource,
    fault: Fault,
    reads: Cell<usize>,
    good: usize,
}

impl Source for Faulty<'_> {
    fn name(&self) -> &str {
        self.file.name()
    }

    fn size(&self) -> u64 {
        self.file.size()
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        self.reads.set(self.reads.get() + 1);
        let mut bytes = self.file.read(range).await?;
        if self.reads.get() <= self.good {
            return Ok(bytes);
        }
        match self.fault {
            Fault::Unreadable => return Err(Error::new(Code::Read, "It is gone.")),
            Fault::Changed => return Err(Error::new(Code::InputChanged, "It is another.")),
            Fault::Short => bytes.truncate(bytes.len() / 2),
            Fault::Other => bytes = bytes.iter().map(|byte| byte ^ 0x11).collect(),
        }
        Ok(bytes)
    }
}

#[test]
fn a_file_that_changes_at_any_read_ends_the_run() {
    let [content, style] = pair();
    for settings in all_settings() {
        let whole = fuse([&content, &style], &settings).unwrap().0;
        let faulty = |file, fault, good| Faulty { file, fault, reads: Cell::new(0), good };
        let patient = || Patience::until(usize::MAX);
        for fault in [Fault::Unreadable, Fault::Changed, Fault::Short, Fault::Other] {
            let counted = faulty(&content, fault, usize::MAX);
            let good = faulty(&style, fault, usize::MAX);
            run([&counted, &good], &settings, &mut MemorySink::default(), &mut patient()).unwrap();
            let reads = counted.reads.get();
            assert!(reads > 4);
            // A file that is another from the first value on is simply another file; the page compares sizes and dates.
            // Values that are others when the result is checked must be noticed (a result that was cut to a rank is
            // allowed to differ by what was cut off, so it is no test of this).
            let first = match (fault, settings.recompress) {
                (Fault::Other, Recompress::Exact) => reads - 1,
                (Fault::Other, _) => reads,
                _ => 0,
            };
            for at in first..reads {
                let bad = faulty(&content, fault, at);
                let error = run([&bad, &good], &settings, &mut MemorySink::default(), &mut patient());
                let error = error.err().unwrap_or_else(|| panic!("{fault:?} at read {at} went unseen"));
                match fault {
                    Fault::Unreadable => assert_eq!(error.code, Code::Read, "{error}"),
                    Fault::Changed | Fault::Short => {
                        assert_eq!(error.code, Code::InputChanged, "read {at}: {error}");
                    }
                    Fault::Other => assert_eq!(error.code, Code::Verify, "{error}"),
                }
            }
        }
        assert!(fuse([&content, &style], &settings).unwrap().0 == whole, "the next run is as good");
    }
}

/// A sink that fails at one of its calls.
struct Full {
    file: MemorySink,
    calls: usize,
    good: usize,
}

impl Full {
    fn call(&mut self) -> Result<()> {
        self.calls += 1;
        if self.calls > self.good { Err(Error::new(Code::Write, "The disk is full.")) } else { Ok(()) }
    }
}

impl Sink for Full {
    type Finished = MemorySource;

    async fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        self.call()?;
        self.file.write(at, bytes).await
    }

    async fn finish(&mut self) -> Result<MemorySource> {
        self.call()?;
        self.file.finish().await
    }
}

#[test]
fn a_disk_that_is_full_at_any_write_ends_the_run() {
    let [content, style] = pair();
    let full = |good| Full { file: MemorySink::default(), calls: 0, good };
    for settings in all_settings() {
        let whole = fuse([&content, &style], &settings).unwrap().0;
        let mut counted = full(usize::MAX);
        run([&content, &style], &settings, &mut counted, &mut Patience::until(usize::MAX)).unwrap();
        assert!(counted.calls > 2);
        for at in 0..counted.calls {
            let error = run([&content, &style], &settings, &mut full(at), &mut Patience::until(usize::MAX));
            assert_eq!(error.err().map(|error| error.code), Some(Code::Write), "call {at}");
        }
        assert!(fuse([&content, &style], &settings).unwrap().0 == whole, "the next run is as good");
    }
}

#[test]
fn a_run_can_be_cancelled_at_every_question() {
    let [content, style] = pair();
    for settings in all_settings() {
        let whole = fuse([&content, &style], &settings).unwrap().0;
        let mut counting = Patience::until(usize::MAX);
        run([&content, &style], &settings, &mut MemorySink::default(), &mut counting).unwrap();
        let questions = counting.asked.get();
        assert!(questions > 8, "{questions}");
        for at in 0..questions {
            let mut patience = Patience::until(at);
            let error = run([&content, &style], &settings, &mut MemorySink::default(), &mut patience);
            assert_eq!(error.err().map(|error| error.code), Some(Code::Aborted), "question {at}");
            assert_eq!(patience.asked.get(), at + 1, "it stops at once");
        }
        assert!(fuse([&content, &style], &settings).unwrap().0 == whole, "the next run is as good");
    }
}
