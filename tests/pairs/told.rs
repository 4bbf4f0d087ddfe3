//! What the page is told has the fields that its types say (www/core/types.ts), neither more nor fewer: TypeScript cannot know.

use super::files::{File, fuse, random};
use np_lora::adapter::Adapter;
use np_lora::container::MemorySource;
use np_lora::fusion::analysis::{Analysis, Outlook, spectra};
use np_lora::fusion::compare::compare;
use np_lora::fusion::{self, Alone, Input, Pair, Plan, Settings, Sources};
use pollster::block_on;
use serde::Serialize;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeSet;

const TYPES: &str = include_str!("../../www/core/types.ts");

/// The names of an interface's fields, those of what it extends too.
fn fields(interface: &str) -> BTreeSet<String> {
    let (_, rest) = TYPES.split_once(&format!("\nexport interface {interface} ")).unwrap();
    let (head, body) = rest.split_once("{\n").unwrap();
    let (body, _) = body.split_once("\n}\n").unwrap();
    let code = body.lines().filter(|line| !line.trim().starts_with("/**"));
    let code = code.map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut fields = head.trim().strip_prefix("extends ").map(|of| fields(of.trim())).unwrap_or_default();
    let mut depth = 0;
    let mut word = String::new();
    for letter in code.chars() {
        match letter {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            ':' if depth == 0 => {
                let name = word.split_whitespace().last().unwrap_or_default().trim_end_matches('?');
                fields.insert(name.to_owned());
            }
            ';' => word.clear(),
            _ => word.push(letter),
        }
    }
    fields
}

fn is(interface: &str, value: &Value) {
    let told: BTreeSet<String> = value.as_object().unwrap().keys().cloned().collect();
    assert_eq!(told, fields(interface), "{interface}");
}

fn value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap()
}

fn file(seed: &str) -> File {
    let stems = ["input_blocks_4_1", "middle_block_1"]
        .map(|at| format!("lora_unet_{at}_transformer_blocks_0_attn1_to_q"));
    stems.iter().zip([640, 1280]).fold(
        File::default().note("ss_base_model_version", "sdxl_base_v1-0"),
        |file, (stem, n)| {
            file.lora(
                stem,
                &random(&format!("{seed} b"), n, 2),
                &random(&format!("{seed} a"), 2, n),
                Some(1.0),
            )
        },
    )
}

#[test]
fn what_the_page_is_told_is_what_its_types_say() {
    assert_eq!(fields("MapCell").len(), 3 + fields("Tally").len(), "as this test reads them");
    let settings = Settings { content_strength: 9.0, ..Settings::default() };
    let sources = [file("c").named("content.safetensors"), file("s").named("style.safetensors")];
    let adapters = [0, 1].map(|at: usize| block_on(Adapter::open(&sources[at], None)).unwrap());
    let input = |at: usize| Some(Input { adapter: &adapters[at], source: &sources[at] });
    let pair = Sources { content: input(0), style: input(1) };

    let summary = value(&adapters[0].summary());
    is("Summary", &summary);
    is("Scale", &summary["scales"][0]["value"]);
    let plan = Plan::new(Pair { content: Some(&adapters[0]), style: Some(&adapters[1]) }, &settings).unwrap();
    let fit = value(&plan.fit());
    is("PairFit", &fit);
    is("Tensors", &fit["contentTensors"]);
    is("SchemeChoice", &fit["scheme"]);
    is("LoadedBy", &fit["scheme"]["loadedBy"][0]);

    let known = RefCell::<Analysis>::default();
    block_on(fusion::analyse(&pair, &settings, &known, &Alone, &mut super::files::Nobody)).unwrap();
    let outlook = value(&Outlook::of(&plan, &known.borrow()));
    is("Outlook", &outlook);
    is("Tally", &outlook["whole"]);
    is("CurvePoint", &outlook["curve"][0]);
    is("MapCell", &outlook["cells"][0]);
    is("ModuleOutlook", &outlook["modules"][0]);
    let name = outlook["modules"][0]["name"].as_str().unwrap();
    is("Spectra", &value(&block_on(spectra(&pair, &settings, name)).unwrap()));

    let fused = fuse(Some(&file("c")), Some(&file("s")), &settings).unwrap();
    let report = value(&fused.report);
    is("Report", &report);
    is("ModuleReport", &report["modules"][0]);
    is("Spread", &report["overlap"]);
    // What is left to the defaults' choice is not said.
    let said: BTreeSet<String> = report["settings"].as_object().unwrap().keys().cloned().collect();
    assert!(said.is_subset(&fields("Settings")), "{said:?}");

    let third = MemorySource::new("third.safetensors", fused.bytes);
    let adapter = block_on(Adapter::open(&third, None)).unwrap();
    let input = Input { adapter: &adapter, source: &third };
    let comparison = value(&block_on(compare(&pair, &settings, input, &mut super::files::Nobody)).unwrap());
    is("Comparison", &comparison);
    is("Likeness", &comparison["whole"]);
    is("Judgement", &comparison["judgement"]);
    is("Target", &comparison["targets"][0]);
    is("ComparedPart", &comparison["parts"]["both"]);
}
