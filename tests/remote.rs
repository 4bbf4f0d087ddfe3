//! A file on a server: what is asked of the host, and what becomes of every kind of answer.
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use np_lora::adapter::{Adapter, CONFIG_BYTES, CONFIG_NAME};
use np_lora::backend::Dtype;
use np_lora::container::{Bytes, MemorySink, Sink, Source};
use np_lora::error::{Code, Result};
use np_lora::example::Example;
use np_lora::fusion::Side;
use np_lora::remote::{Answer, Kept, Link, RemoteFile, RemoteSource, Silence, Stamp, Transport, find};
use pollster::block_on;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::LazyLock;

const HUB: &str = "https://huggingface.co/ann/cat/resolve/main/cat.safetensors";
const CDN: &str = "https://cdn.hf.co/cat?signature=";

/// Of more than two requests.
static BYTES: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..9_000_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect());

type Spoils = Box<dyn Fn(usize, &str, Answer) -> Result<Answer, Silence>>;

/// A host that keeps to the rules, spoilt by a function of the number of the request, its address and the good answer.
struct Host {
    bytes: Vec<u8>,
    spoils: Spoils,
    asked: RefCell<Vec<(String, Range<u64>, u32)>>,
}

impl Host {
    fn new(spoils: impl Fn(usize, &str, Answer) -> Result<Answer, Silence> + 'static) -> Self {
        Self { bytes: BYTES.clone(), spoils: Box::new(spoils), asked: RefCell::default() }
    }

    fn good() -> Self {
        Self::new(|_, _, answer| Ok(answer))
    }

    fn asked(&self) -> Vec<Range<u64>> {
        self.asked.borrow().iter().map(|(_, range, _)| range.clone()).collect()
    }

    fn waits(&self) -> Vec<u32> {
        self.asked.borrow().iter().map(|(_, _, wait)| *wait).collect()
    }

    fn urls(&self) -> Vec<String> {
        self.asked.borrow().iter().map(|(url, _, _)| url.clone()).collect()
    }
}

impl Transport for &Host {
    async fn ask(&self, url: &str, range: &Range<u64>, wait: u32) -> Result<Answer, Silence> {
        let number = self.asked.borrow().len();
        self.asked.borrow_mut().push((url.to_owned(), range.clone(), wait));
        let good = Answer {
            status: 206,
            url: if url == HUB { format!("{CDN}{number}") } else { url.to_owned() },
            kind: Some("binary/octet-stream".into()),
            range: Some(format!("bytes {}-{}/{}", range.start, range.end - 1, self.bytes.len())),
            tag: Some("\"1\"".into()),
            bytes: self.bytes[range.start as usize..range.end as usize].to_vec(),
        };
        (self.spoils)(number, url, good)
    }
}

fn link() -> Link {
    Link::parse(HUB, &[]).unwrap()
}

fn source(host: &Host, known: Vec<Kept>) -> RemoteSource<&Host> {
    let file = RemoteFile {
        link: link(),
        stamp: Stamp { size: host.bytes.len() as u64, tag: Some("\"1\"".into()) },
    };
    RemoteSource::new(file, host, known)
}

/// Reads across the border of two requests.
fn read(host: &Host) -> Result<Bytes> {
    block_on(source(host, Vec::new()).read(100..5_000_000))
}

fn refused(spoils: impl Fn(usize, &str, Answer) -> Result<Answer, Silence> + 'static) -> (Code, usize) {
    let host = Host::new(spoils);
    let error = read(&host).unwrap_err();
    assert_eq!(error.file.as_deref(), Some("cat.safetensors"));
    (error.code, host.asked().len())
}

#[test]
fn a_host_is_asked_for_one_byte_and_tells_the_size() {
    let host = Host::good();
    let file = block_on(find(link(), &host)).unwrap();
    assert_eq!((file.stamp.size, file.stamp.tag.as_deref()), (9_000_000, Some("\"1\"")));
    assert_eq!(host.asked().as_slice(), std::slice::from_ref(&(0..1)));
}

