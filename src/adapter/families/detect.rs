//! Tells which model family a file belongs to.

use super::{Family, ModuleId, all, id};
use crate::order::Places;
use std::collections::BTreeMap;

/// The family of a file, as far as its modules and metadata tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detected {
    /// The file belongs to this family.
    Is(&'static Family),
    /// The file may belong to any of these families, the best known first: they fit its layers equally well, and its metadata does
    /// not decide.
    Ambiguous(Vec<&'static Family>),
    /// The file fits no known family.
    Unknown,
}

impl Detected {
    /// The families that the file may belong to; empty if the family is unknown.
    pub fn families(&self) -> &[&'static Family] {
        match self {
            Self::Is(family) => std::slice::from_ref(family),
            Self::Ambiguous(families) => families,
            Self::Unknown => &[],
        }
    }

    /// The name of the family for users: one name, or two joined by "or".
    pub fn name(&self) -> Option<String> {
        let names: Vec<_> = self.families().iter().take(2).map(|family| family.name()).collect();
        (!names.is_empty()).then(|| names.join(" or "))
    }
}

/// Finds the family in which most modules resolve with their sizes. Each of `modules` is a stem, its out features and its in
/// features (for a convolution, flattened).
///
/// Layers decide before metadata, because metadata is copied from file to file; text encoders decide only if there is nothing else,
/// because families share them. Among families that fit equally well, those named in the metadata win, and among these those of
/// which the file has all layers of the kinds that it contains. If fewer than half of the modules fit, the family is unknown.
pub fn detect<'a>(
    modules: impl Iterator<Item = (&'a str, usize, usize)>,
    metadata: &BTreeMap<String, String>,
) -> Detected {
    let modules: Vec<_> = modules.collect();
    let only_text = modules.iter().all(|(stem, ..)| id::is_text_encoder(stem));
    let telling = || modules.iter().filter(|(stem, ..)| only_text || !id::is_text_encoder(stem));
    let mut fitting: Vec<(&'static Family, Vec<ModuleId>)> = Vec::new();
    let mut most = 1;
    for family in all() {
        let places: Vec<_> =
            telling().filter_map(|&(stem, out, inputs)| family.place(stem, (out, inputs))).collect();
        if places.len() > most {
            (most, fitting) = (places.len(), Vec::new());
        }
        if places.len() == most {
            let layers = places.into_iter().flat_map(|place| place.parts.into_iter().map(|part| part.id));
            fitting.push((family, layers.collect()));
        }
    }
    if 2 * most < telling().count() {
        return Detected::Unknown;
    }
    if fitting.len() > 1 {
        let noted = noted(metadata);
        if fitting.iter().any(|(family, _)| noted.contains(family)) {
            fitting.retain(|(family, _)| noted.contains(family));
        }
        let whole: Vec<_> = fitting.iter().map(|(family, layers)| is_whole(family, layers)).collect();
        let any = whole.contains(&true);
        let left = fitting.into_iter().zip(whole).filter(|&(_, whole)| whole || !any);
        let families: Vec<_> = left.map(|((family, _), _)| family).collect();
        return match families[..] {
            [family] => Detected::Is(family),
            _ => Detected::Ambiguous(families),
        };
    }
    fitting.first().map_or(Detected::Unknown, |(family, _)| Detected::Is(family))
}

/// Whether `layers` contains every layer of the family that differs from one of them only in the numbers of its path.
fn is_whole(family: &Family, layers: &[ModuleId]) -> bool {
    let number = |part: &&str| part.parse::<usize>().is_ok();
    let kind =
        |id: &ModuleId| id.as_str().split('.').filter(|part| !number(part)).collect::<Vec<_>>().join(".");
    let kinds: Places = layers.iter().map(kind).map(|kind| (kind, 0)).collect();
    let layers: Places = layers.iter().map(|id| (id.as_str().to_owned(), 0)).collect();
    let all = family.modules().filter(|(id, _)| kinds.get(&kind(id)).is_some()).count();
    layers.len() >= all
}

/// The families that a file's metadata names: those whose note matches the longest beginning of it. The trainer's own note counts
/// before the model specification.
fn noted(metadata: &BTreeMap<String, String>) -> Vec<&'static Family> {
    let keys = [("ss_base_model_version", "notes"), ("modelspec.architecture", "architecture")];
    for (key, field) in keys {
        let Some(value) = metadata.get(key).map(|value| value.to_ascii_lowercase()) else { continue };
        let longest = |family: &Family| {
            let beginnings = family.field(field).split(' ');
            beginnings.filter(|word| value.starts_with(word)).map(str::len).max().unwrap_or(0)
        };
        let best = all().iter().map(longest).max().unwrap_or(0);
        if best > 0 {
            return all().iter().filter(|family| longest(family) == best).collect();
        }
    }
    Vec::new()
}

/// Whether a file's metadata names this family.
pub fn is_noted(metadata: &BTreeMap<String, String>, family: &'static Family) -> bool {
    noted(metadata).contains(&family)
}

/// Words that occur in the names of models besides versions, sizes and the words in the families' own notes.
const VARIANTS: [&str; 36] = [
    "architecture",
    "base",
    "dev",
    "diffusion",
    "distilled",
    "edit",
    "full",
    "hd",
    "i2v",
    "image",
    "inpaint",
    "inpainting",
    "kontext",
    "l",
    "large",
    "layered",
    "lightning",
    "lora",
    "m",
    "medium",
    "plus",
    "preview",
    "radiance",
    "refiner",
    "s",
    "schnell",
    "stable",
    "t2v",
    "ti2v",
    "turbo",
    "v",
    "vace",
    "video",
    "xl",
    "z",
    "zimage",
];

/// Whether a note is the name of a model and nothing more: `sd_v2_v`, `flux-1-schnell/lora`, `wan_2.2_14b`.
pub fn is_name_of_model(note: &str) -> bool {
    const BETWEEN: [char; 4] = ['_', '-', '.', '/'];
    fn bare(word: &str) -> &str {
        word.trim_end_matches(|c: char| c.is_ascii_digit())
    }
    let digits = |text: &str| (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    // Versions such as `v1`, `i1`, `h3`; sizes such as `14b`, `480p`.
    let is_number = |word: &str| {
        digits(word.strip_prefix(['v', 'i', 'h']).unwrap_or(word))
            || digits(word.strip_suffix(['b', 'p', 'm']).unwrap_or(word))
    };
    let is_of_family = |name: &str| {
        let notes = all().iter().flat_map(|family| [family.field("notes"), family.field("architecture")]);
        let mut words = notes.flat_map(|notes| notes.split([' ', '_', '-', '.'])).map(bare);
        words.any(|known| !known.is_empty() && known == name)
    };
    let is_name = |word: &str| {
        let name = bare(word);
        let known = VARIANTS.contains(&name) || is_of_family(name);
        VARIANTS.contains(&word) || (known && word.len() - name.len() <= 2)
    };
    let note = note.to_ascii_lowercase();
    let mut words = note.split(BETWEEN);
    words.next().is_some_and(is_name) && words.all(|word| is_name(word) || is_number(word))
}

/// The name of a file's family for users: what [`detect`] found, or else what the metadata says, or that there are only text
/// encoders. Layer names alone prove nothing, because different models use the same ones.
pub fn family<'a>(
    detected: &Detected,
    metadata: &BTreeMap<String, String>,
    stems: impl Iterator<Item = &'a str>,
) -> Option<String> {
    let mut stems = stems.peekable();
    let only_text = stems.peek().is_some() && stems.all(id::is_text_encoder);
    match detected {
        Detected::Unknown => match noted(metadata)[..] {
            [family] => Some(family.name().to_owned()),
            _ => only_text.then(|| ONLY_TEXT.to_owned()),
        },
        Detected::Ambiguous(_) if only_text => Some(ONLY_TEXT.to_owned()),
        detected => detected.name(),
    }
}

const ONLY_TEXT: &str = "text encoder only";

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(key: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(key.to_owned(), value.to_owned())])
    }

    fn called(modules: &[(&str, usize, usize)], notes: &BTreeMap<String, String>) -> Option<String> {
        let stems = modules.iter().map(|(stem, ..)| *stem);
        family(&detect(modules.iter().copied(), notes), notes, stems)
    }

    fn told(modules: &[(&str, usize, usize)], notes: &BTreeMap<String, String>) -> Option<String> {
        detect(modules.iter().copied(), notes).name()
    }

    const QKV: (&str, usize, usize) = ("lora_unet_double_blocks_0_img_attn_qkv", 9216, 3072);

    /// All attention layers of the family as `scheme` writes them.
    fn attention(family: &str, scheme: &str) -> Vec<(String, usize, usize)> {
        let (family, scheme) =
            (super::super::by_name(family).unwrap(), super::super::Scheme::by_id(scheme).unwrap());
        let ids = family.modules().map(|(id, _)| id).filter(|id| !id.is_text_encoder());
        ids.filter(|id| ["q", "k", "v"].contains(&super::super::kind_of(id)))
            .map(|id| family.target(&id, scheme).unwrap())
            .map(|target| (target.stem, target.out_features, target.in_features))
            .collect()
    }

    fn of(modules: &[(String, usize, usize)], notes: &BTreeMap<String, String>) -> Option<String> {
        told_of(modules, notes).name()
    }

    fn told_of(modules: &[(String, usize, usize)], notes: &BTreeMap<String, String>) -> Detected {
        detect(modules.iter().map(|(stem, out, inputs)| (stem.as_str(), *out, *inputs)), notes)
    }

    #[test]
    fn notes_decide_between_look_alikes_only() {
        let file = attention("Chroma", "kohya");
        assert_eq!(of(&file, &BTreeMap::new()).as_deref(), Some("FLUX.1 or Chroma"));
        assert_eq!(of(&file, &notes("ss_base_model_version", "chroma")).as_deref(), Some("Chroma"));
        assert_eq!(of(&file, &notes("modelspec.architecture", "flux-1-dev/lora")).as_deref(), Some("FLUX.1"));
        assert_eq!(of(&file, &notes("ss_base_model_version", "flux_kontext")).as_deref(), Some("FLUX.1"));
        assert_eq!(
            of(&file, &notes("ss_base_model_version", "sdxl_base_v1-0")).as_deref(),
            Some("FLUX.1 or Chroma")
        );
        let modulation = ("lora_unet_double_blocks_0_img_mod_lin", 18432, 3072);
        assert_eq!(
            told(&[QKV, modulation], &notes("ss_base_model_version", "chroma")).as_deref(),
            Some("FLUX.1 or HunyuanVideo"),
            "Chroma has no modulation, whatever the notes say"
        );
    }

    #[test]
    fn a_few_blocks_are_told_by_notes_or_taken_for_the_smaller_model() {
        let some = |family, n: &str| -> Vec<_> {
            let all = attention(family, "kohya").into_iter();
            all.filter(|(stem, ..)| stem.contains("double_blocks") && stem.contains(n)).collect()
        };
        let file = some("FLUX.1", "_2_");
        let none = BTreeMap::new();
        assert!(matches!(told_of(&file, &none), Detected::Ambiguous(_)));
        let klein = some("FLUX.2 klein 4B", "_");
        assert_eq!(of(&klein, &none).as_deref(), Some("FLUX.2 klein 4B"));
        assert_eq!(of(&klein, &notes("ss_base_model_version", "flux1")).as_deref(), Some("FLUX.1"));
    }

    #[test]
    fn of_models_that_fit_alike_the_best_known_comes_first() {
        let mut few = attention("FLUX.1", "peft");
        few.retain(|(stem, ..)| {
            [".7.", ".12.", ".16."].iter().any(|at| stem.contains(&format!("single_transformer_blocks{at}")))
        });
        assert_eq!(few.len(), 9);
        let told = told_of(&few, &BTreeMap::new());
        assert!(told.name().is_some_and(|name| name.starts_with("FLUX.1 or ")), "{told:?}");
    }

    #[test]
    fn a_model_that_fits_by_chance_is_not_named() {
        let chance = [("transformer.proj_out", 64, 3072), ("a", 1, 1), ("b", 1, 1)];
        assert_eq!(detect(chance.into_iter(), &BTreeMap::new()), Detected::Unknown);
    }

    #[test]
    fn sizes_and_numbers_of_blocks_decide() {
        let none = BTreeMap::new();
        assert_eq!(of(&attention("HunyuanVideo", "comfy"), &none).as_deref(), Some("HunyuanVideo"));
        assert_eq!(of(&attention("FLUX.2 klein 4B", "comfy"), &none).as_deref(), Some("FLUX.2 klein 4B"));
        for family in [
            "SD 1.5",
            "SD 2",
            "SDXL",
            "SD 3.5 Large",
            "Wan 1.3B",
            "Wan 14B",
            "Qwen-Image",
            "Z-Image",
            "Krea 2",
            "HunyuanVideo 1.5",
        ] {
            assert_eq!(of(&attention(family, "peft"), &none).as_deref(), Some(family));
        }
        let own: Vec<_> =
            attention("SD 2", "peft").into_iter().filter(|(stem, ..)| stem.contains("attn1")).collect();
        assert_eq!(of(&own, &none).as_deref(), Some("SD 1.5 or SD 2"));
    }

    #[test]
    fn text_encoders_decide_only_by_themselves() {
        let text = ("lora_te1_text_model_encoder_layers_0_mlp_fc1", 3072, 768);
        let none = BTreeMap::new();
        assert_eq!(
            told(&[text, text, ("lora_unet_joint_blocks_0_x_block_attn_qkv", 7296, 2432)], &none).as_deref(),
            Some("SD 3.5 Large")
        );
        assert!(matches!(detect([text].into_iter(), &none), Detected::Ambiguous(_)));
        assert_eq!(told(&[text], &notes("ss_base_model_version", "sdxl")).as_deref(), Some("SDXL"));
        assert_eq!(called(&[text], &none).as_deref(), Some("text encoder only"));
        assert_eq!(told(&[text, ("lora_unet_something", 1, 1)], &none), None);
    }

    #[test]
    fn a_name_of_a_model_has_a_version_in_it_but_no_date() {
        for name in ["flux1", "sd_v2_v", "flux-1-schnell/lora", "wan_2.2_14b", "sdxl10"] {
            assert!(is_name_of_model(name), "{name}");
        }
        for other in ["flux20260101", "flux_20260101", "flux100", "flux_of_mine", ""] {
            assert!(!is_name_of_model(other), "{other}");
        }
    }

    #[test]
    fn where_sizes_fit_nothing_notes_may_tell_and_names_do_not() {
        let told = |stem, notes| called(&[(stem, 8, 8)], &notes);
        let sd = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q";
        assert_eq!(told(sd, BTreeMap::new()), None);
        assert_eq!(told("a.b", notes("ss_base_model_version", "sdxl_base_v1-0")).as_deref(), Some("SDXL"));
        assert_eq!(told("lora_te_b", BTreeMap::new()).as_deref(), Some("text encoder only"));
        assert_eq!(told("a.b", BTreeMap::new()), None);
    }
}
