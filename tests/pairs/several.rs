//! Several results of one run are those of runs of their own, and every module is read once for all of them.

use super::files::{Counting, File, Fused, close, fuse_all, fuse_sources, hard, random, reference};
use np_lora::adapter::Adapter;
use np_lora::adapter::scale::ScaleChoice;
use np_lora::container::MemorySource;
use np_lora::error::Code;
use np_lora::fusion::settings::{
    BlockStrength, CutChoice, DtypeChoice, RankLayout, Recompress, ResultChoice,
};
use np_lora::fusion::{Pair, Passes, Settings, Several, Variant};
use pollster::block_on;

const MUS: [f64; 4] = [0.0, 0.1, 1.0, f64::INFINITY];
/// (stem, m, n), and which of the files has it.
const MODULES: [(&str, usize, usize, &str); 7] = [
    ("lora_unet_a", 24, 36, "cs"),
    ("lora_unet_b", 24, 36, "cs"),
    ("lora_unet_c", 40, 20, "cs"),
    ("lora_unet_d", 16, 16, "c"),
    ("lora_te_e", 12, 18, "cs"),
    ("lora_unet_f", 30, 24, "s"),
    ("lora_unet_g", 24, 36, "cs"),
];

/// Ranks differ from layer to layer, so that a rank layout matters. The first direction of each layer is the same in both
/// files.
fn file(of: &str) -> File {
    (0..).zip(MODULES).filter(|(_, (.., files))| files.contains(of)).fold(
        File::default(),
        |file, (at, (stem, m, n, _))| {
            let rank = 2 + (at + of.len() + usize::from(of == "s")) % 4;
            let mut down = random(&format!("{of} {stem} a"), rank, n);
            down.set_row(0, &random(&format!("{stem} shared"), 1, n).row(0));
            file.lora(stem, &random(&format!("{of} {stem} b"), m, rank), &down, Some(1.5 * rank as f64))
        },
    )
}

fn pair() -> [MemorySource; 2] {
    [file("c").named("cat.safetensors"), file("s").named("ink.safetensors")]
}

fn both_ways(settings: &Settings) -> Vec<Variant> {
    let at = |swapped: bool| {
        MUS.map(|mu| Variant {
            swapped,
            settings: Settings { mu, output_name: format!("{mu} {swapped}"), ..settings.clone() },
        })
    };
    [at(false), at(true)].concat()
}

#[test]
fn several_files_are_those_of_a_list_of_mu_and_what_goes_with_it() {
    let block = |content, mu| BlockStrength { content, style: 1.0, mu };
    let settings = Settings {
        mu: 7.0,
        result: ResultChoice::Overlap,
        content_strength: 0.7,
        content_scale: ScaleChoice::RankStabilised,
        blocks: [("A".into(), block(1.0, Some(3.0))), ("B".into(), block(0.5, Some(2.0)))].into(),
        ..hard()
    };
    let several = Several { mus: vec![f64::INFINITY, 0.5, 0.5, 0.0], plain: true, both_directions: true };
    let variants = several.variants(&settings);
    let of = |several: &Several| -> Vec<(f64, bool)> {
        several.variants(&settings).iter().map(|one| (one.settings.mu, one.swapped)).collect()
    };
    let straight = [(0.0, false), (0.5, false), (f64::INFINITY, false)];
    assert_eq!(of(&several), [&straight[..], &[(0.5, true), (f64::INFINITY, true)]].concat());
    let one_way = Several { both_directions: false, ..several.clone() };
    assert_eq!(of(&one_way), straight);
    // Asked for by its μ it is the same file.
    assert_eq!(Several { plain: false, ..one_way.clone() }.variants(&settings), one_way.variants(&settings));
    let projected = Several { mus: vec![1.0], plain: false, ..one_way };
    assert_eq!(of(&projected), [(1.0, false)]);

    let base = Settings { result: ResultChoice::Fusion, ..settings.clone() };
    let plain = [("B".to_owned(), block(0.5, None))].into();
    assert_eq!(
        variants[0].settings,
        Settings { mu: 0.0, blocks: plain, ..base.clone() },
        "plain in every block"
    );
    assert_eq!(variants[1].settings, Settings { mu: 0.5, ..base.clone() });
    let swapped =
        Settings { content_scale: ScaleChoice::Auto, style_scale: ScaleChoice::RankStabilised, ..base };
    assert_eq!(
        variants[3].settings,
        Settings { mu: 0.5, ..swapped },
        "a scale goes with its file, a strength does not"
    );
    assert_eq!(settings.swapped().swapped(), settings);
}

