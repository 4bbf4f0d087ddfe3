//! Every pair of schemes of every family gives the same update as one scheme.

use super::files::{File, Fused, fuse, hard, probes, random, without};
use nalgebra::DMatrix;
use np_lora::adapter::ModuleId;
use np_lora::adapter::families::{self, Family, Scheme, Size};
use np_lora::error::Code;
use np_lora::fusion::Settings;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

const RANK: usize = 2;
/// A power of two, so that it can be folded into a factor without rounding.
const SCALE: f64 = 0.5;

/// One layer of each kind that a family has, and all layers that are fused with it somewhere.
fn sample(family: &'static Family) -> Vec<(ModuleId, Size)> {
    let kind = |id: &ModuleId| id.as_str().replace(|c: char| c.is_ascii_digit(), "#");
    let mut kinds = BTreeSet::new();
    let chosen: BTreeSet<ModuleId> =
        family.modules().filter(|(id, _)| kinds.insert(kind(id))).map(|(id, _)| id).collect();
    let holders = |id: &ModuleId| -> Vec<String> {
        family.schemes().filter_map(|scheme| family.target(id, scheme)).map(|target| target.stem).collect()
    };
    let stems: BTreeSet<String> = chosen.iter().flat_map(holders).collect();
    family.modules().filter(|(id, _)| holders(id).iter().any(|stem| stems.contains(stem))).collect()
}

/// Layers that are fused in some scheme share their A, so that the two ways to split them mean the same.
fn down(file: &str, family: &Family, id: &ModuleId, size: Size) -> DMatrix<f64> {
    let native =
        family.schemes().filter_map(|s| family.target(id, s)).max_by_key(|t| t.out_features).unwrap();
    random(&format!("{file} {} down", native.stem), RANK, size.in_features())
}

fn up(file: &str, id: &ModuleId, size: Size) -> DMatrix<f64> {
    random(&format!("{file} {id} up"), size.out, RANK)
}

/// The rows of a layer in the module that holds it, in the layer's own order.
fn rows(range: &Range<usize>, halves_swapped: bool) -> Vec<usize> {
    let half = range.start + range.len() / 2;
    if halves_swapped {
        (half..range.end).chain(range.start..half).collect()
    } else {
        range.clone().collect()
    }
}

/// lora_up, lora_down, and the channels and kernel of a convolution.
type Written = (DMatrix<f64>, DMatrix<f64>, Option<[usize; 3]>);

/// A file of these layers in a scheme.
fn written(file: &str, family: &'static Family, scheme: &Scheme, layers: &[(ModuleId, Size)]) -> File {
    let mut modules: BTreeMap<String, Written> = BTreeMap::new();
    for (id, size) in layers {
        let target = family.target(id, scheme).unwrap();
        let conv = target.kernel.map(|[kh, kw]| [target.in_channels, kh, kw]);
        let (whole, _, _) = modules.entry(target.stem.clone()).or_insert_with(|| {
            (DMatrix::zeros(target.out_features, RANK), down(file, family, id, *size), conv)
        });
        let own = up(file, id, *size);
        for (from, to) in rows(&target.rows, target.halves_swapped).into_iter().enumerate() {
            whole.row_mut(to).copy_from(&own.row(from));
        }
    }
    let spelling = scheme.spelling().unwrap();
    let mut made = File::default();
    for (stem, (up, down, conv)) in modules {
        let folded = if spelling.writes_alpha { 1.0 } else { SCALE };
        let (down_shape, up_shape) = match conv {
            Some([c, kh, kw]) => (vec![RANK, c, kh, kw], vec![up.nrows(), RANK, 1, 1]),
            None => (vec![RANK, down.ncols()], vec![up.nrows(), RANK]),
        };
        made = made.with(format!("{stem}{}", spelling.down), &down_shape, &down);
        made = made.with(format!("{stem}{}", spelling.up), &up_shape, &(up * folded));
        if spelling.writes_alpha {
            made = made.number(format!("{stem}.alpha"), SCALE * RANK as f64);
        }
    }
    made
}