#[test]
fn large_reads_come_in_pieces_from_where_the_first_was_sent_on_to() {
    let host = Host::good();
    assert_eq!(read(&host).unwrap(), host.bytes[100..5_000_000]);
    assert_eq!(host.asked(), [100..4_194_404, 4_194_404..5_000_000]);
    assert_eq!(host.urls(), [HUB.to_owned(), format!("{CDN}0")]);
}

#[test]
fn what_broke_off_goes_on_where_it_stopped() {
    let host = Host::new(|number, _, mut answer| {
        if number < 6 {
            answer.bytes.truncate(70_000);
        }
        Ok(answer)
    });
    assert_eq!(read(&host).unwrap(), host.bytes[100..5_000_000]);
    let starts: Vec<u64> = host.asked().iter().map(|range| range.start).collect();
    assert_eq!(starts, [100, 70_100, 140_100, 210_100, 280_100, 350_100, 420_100, 4_194_404]);
}

#[test]
fn passing_trouble_is_waited_for_longer_each_time() {
    let host = Host::new(|number, _, answer| match number {
        0 => Ok(Answer { status: 503, ..Answer::default() }),
        1 => Err(Silence::Unreachable),
        2 => Ok(Answer { status: 429, ..Answer::default() }),
        _ => Ok(answer),
    });
    assert_eq!(read(&host).unwrap(), host.bytes[100..5_000_000]);
    assert_eq!(host.waits(), [0, 400, 800, 1600, 0]);
}

/// Only tries in a row count.
#[test]
fn trouble_between_large_parts_is_no_reason_to_give_up() {
    let host = Host::new(|number, _, mut answer| match number {
        0 | 2 | 4 | 6 => {
            answer.bytes.truncate(64 * 1024);
            Ok(answer)
        }
        1 | 3 | 5 | 7 => Ok(Answer { status: 503, ..Answer::default() }),
        _ => Ok(answer),
    });
    assert_eq!(read(&host).unwrap(), host.bytes[100..5_000_000]);
    assert_eq!(host.waits(), [0, 0, 400, 0, 400, 0, 400, 0, 400, 0]);
}

#[test]
fn an_address_that_has_expired_is_asked_for_anew() {
    for status in [403, 400, 404] {
        let host = Host::new(move |number, url, answer| match (number, url) {
            (1, url) if url != HUB => Ok(Answer { status, ..Answer::default() }),
            _ => Ok(answer),
        });
        assert_eq!(read(&host).unwrap(), host.bytes[100..5_000_000]);
        assert_eq!(host.urls(), [HUB.to_owned(), format!("{CDN}0"), HUB.to_owned()]);
    }
    // Signed addresses are often refused without leave for other pages.
    let host = Host::new(|number, _, answer| if number == 1 { Err(Silence::Cors) } else { Ok(answer) });
    assert_eq!(read(&host).unwrap(), host.bytes[100..5_000_000]);
}