fn all_settings() -> Vec<Settings> {
    let base = || Settings { content_strength: 0.7, dtype: DtypeChoice::F16, ..hard() };
    vec![
        base(),
        Settings { layout: RankLayout::Compact, cut: CutChoice::Count { count: 1 }, ..hard() },
        Settings { recompress: Recompress::Rank { rank: 3 }, ..base() },
        Settings { recompress: Recompress::Energy { share: 0.8 }, ..base() },
        Settings { recompress: Recompress::Energy { share: 0.9 }, layout: RankLayout::Compact, ..hard() },
    ]
}

#[test]
fn each_file_is_byte_for_byte_that_of_a_run_of_its_own() {
    let [cat, ink] = pair();
    for settings in all_settings() {
        let variants = both_ways(&settings);
        let all = fuse_all(Some(&cat), Some(&ink), &variants).unwrap();
        assert_eq!(all.len(), variants.len());
        for (at, (variant, made)) in variants.iter().zip(&all).enumerate() {
            let (content, style) = if variant.swapped { (&ink, &cat) } else { (&cat, &ink) };
            let alone = fuse_sources(Some(content), Some(style), &variant.settings).unwrap();
            assert!(made.bytes == alone.bytes, "{variant:?}");
            let json = |of: &Fused| serde_json::to_value(&of.report).unwrap();
            assert_eq!(json(made), json(&alone), "{variant:?}");
            let same = all[..at].iter().filter(|other| other.bytes == made.bytes);
            assert_eq!(same.count(), 0, "{variant:?} is not its own");
        }
    }
}

/// Such a μ is computed in f64, but not what stands beside it.
#[test]
fn a_mu_that_leaves_hardly_anything_changes_no_other_file_of_the_run() {
    let lora = |up: &str, r, down: &_| File::default().lora("x", &random(up, 40, r), down, None);
    let rows = random("rows", 8, 64);
    let content = lora("c", 4, &(random("mix", 4, 8) * &rows)).named("cat.safetensors");
    let style = lora("s", 8, &rows).named("ink.safetensors");
    let variants: Vec<Variant> = [0.5, 1e3]
        .map(|mu| Settings { mu, style_strength: 0.01, output_name: mu.to_string(), ..hard() }.into())
        .into();
    for (variant, made) in variants.iter().zip(fuse_all(Some(&content), Some(&style), &variants).unwrap()) {
        let alone = fuse_sources(Some(&content), Some(&style), &variant.settings).unwrap();
        assert!(made.bytes == alone.bytes, "{variant:?}");
        let json = |of: &Fused| serde_json::to_value(&of.report).unwrap();
        assert_eq!(json(&made), json(&alone), "{variant:?}");
    }
}

#[test]
fn each_file_is_the_methods() {
    let [cat, ink] = pair();
    let variants = both_ways(&hard());
    for (variant, made) in variants.iter().zip(fuse_all(Some(&cat), Some(&ink), &variants).unwrap()) {
        let updates = |source| fuse_sources(Some(source), None, &hard()).unwrap();
        let (content, style) = if variant.swapped { (&ink, &cat) } else { (&cat, &ink) };
        let (content, style) = (updates(content), updates(style));
        let mu = variant.settings.mu;
        let beta = if mu.is_infinite() { 1.0 } else { mu / (1.0 + mu) };
        for (stem, _, _, files) in MODULES.iter().filter(|(.., files)| *files == "cs") {
            let should = reference(&content.update(stem).unwrap(), &style.update(stem).unwrap(), beta);
            close(&made.update(stem).unwrap(), &should, 1e-6, &format!("{stem} {files} {mu}"));
        }
    }
}