/// Compares every layer of a result, written in `scheme`, with `should`: (B, A) pairs to be summed.
fn check(
    fused: &Fused,
    family: &Family,
    scheme: &Scheme,
    layers: &[(ModuleId, Size)],
    should: impl Fn(&ModuleId, Size) -> Vec<(DMatrix<f64>, DMatrix<f64>)>,
    what: &str,
) {
    for (id, size) in layers {
        let target = family.target(id, scheme).unwrap();
        let (up, down) = fused.factors(&target.stem).unwrap_or_else(|| panic!("{what}: no {}", target.stem));
        let rows = rows(&target.rows, target.halves_swapped);
        let up = up.select_rows(&rows);
        let (mut apart, mut whole) = (0.0, 0.0);
        for probe in probes(size.in_features()) {
            let expected =
                should(id, *size).iter().map(|(b, a)| b * (a * &probe)).reduce(|x, y| x + y).unwrap();
            apart += (&up * (&down * &probe) - &expected).norm_squared();
            whole += expected.norm_squared();
        }
        let apart = (apart / whole).sqrt();
        assert!(apart <= 1e-5, "{what}: {id} is {apart:.1e} away");
    }
}

#[test]
fn the_two_files_may_be_written_in_any_two_schemes() {
    let mut pairs = 0;
    for family in families::all() {
        let mut layers = sample(family);
        // Of fewer rows the style's update has fewer directions than its A.
        layers.retain(|(_, size)| size.out >= RANK);
        let should = |id: &ModuleId, size: Size| {
            let (a_c, a_s) = (down("c", family, id, size), down("s", family, id, size));
            vec![
                (up("s", id, size) * (SCALE * 0.8), a_s.clone()),
                (up("c", id, size) * (SCALE * 1.1), without(&a_c, &a_s, 1.0 / 3.0)),
            ]
        };
        for of_content in family.schemes() {
            let content = written("c", family, of_content, &layers);
            for of_style in family.schemes() {
                let style = written("s", family, of_style, &layers);
                let settings = Settings {
                    mu: 0.5,
                    content_strength: 1.1,
                    style_strength: 0.8,
                    family: Some(family.name().to_owned()),
                    ..hard()
                };
                let what = format!("{}: {} × {}", family.name(), of_content.id, of_style.id);
                let fused =
                    fuse(Some(&content), Some(&style), &settings).unwrap_or_else(|e| panic!("{what}: {e}"));
                assert_eq!((fused.report.passed_content, fused.report.passed_style), (0, 0), "{what}");
                let scheme = families::SCHEMES.iter().find(|s| Some(s.name) == fused.report.scheme);
                let own = family.schemes().find(|s| Some(s.name) == scheme.map(|s| s.name)).unwrap();
                check(&fused, family, own, &layers, should, &what);
                pairs += 1;
            }
        }
    }
    assert!(pairs > 150, "{pairs}");
}

#[test]
fn a_file_is_converted_into_every_scheme_of_its_family() {
    for family in families::all() {
        let layers = sample(family);
        let should =
            |id: &ModuleId, size: Size| vec![(up("c", id, size) * SCALE, down("c", family, id, size))];
        for from in family.schemes() {
            let content = written("c", family, from, &layers);
            for to in family.schemes() {
                let settings = Settings {
                    scheme: Some(to.id.to_owned()),
                    family: Some(family.name().to_owned()),
                    ..hard()
                };
                let what = format!("{}: {} to {}", family.name(), from.id, to.id);
                let fused = fuse(Some(&content), None, &settings).unwrap_or_else(|e| panic!("{what}: {e}"));
                check(&fused, family, to, &layers, should, &what);
                let stems: BTreeSet<String> =
                    layers.iter().map(|(id, _)| family.target(id, to).unwrap().stem).collect();
                let tensors = if to.spelling().unwrap().writes_alpha { 3 } else { 2 };
                assert_eq!(fused.names().len(), tensors * stems.len(), "{what}: nothing else is written");
            }
        }
    }
}