#[test]
fn every_useless_answer_is_told_apart() {
    let status = |status| refused(move |_, _, answer| Ok(Answer { status, ..answer }));
    for (of, code) in [
        (200, Code::WholeOnly),
        (401, Code::Expired),
        (403, Code::Expired),
        (404, Code::Missing),
        (410, Code::Missing),
        (416, Code::RemoteChanged),
        (204, Code::Answer),
        (418, Code::Answer),
    ] {
        assert_eq!(status(of), (code, 1), "{of}");
    }
    // Of a file that it has not told of yet: at its own address, and where it sent on to.
    let first = |status: u16, url: &'static str| {
        let host = Host::new(move |_, _, answer| Ok(Answer { status, url: url.into(), ..answer }));
        block_on(find(link(), &host)).unwrap_err().code
    };
    assert_eq!((first(401, HUB), first(403, HUB)), (Code::Gated, Code::Gated));
    assert_eq!((first(403, CDN), first(404, CDN)), (Code::Expired, Code::Missing));
    // A repository that was renamed is still the Hub's.
    assert_eq!(first(401, "https://huggingface.co/somebody/else/resolve/main/cat.safetensors"), Code::Gated);
    for of in [429, 500, 503] {
        assert_eq!(status(of), (Code::Busy, 4), "{of}");
    }
    // What a host says of an error is a page mostly.
    for of in [401, 403, 404, 410, 503] {
        let kind = Some("text/html".to_owned());
        let page = refused(move |_, _, answer| Ok(Answer { status: of, kind: kind.clone(), ..answer }));
        assert_eq!(page, status(of), "{of}");
    }
    for (silence, code, asked) in [
        (Silence::Offline, Code::Offline, 1),
        (Silence::Cors, Code::Cors, 1),
        (Silence::Blocked, Code::RequestBlocked, 1),
        (Silence::Unreachable, Code::Unreachable, 4),
    ] {
        assert_eq!(refused(move |_, _, _| Err(silence)), (code, asked), "{silence:?}");
    }
    for (status, kind) in
        [(200, "text/html; charset=utf-8"), (206, "text/html"), (200, " TEXT/HTML;charset=UTF-8")]
    {
        let page = refused(move |_, _, answer| Ok(Answer { status, kind: Some(kind.into()), ..answer }));
        assert_eq!(page, (Code::WebPage, 1));
    }
    for range in
        [None, Some("bytes 0-9/9000000"), Some("bytes 100-4194404/9000000"), Some("bytes */9"), Some("x")]
    {
        let wrong = refused(move |_, _, answer| Ok(Answer { range: range.map(Into::into), ..answer }));
        assert_eq!(wrong, (Code::WrongPart, 1), "{range:?}");
    }
    let more = refused(|_, _, mut answer| {
        answer.bytes.push(0);
        Ok(answer)
    });
    assert_eq!(more, (Code::WrongPart, 1));
    let nothing = refused(|_, _, answer| Ok(Answer { bytes: Vec::new(), ..answer }));
    assert_eq!(nothing, (Code::BrokenOff, 4));
    let trickle = refused(|_, _, mut answer| {
        answer.bytes.truncate(1);
        Ok(answer)
    });
    assert_eq!(trickle, (Code::BrokenOff, 4));
}

#[test]
fn an_empty_file_is_one() {
    let host =
        Host::new(|_, _, _| Ok(Answer { status: 416, range: Some("bytes */0".into()), ..Answer::default() }));
    assert_eq!(block_on(find(link(), &host)).unwrap_err().code, Code::Empty);
}

#[test]
fn another_version_is_never_mixed_in() {
    let tagged = |tag: &'static str| move |answer: Answer| Answer { tag: Some(tag.into()), ..answer };
    // In the first request, and between two; the kept address is given up first.
    assert_eq!(refused(move |_, _, answer| Ok(tagged("\"2\"")(answer))), (Code::RemoteChanged, 1));
    let later =
        refused(move |number, _, answer| Ok(if number > 0 { tagged("\"2\"")(answer) } else { answer }));
    assert_eq!(later, (Code::RemoteChanged, 3));
    // A weak mark is one as well.
    assert_eq!(refused(move |_, _, answer| Ok(tagged("W/\"2\"")(answer))), (Code::RemoteChanged, 1));
    let grown = refused(|_, _, answer| {
        let range = answer.range.map(|range| range.replace("9000000", "9000001"));
        Ok(Answer { range, ..answer })
    });
    assert_eq!(grown, (Code::RemoteChanged, 1));
    // The same mark, or none this time, is no change.
    for tag in [Some("W/\"1\"".to_owned()), None, Some("Sat, 28 Nov 2026 10:00:00 GMT".to_owned())] {
        let host = Host::new(move |_, _, answer| Ok(Answer { tag: tag.clone(), ..answer }));
        assert!(read(&host).is_ok());
    }
    // Between the two halves of a part that broke off, while nothing is known yet of the file.
    let host = Host::new(move |number, _, mut answer| {
        if number == 0 {
            answer.bytes.clear();
        }
        Ok(if number == 1 { tagged("\"2\"")(answer) } else { answer })
    });
    assert_eq!(block_on(find(link(), &host)).unwrap_err().code, Code::RemoteChanged);
}