#[test]
fn more_of_one_pass_read_the_files_once_and_again_only_to_check() {
    let [cat, ink] = pair();
    let read = |count: usize| {
        let counting = [&cat, &ink].map(Counting::new);
        let settings = |mu| Settings { mu, ..hard() };
        let variants: Vec<Variant> = (0..count).map(|at| settings(at as f64).into()).collect();
        fuse_all(Some(&counting[0]), Some(&counting[1]), &variants).unwrap();
        counting.iter().map(|source| source.bytes.get()).sum::<u64>()
    };
    let (one, two, ten) = (read(1), read(2), read(10));
    // Of three modules of one shape one is computed again for the check, so that reads less than all of it.
    let check = two - one;
    assert_eq!(ten, one + 9 * check);
    assert!(check < one - check, "{check} of {one}");
}

#[test]
fn what_differs_in_more_than_the_projection_has_a_pass_of_its_own() {
    let [cat, ink] = pair();
    let adapters = [&cat, &ink].map(|source| block_on(Adapter::open(source, None)).unwrap());
    let of = |settings: Settings, swapped| Variant { settings, swapped };
    let at = |mu| Settings { mu, output_name: mu.to_string(), ..hard() };
    let variants = [
        of(at(0.5), false),
        of(at(1.0), false),
        of(Settings { result: ResultChoice::Overlap, ..hard() }, false),
        of(at(0.5), true),
        of(at(1.0), true),
        of(Settings { style_strength: 0.5, ..hard() }, true),
    ];
    let files = Pair { content: Some(&adapters[0]), style: Some(&adapters[1]) };
    let passes = Passes::new(files, &variants).unwrap();
    let found: Vec<_> = passes.iter().map(|pass| (pass.swapped, pass.first, pass.count())).collect();
    assert_eq!(found, [(false, 0, 2), (false, 2, 1), (true, 3, 2), (true, 5, 1)]);
    let all = fuse_all(Some(&cat), Some(&ink), &variants).unwrap();
    for (variant, made) in variants.iter().zip(&all) {
        let (content, style) = if variant.swapped { (&ink, &cat) } else { (&cat, &ink) };
        let alone = fuse_sources(Some(content), Some(style), &variant.settings).unwrap();
        assert!(made.bytes == alone.bytes, "{variant:?}");
    }
    let none = Passes::new(files, &[]);
    assert_eq!(none.err().map(|error| error.code), Some(Code::Settings));
}

/// Whatever it is that differs besides μ and the name: a pass speaks for all of its results with the settings of the first.
#[test]
fn one_pass_is_of_one_choice_of_all_other_settings() {
    let [cat, ink] = pair();
    let adapters = [&cat, &ink].map(|source| block_on(Adapter::open(source, None)).unwrap());
    let block = BlockStrength { content: 0.5, style: 1.0, mu: None };
    let others = [
        Settings { content_strength: 0.5, ..hard() },
        Settings { style_strength: 0.5, ..hard() },
        Settings { content_text_strength: Some(0.5), ..hard() },
        Settings { style_text_strength: Some(0.5), ..hard() },
        Settings { cut: CutChoice::Count { count: 1 }, ..hard() },
        Settings { dtype: DtypeChoice::F16, ..hard() },
        Settings { layout: RankLayout::Compact, ..hard() },
        Settings { blocks: [("IN04".into(), block)].into(), ..hard() },
        Settings { content_scale: ScaleChoice::RankStabilised, ..hard() },
        Settings { style_scale: ScaleChoice::RankStabilised, ..hard() },
        Settings { recompress: Recompress::Rank { rank: 2 }, ..hard() },
        Settings { dense_rank: 7, ..hard() },
        Settings { direction_only: true, ..hard() },
        Settings { keep_sources: false, ..hard() },
    ];
    for other in others {
        let variants = [hard().into(), Variant { settings: other.clone(), swapped: false }];
        let passes =
            Passes::new(Pair { content: Some(&adapters[0]), style: Some(&adapters[1]) }, &variants).unwrap();
        assert_eq!(passes.iter().count(), 2, "{other:?}");
    }
}
