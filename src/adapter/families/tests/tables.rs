//! What every family's table must be, whatever the family.

use crate::adapter::families::*;
use std::collections::{BTreeMap, HashMap};

#[test]
fn every_file_is_read_without_a_fault() {
    for family in all() {
        let models = components(family.text).unwrap_or_else(|fault| panic!("{}: {fault}", family.name()));
        assert!(!models.is_empty() && models.iter().all(|model| !model.table.modules.is_empty()));
        assert!(!family.name().is_empty() && !family.field("notes").is_empty());
        assert_eq!(family.schemes().count(), family.field("schemes").split(' ').count(), "{}", family.name());
        assert_eq!(by_name(family.name()), Some(family), "two families of one name");
    }
}

#[test]
fn the_example_for_contributors_is_read() {
    let guide = include_str!("../../../../CONTRIBUTING.md");
    let example = guide.split("```").find(|text| text.starts_with("\nname ")).unwrap();
    let mut said = vec![0; text::copy(example, &mut [])];
    assert_eq!(text::copy(example, &mut said), said.len());
    let example: &'static str = String::from_utf8(said).unwrap().leak();
    assert!(!example.contains('#') && example.starts_with("name "));
    let family = Family { text: example, models: OnceLock::new() };
    assert_eq!(components(example).unwrap().len(), 2);
    assert_eq!((family.name(), family.schemes().count()), ("My Model", 3));
    assert_eq!(family.module_count("transformer"), 30 * 6);
    assert_eq!(family.resolve("lora_unet_blocks_29_attn_qkv").unwrap().parts.len(), 3);
}

#[test]
fn no_name_means_two_things() {
    for family in all() {
        for model in family.models() {
            let mut meant: HashMap<String, (&[usize], &str)> = HashMap::new();
            for spelling in model.table.spellings() {
                let flat = flatten(&spelling.name);
                let (parts, name) = meant.entry(flat).or_insert((&spelling.parts, &spelling.name));
                assert_eq!(*parts, spelling.parts, "{}: {name} and {}", family.name(), spelling.name);
            }
        }
    }
}

#[test]
fn every_layer_is_once_in_every_naming() {
    for family in all() {
        for scheme in family.schemes() {
            let mut written: BTreeMap<String, Vec<Target>> = BTreeMap::new();
            for (id, size) in family.modules() {
                let target = family.target(&id, scheme).unwrap_or_else(|| panic!("{id} in {}", scheme.name));
                assert_eq!(target.rows.len(), size.out, "{id}");
                // By this a file's text-encoder strength is applied.
                let is_text = is_text_encoder(&target.stem);
                assert_eq!(is_text, id.is_text_encoder(), "{}", target.stem);
                let place = family.resolve(&target.stem).unwrap_or_else(|| panic!("{}", target.stem));
                assert_eq!(
                    (place.out_features, place.in_features),
                    (target.out_features, size.in_features())
                );
                let piece = place.parts.iter().find(|piece| piece.id == id).unwrap();
                assert_eq!(
                    (&piece.rows, piece.halves_swapped),
                    (&target.rows, target.halves_swapped),
                    "{id}"
                );
                written.entry(target.stem.clone()).or_default().push(target);
            }
            for (stem, mut targets) in written {
                targets.sort_by_key(|target| target.rows.start);
                let mut row = 0;
                for target in &targets {
                    assert_eq!(target.rows.start, row, "{stem}");
                    row = target.rows.end;
                }
                assert_eq!(row, targets[0].out_features, "{stem}");
            }
        }
    }
}

#[test]
fn tables_stay_small() {
    let bytes: usize =
        all().iter().map(|family| family.text.len()).chain(PARTS.iter().map(|part| part.len())).sum();
    assert!(bytes < 38 * 1024, "{bytes} bytes");
}

#[test]
fn a_naming_is_found_by_every_name_it_goes_by() {
    for (name, id) in [
        ("peft", "peft"),
        ("PEFT", "peft"),
        ("diffusers (PEFT)", "peft"),
        ("diffusers", "peft"),
        ("ComfyUI", "comfy"),
        ("comfyui, diffusers names", "comfy-diffusers"),
        ("kohya", "kohya"),
        ("kohya, diffusers names", "kohya-diffusers"),
    ] {
        assert_eq!(Scheme::called(name).map(|scheme| scheme.id), Some(id), "{name}");
    }
    assert_eq!(Scheme::called("koh"), None);
}