#[test]
fn opening_reads_the_header_once_for_all_who_open_it() {
    let example = Example { side: Side::Content, rank: 4, dtype: Dtype::F16 };
    let mut sink = MemorySink::default();
    block_on(example.write(&mut sink)).unwrap();
    let written = block_on(sink.finish()).unwrap();
    let mut host = Host::good();
    host.bytes = block_on(written.read(0..written.size())).unwrap().into();

    let first = source(&host, Vec::new());
    let opened = block_on(Adapter::open(&first, None)).unwrap();
    let (kept, asked) = (first.kept(), host.asked().len());
    assert!(asked > 0 && !opened.modules.is_empty());

    let second = source(&host, kept);
    assert_eq!(block_on(Adapter::open(&second, None)).unwrap().modules.len(), opened.modules.len());
    assert_eq!(host.asked().len(), asked, "nothing more was asked");
    assert!(!second.kept().is_empty(), "it can be handed on again");
    assert!(second.kept().is_empty(), "then nothing is kept any more");
    block_on(second.read(0..8)).unwrap();
    assert_eq!(host.asked().len(), asked + 1);
}

/// What becomes of the configuration beside a file on this host, and the addresses that were asked.
fn beside(host: &Host) -> (Result<Option<Vec<u8>>>, Vec<String>) {
    let found = block_on(source(host, Vec::new()).beside(CONFIG_NAME, CONFIG_BYTES));
    (found, host.urls())
}

const BESIDE: &str = "https://huggingface.co/ann/cat/resolve/main/adapter_config.json";

#[test]
fn a_small_file_beside_another_is_read_as_a_whole() {
    let mut host = Host::good();
    host.bytes = b"{\"lora_alpha\": 3}".to_vec();
    let (found, asked) = beside(&host);
    assert_eq!((found.unwrap(), asked), (Some(host.bytes.clone()), vec![BESIDE.to_owned(); 2]));
    assert_eq!(host.asked(), [0..1, 0..17]);
    // Of one that is too large, no more than its first byte.
    host = Host::good();
    assert_eq!(beside(&host).0.unwrap(), None);
    assert_eq!(host.asked().as_slice(), std::slice::from_ref(&(0..1)));
}

#[test]
fn what_a_host_does_not_give_of_itself_is_not_there() {
    for status in [200, 401, 403, 404, 410, 416, 418] {
        let host = Host::new(move |_, _, answer| Ok(Answer { status, ..answer }));
        assert_eq!((beside(&host).0.unwrap(), host.asked().len()), (None, 1), "{status}");
    }
    let host = Host::new(|_, _, answer| Ok(Answer { kind: Some("text/html".into()), ..answer }));
    assert_eq!(beside(&host).0.unwrap(), None);
    for silence in [Silence::Cors, Silence::Blocked] {
        let host = Host::new(move |_, _, _| Err(silence));
        assert_eq!(beside(&host).0.unwrap(), None, "{silence:?}");
    }
    // What another try may mend must not pass for a file without a scale.
    for (host, code) in [
        (Host::new(|_, _, answer| Ok(Answer { status: 503, ..answer })), Code::Busy),
        (Host::new(|_, _, _| Err(Silence::Unreachable)), Code::Unreachable),
        (Host::new(|_, _, _| Err(Silence::Offline)), Code::Offline),
    ] {
        let error = beside(&host).0.unwrap_err();
        assert_eq!((error.code, error.file.as_deref()), (code, Some(CONFIG_NAME)));
    }
    let mut host = Host::new(|number, _, answer| {
        Ok(if number > 0 { Answer { tag: Some("\"2\"".into()), ..answer } } else { answer })
    });
    host.bytes = vec![b' '; 1000];
    assert_eq!(beside(&host).0.unwrap_err().code, Code::RemoteChanged);
}
