//! Small files that claim to be large.

use crate::lora::{file, fuse, words};
use np_lora::adapter::Adapter;
use np_lora::container::{Bytes, MemorySource, Source};
use np_lora::error::{Code, Error};
use np_lora::fusion::settings::{RankLayout, Recompress};
use np_lora::fusion::{Pair, Plan, Settings};
use pollster::block_on;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::ops::Range;
use std::time::{Duration, Instant};

/// A tensor's name and shape.
type Given<'a> = (&'a str, &'a [usize]);

fn zeros(tensors: &[Given<'_>]) -> MemorySource {
    let data: Vec<Vec<u8>> =
        tensors.iter().map(|(_, shape)| vec![0; 2 * shape.iter().product::<usize>()]).collect();
    let views = tensors
        .iter()
        .zip(&data)
        .map(|((name, shape), data)| (*name, TensorView::new(Dtype::F16, shape.to_vec(), data).unwrap()));
    MemorySource::new("f", safetensors::serialize(views, None).unwrap())
}

#[test]
fn small_tensors_that_make_huge_factors_are_refused() {
    let cases: [(&str, &[Given<'_>]); 5] = [
        // 16 MB make a layer of 4,194,304×4,194,304.
        ("lokr", &[("m.lokr_w1", &[2048, 2048]), ("m.lokr_w2", &[2048, 2048])]),
        // 256 directions over four million inputs, from a core that is a hundredth of that.
        (
            "loha with cores",
            &[
                ("m.hada_w1_a", &[16, 8]),
                ("m.hada_w1_b", &[16, 65_536]),
                ("m.hada_w2_a", &[16, 8]),
                ("m.hada_w2_b", &[16, 65_536]),
                ("m.hada_t1", &[16, 16, 8, 8]),
                ("m.hada_t2", &[16, 16, 8, 8]),
            ],
        ),
        // Of a layer with one output, whose rank is one, but not on the way there.
        (
            "loha with cores for one output",
            &[
                ("m.hada_w1_a", &[5000, 1]),
                ("m.hada_w1_b", &[1, 65_536]),
                ("m.hada_w2_a", &[5000, 1]),
                ("m.hada_w2_b", &[1, 65_536]),
                ("m.hada_t1", &[5000, 1, 8, 8]),
                ("m.hada_t2", &[5000, 1, 8, 8]),
            ],
        ),
        (
            "lokr with a core for one output",
            &[
                ("m.lokr_w1", &[1, 1]),
                ("m.lokr_w2_a", &[5000, 1]),
                ("m.lokr_w2_b", &[1, 65_536]),
                ("m.lokr_t2", &[5000, 1, 8, 8]),
            ],
        ),
        (
            "tucker",
            &[
                ("m.lora_down.weight", &[100, 40_000, 1, 1]),
                ("m.lora_up.weight", &[8, 100, 1, 1]),
                ("m.lora_mid.weight", &[100, 100, 10, 10]),
            ],
        ),
    ];
    for (what, tensors) in cases {
        let error = block_on(Adapter::open(&zeros(tensors), None)).expect_err(what);
        assert_eq!(error.code, Code::LoraShape, "{what}: {error}");
        assert!(error.tensor.is_some() && error.detail.contains("that large"), "{what}: {error}");
    }
}

/// A header alone: whoever reads behind it reads too much.
struct Header {
    bytes: Vec<u8>,
    size: u64,
}

impl Header {
    fn of(tensors: &[(&str, [u64; 2])]) -> Self {
        let mut size = 0;
        let entries: Vec<String> = tensors
            .iter()
            .map(|(name, [rows, cols])| {
                let start = size;
                size += 2 * rows * cols;
                format!(
                    r#""{name}":{{"dtype":"F16","shape":[{rows},{cols}],"data_offsets":[{start},{size}]}}"#
                )
            })
            .collect();
        let mut json = format!("{{{}}}", entries.join(","));
        json += &" ".repeat(4096);
        let bytes = [&(json.len() as u64).to_le_bytes()[..], json.as_bytes()].concat();
        Self { size: size + bytes.len() as u64, bytes }
    }
}

impl Source for Header {
    fn name(&self) -> &str {
        "f"
    }

    fn size(&self) -> u64 {
        self.size
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes, Error> {
        let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).unwrap());
        Ok(self.bytes[start..end].to_vec().into())
    }
}

/// Where addresses have 32 bits, reading one of them would end the program.
#[test]
fn tensors_that_no_memory_holds_are_refused_by_their_shape() {
    let cases: [&[(&str, [u64; 2])]; 4] = [
        &[("m.diff", [1 << 22, 1 << 22])],
        &[("m.lokr_w1", [1, 1]), ("m.lokr_w2", [1 << 15, 1 << 14])],
        &[("m.lokr_w1", [1 << 15, 1 << 14]), ("m.lokr_w2_a", [1, 1]), ("m.lokr_w2_b", [1, 1])],
        &[
            ("m.hada_w1_a", [1 << 15, 1 << 14]),
            ("m.hada_w1_b", [1 << 14, 1]),
            ("m.hada_w2_a", [1 << 15, 1]),
            ("m.hada_w2_b", [1, 1]),
        ],
    ];
    for tensors in cases {
        let error = block_on(Adapter::open(&Header::of(tensors), None)).expect_err(tensors[0].0);
        assert_eq!(error.code, Code::LoraShape, "{error}");
        assert!(error.detail.ends_with("values, more than memory holds."), "{error}");
    }
    for (out, inputs) in [(3072, 18_432), (13_824, 5120), (32_128, 4096)] {
        let open = block_on(Adapter::open(&Header::of(&[("m.diff", [out, inputs])]), None));
        assert_eq!(open.unwrap().modules.len(), 1, "{out}×{inputs} is a layer");
    }
}

/// Each number is finite, but not what is made of them.
#[test]
fn factors_that_leave_f32_are_refused_with_their_file_and_tensor() {
    let words = 1e30f32.to_le_bytes().repeat(17 * 20);
    for rank in [1, 17] {
        let view =
            |rows, cols| TensorView::new(Dtype::F32, vec![rows, cols], &words[..4 * rows * cols]).unwrap();
        let tensors = [
            ("m.hada_w1_a", view(20, rank)),
            ("m.hada_w1_b", view(rank, 20)),
            ("m.hada_w2_a", view(20, rank)),
            ("m.hada_w2_b", view(rank, 20)),
        ];
        let huge = MemorySource::new("huge", safetensors::serialize(tensors, None).unwrap());
        let settings = Settings { output_name: "out".into(), ..Settings::default() };
        let error = fuse([&huge, &file("style", &[("m", 20, 4, 20)])], &settings).unwrap_err();
        assert_eq!(error.code, Code::NonFinite, "{error}");
        let place = (error.file.as_deref(), error.tensor.as_deref());
        assert_eq!(place, (Some("huge"), Some("m.hada_w1_a")), "rank {rank}");
    }
}

/// 8 MB, of which a whole decomposition would take as long as a person's patience many times over.
#[test]
fn a_large_half_of_a_kronecker_product_is_not_decomposed_as_a_whole() {
    let (w1, w2) = (words("w1", 2048 * 2048), words("w2", 64 * 64));
    let view = |shape: [usize; 2], data| TensorView::new(Dtype::F16, shape.to_vec(), data).unwrap();
    let tensors = [("m.lokr_w1", view([2048; 2], &w1)), ("m.lokr_w2", view([64; 2], &w2))];
    let file = MemorySource::new("f", safetensors::serialize(tensors, None).unwrap());
    let settings = Settings { dense_rank: 8, output_name: "out".into(), ..Settings::default() };
    let begun = Instant::now();
    let (bytes, _) = fuse([&file, &file], &settings).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert!(bytes.len() > 2 * 2 * 8 * 131_072);
}

/// Of a quarter of a megabyte the first half would have four billion values, of 15 MB the second one a quarter of that.
#[test]
fn halves_of_a_kronecker_product_are_not_multiplied_out() {
    let settings = Settings { dense_rank: 4, output_name: "out".into(), ..Settings::default() };
    for halves in [
        [("m.lokr_w1_a", 65_536, 1), ("m.lokr_w1_b", 1, 65_536), ("m.lokr_w2", 1, 1)],
        [("m.lokr_w2_a", 15_000, 257), ("m.lokr_w2_b", 257, 15_000), ("m.lokr_w1", 1, 1)],
    ] {
        let words = halves.map(|(name, rows, cols)| words(name, rows * cols));
        let views = halves.iter().zip(&words).map(|(&(name, rows, cols), words)| {
            (name, TensorView::new(Dtype::F16, vec![rows, cols], words).unwrap())
        });
        let file = MemorySource::new("f", safetensors::serialize(views, None).unwrap());
        let (bytes, _) = fuse([&file, &file], &settings).unwrap();
        assert!(bytes.len() < 4 << 20, "{}", bytes.len());
    }
}

/// One module of an absurd rank would pad all others to it.
#[test]
fn one_absurd_rank_does_not_inflate_the_whole_file() {
    let names: Vec<String> = (0..300).map(|at| format!("lora_unet_{at}")).collect();
    let mut modules: Vec<_> = names.iter().map(|name| (name.as_str(), 1000, 1, 1000)).collect();
    modules.push(("lora_unet_absurd", 1, 1024, 1));
    let content = file("content", &modules);
    let style = file("style", &modules[..1]);
    let settings = Settings { output_name: "out".into(), ..Settings::default() };
    let error = fuse([&content, &style], &settings).unwrap_err();
    assert_eq!(error.code, Code::Settings, "{error}");
    let compact = Settings { layout: RankLayout::Compact, ..settings };
    let (bytes, _) = fuse([&content, &style], &compact).unwrap();
    assert!(bytes.len() < 2 << 20, "{}", bytes.len());
}

/// What an energy makes of a rank is not known before it is measured.
#[test]
fn a_rank_that_is_still_to_be_cut_inflates_nothing() {
    let names: Vec<[String; 2]> =
        (0..301).map(|at| ["down", "up"].map(|half| format!("lora_unet_{at}.lora_{half}.weight"))).collect();
    let (mut down, mut up) = (vec![[1, 1000]; 300], vec![[1000, 1]; 300]);
    down.push([1024; 2]);
    up.push([1024; 2]);
    let halves = names.iter().zip(down.into_iter().zip(up));
    let tensors: Vec<_> = halves.flat_map(|([a, b], (down, up))| [(a.as_str(), down), (b, up)]).collect();
    let file = block_on(Adapter::open(&Header::of(&tensors), None)).unwrap();
    let of = |recompress| Settings { recompress, ..Settings::default() };
    let alone = Pair { content: Some(&file), style: None };
    let plan = |recompress| Plan::new(alone, &of(recompress));
    let mut cut = plan(Recompress::Energy { share: 0.9 }).unwrap();
    assert!(cut.lay_out(&[4; 301], alone).is_ok());
    let ranks = [vec![1; 300], vec![1024]].concat();
    for error in [plan(Recompress::Exact).err(), cut.lay_out(&ranks, alone).err()] {
        assert_eq!(error.map(|error| error.code), Some(Code::Settings));
    }
}

/// The work on a module grows with the cube of its rank: a few kilobytes could keep a machine busy for days.
#[test]
fn a_rank_far_beyond_its_layer_is_refused() {
    let open = |m: usize, r: usize, n: usize| {
        block_on(Adapter::open(
            &zeros(&[("m.lora_down.weight", &[r, n]), ("m.lora_up.weight", &[m, r])]),
            None,
        ))
    };
    let error = open(4, 1025, 4).unwrap_err();
    assert_eq!((error.code, error.tensor.as_deref()), (Code::LoraShape, Some("m.lora_down.weight")));
    assert!(error.detail.contains("1025"), "{error}");
    // Trainers do write ranks somewhat larger than a layer, and large ranks for large layers.
    assert!(open(4, 1024, 4).is_ok());
    assert!(open(1100, 1050, 1100).is_ok());
}

/// One such module takes seconds; a megabyte could have hundreds.
#[test]
fn many_ranks_far_beyond_their_layers_are_refused() {
    let open = |ranks: &[usize], sides: [usize; 2]| {
        let names: Vec<[String; 2]> = (0..ranks.len())
            .map(|at| ["down", "up"].map(|half| format!("m{at}.lora_{half}.weight")))
            .collect();
        let shapes: Vec<[[usize; 2]; 2]> =
            ranks.iter().map(|&rank| [[rank, sides[1]], [sides[0], rank]]).collect();
        let tensors: Vec<(&str, &[usize])> = names
            .iter()
            .zip(&shapes)
            .flat_map(|(names, shapes)| {
                names.iter().map(String::as_str).zip(shapes.iter().map(<[usize; 2]>::as_slice))
            })
            .collect();
        block_on(Adapter::open(&zeros(&tensors), None))
    };
    assert!(open(&[1024], [4, 4]).is_ok());
    let error = open(&[1024, 8, 16], [4, 4]).unwrap_err();
    // Ranks of such a size as layers have together are no reason.
    assert_eq!((error.code, error.tensor.as_deref()), (Code::LoraShape, Some("m2")));
    assert!(error.detail.contains("16"), "{error}");
    assert!(open(&[512; 8], [4, 4]).is_ok());
    assert!(open(&[512; 9], [4, 4]).is_err());
    assert!(open(&[512; 9], [4, 508]).is_ok());
}
