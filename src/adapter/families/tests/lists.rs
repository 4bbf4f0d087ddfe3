//! Checks the tables against lists of names from real models, if the environment variable `NP_LORA_KEYS` names a folder of them:
//! `<family>.map.json` (one row a canonical layer) and `<family>.<scheme>.json` (stems). Run with `cargo test lists -- --ignored`.

use crate::adapter::families::*;
use serde_json::Value;
use std::path::Path;

/// (beginning of a list's file name, family)
const LISTS: [(&str, &str); 13] = [
    ("chroma", "Chroma"),
    ("flux1-dev", "FLUX.1"),
    ("flux2-dev", "FLUX.2 dev"),
    ("flux2-klein-4b", "FLUX.2 klein 4B"),
    ("flux2-klein-9b", "FLUX.2 klein 9B"),
    ("qwen-image", "Qwen-Image"),
    ("sd15", "SD 1.5"),
    ("sd21", "SD 2"),
    ("sd35-large", "SD 3.5 Large"),
    ("sdxl", "SDXL"),
    ("wan21-1.3b", "Wan 1.3B"),
    ("wan21-14b", "Wan 14B"),
    ("z-image", "Z-Image"),
];

#[test]
#[ignore = "needs lists of names: NP_LORA_KEYS says in which folder"]
fn lists_of_real_names_agree() {
    let folder = std::env::var_os("NP_LORA_KEYS").expect("NP_LORA_KEYS names the folder");
    let mut compared = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some((_, name)) = LISTS.iter().find(|(list, _)| {
            file.strip_prefix(list).and_then(|rest| rest.strip_prefix('.')?.strip_suffix("json")).is_some()
        }) else {
            continue;
        };
        let family = by_name(name).unwrap();
        let rows = rows(&path);
        let check = if file.ends_with(".map.json") { map_row } else { stem };
        rows.iter().for_each(|row| check(family, row, &file));
        if !file.ends_with(".map.json") {
            detects(family, &rows, &file);
        }
        println!("{file}: {} rows", rows.len());
        compared += 1;
    }
    assert!(compared > 0, "no list was found");
}

fn rows(path: &Path) -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn number(row: &Value, key: &str) -> usize {
    usize::try_from(row[key].as_u64().unwrap_or(1)).unwrap()
}

fn size(row: &Value) -> (usize, usize) {
    (number(row, "out"), number(row, "in") * number(row, "kh") * number(row, "kw"))
}

fn map_row(family: &Family, row: &Value, file: &str) {
    let text = |key: &str| row[key].as_str();
    let canonical = text("canonical").unwrap();
    let place = family.resolve(canonical).unwrap_or_else(|| panic!("{file}: {canonical}"));
    let id = place.parts[0].id.clone();
    assert_eq!(id.as_str(), canonical, "{file}");
    assert_eq!((place.out_features, place.in_features), size(row), "{file}: {id}");
    assert_eq!(place.kernel.is_some(), row["conv"].as_bool().unwrap_or(false), "{file}: {id}");
    let native = SCHEMES.iter().find(|scheme| scheme.id == "comfy").unwrap();
    let target = family.target(&id, native).unwrap();
    let name = text("bfl").or(text("native")).or(text("sgm")).unwrap();
    assert_eq!(target.stem, format!("diffusion_model.{name}"), "{file}: {id}");
    if let [Some(from), Some(to)] = [0, 1].map(|at| row["rows"][at].as_u64()) {
        assert_eq!((target.rows.start as u64, target.rows.end as u64), (from, to), "{file}: {id}");
        assert_eq!(target.out_features, number(row, "bfl_out"), "{file}: {id}");
    }
    for key in ["bfl", "native", "sgm", "kohya", "kohya_sgm", "kohya_diffusers"] {
        let Some(stem) = text(key) else { continue };
        let place = family.resolve(stem).unwrap_or_else(|| panic!("{file}: {stem}"));
        assert!(place.parts.iter().any(|piece| piece.id == id), "{file}: {stem} is not {id}");
    }
}

fn stem(family: &Family, row: &Value, file: &str) {
    let stem = row["name"].as_str().unwrap();
    let place = family.resolve(stem).unwrap_or_else(|| panic!("{file}: {stem}"));
    assert_eq!((place.out_features, place.in_features), size(row), "{file}: {stem}");
    assert_eq!(place.kernel.is_some(), row["conv"].as_bool().unwrap_or(false), "{file}: {stem}");
}

fn detects(family: &'static Family, rows: &[Value], file: &str) {
    let modules = rows.iter().map(|row| {
        let (out, inputs) = size(row);
        (row["name"].as_str().unwrap(), out, inputs)
    });
    match detect(modules, &std::collections::BTreeMap::new()) {
        Detected::Is(found) => assert_eq!(found.name(), family.name(), "{file}"),
        Detected::Ambiguous(families) => {
            let names: Vec<_> = families.iter().map(|family| family.name()).collect();
            assert!(names.contains(&family.name()), "{file}: {names:?}");
            println!("{file} could be {names:?}");
        }
        Detected::Unknown => panic!("{file} is unknown"),
    }
}