#[test]
fn what_no_program_loads_is_not_chosen_and_is_said() {
    let t5 = |n: usize| format!("lora_te{n}_encoder_block_5_layer_0_SelfAttention_q");
    let sd3 = "lora_unet_joint_blocks_37_x_block_mlp_fc1";
    let flux = "lora_unet_single_blocks_37_modulation_lin";
    for (family, model, size, text, encoder) in [
        ("SD 3.5 Large", sd3, (9728, 2432), t5(3), "text_encoder_3."),
        ("FLUX.1", flux, (9216, 3072), t5(2), "text_encoder_2."),
    ] {
        let file = |seed: &str, with_text: bool| {
            let file = with(File::default(), seed, model, size);
            if with_text { with(file, seed, &text, (4096, 4096)) } else { file }
        };
        for (of_content, of_style) in [(true, true), (true, false), (false, true), (false, false)] {
            let (content, style) = (file("c", of_content), file("s", of_style));
            let has_text = of_content || of_style;
            let unread = |scheme: Option<&str>| {
                let (family, scheme) = (Some(family.to_owned()), scheme.map(str::to_owned));
                let settings = Settings { family, scheme, ..hard() };
                let fused = fuse(Some(&content), Some(&style), &settings).unwrap();
                let warning = fused.report.warnings.iter().find(|warning| warning.code == Code::Unread);
                (fused.stems(), warning.map(|warning| warning.detail.clone()))
            };
            let (stems, warning) = unread(None);
            let is_kohya = stems.iter().all(|stem| stem.starts_with("lora_"));
            assert_eq!(is_kohya, has_text || family == "FLUX.1", "{family}: {stems:?}");
            assert_eq!(warning, None, "{family}");
            let (stems, warning) = unread(Some("peft"));
            assert_eq!(stems.iter().any(|stem| stem.starts_with(encoder)), has_text);
            let count = usize::from(of_content) + usize::from(of_style);
            assert_eq!(warning, has_text.then(|| format!("In all: {count}.")), "{family}");
            assert_eq!(unread(Some("comfy")).1, None, "{family}");
        }
    }
}

fn with(file: File, seed: &str, stem: &str, (m, n): (usize, usize)) -> File {
    file.lora(stem, &random(&format!("{seed} b"), m, 1), &random(&format!("{seed} a"), 1, n), None)
}

/// A layer that is in no table has its factors called as those beside it, or a loader would refuse the whole file.
#[test]
fn what_is_renamed_has_the_endings_of_the_naming_as_well() {
    let block = "down_blocks.1.attentions.0.transformer_blocks.0";
    let file = |seed: &str| {
        ["attn2.to_k", "attn2.of_some_trainer"].iter().fold(File::default(), |file, layer| {
            let n = if *layer == "attn2.to_k" { 2048 } else { 640 };
            let stem = format!("unet.{block}.{layer}");
            let (a, b) = (random(&format!("{seed} a"), 2, n), random(&format!("{seed} b"), 640, 2));
            file.matrix(format!("{stem}.lora_A.weight"), &a).matrix(format!("{stem}.lora_B.weight"), &b)
        })
    };
    for (scheme, first, endings) in [
        ("kohya", "lora_unet_input_blocks_4_1", &[".alpha", ".lora_down.weight", ".lora_up.weight"][..]),
        ("peft", "unet.down_blocks.1", &[".lora_A.weight", ".lora_B.weight"]),
    ] {
        let settings = Settings { scheme: Some(scheme.to_owned()), ..hard() };
        let fused = fuse(Some(&file("c")), Some(&file("s")), &settings).unwrap();
        assert_eq!(fused.names().len(), 2 * endings.len(), "{:?}", fused.names());
        for name in fused.names() {
            assert!(name.starts_with(first), "{name}");
            assert!(endings.iter().any(|ending| name.ends_with(ending)), "{scheme}: {name}");
        }
    }
}
