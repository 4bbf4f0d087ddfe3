//! What a summary says of a file.

use super::{F16, Given, open, source};
use np_lora::adapter::Adapter;
use np_lora::container::{MemorySink, Sink};
use np_lora::example::Example;
use np_lora::fusion::Side;
use pollster::block_on;

#[test]
fn a_summary_says_what_the_file_is() {
    let tags = r#"{"10_dog":{"sks dog":20,"grass":3}}"#;
    let notes =
        [("ss_base_model_version", "sdxl_base_v1-0"), ("ss_output_name", "dog"), ("ss_tag_frequency", tags)];
    let tensors: [Given<'_>; 4] = [
        ("lora_te1_a.lora_down.weight", F16, &[4, 16]),
        ("lora_te1_a.lora_up.weight", F16, &[8, 4]),
        ("lora_unet_b.lora_down.weight", F16, &[8, 16, 3, 3]),
        ("lora_unet_b.lora_up.weight", F16, &[8, 8, 1, 1]),
    ];
    let summary = block_on(Adapter::open(&source(&tensors, &notes), None)).unwrap().summary();
    assert_eq!(
        (summary.kinds[0].value, summary.kinds[1].value, summary.scheme, summary.family.as_deref()),
        ("LoRA", "LoCon", "kohya", Some("SDXL"))
    );
    assert_eq!((summary.modules, summary.text_encoder_modules), (2, 1));
    assert_eq!(summary.title.as_deref(), Some("dog"));
    assert_eq!(summary.trigger_words, ["sks dog"]);
    assert_eq!(
        summary.ranks.iter().map(|share| (share.value, share.modules)).collect::<Vec<_>>(),
        [(4, 1), (8, 1)]
    );
}

#[test]
fn of_two_notes_on_one_thing_the_better_known_counts_where_it_says_something() {
    let lora: [Given<'_>; 2] = [("m.lora_down.weight", F16, &[4, 16]), ("m.lora_up.weight", F16, &[8, 4])];
    let summary =
        |notes: &[(&str, &str)]| block_on(Adapter::open(&source(&lora, notes), None)).unwrap().summary();
    let (base, architecture) =
        (("ss_base_model_version", "sdxl_base"), ("modelspec.architecture", "sdxl/lora"));
    for (notes, base_model) in [
        (&[architecture, base][..], Some("sdxl_base")),
        (&[architecture], Some("sdxl/lora")),
        (&[("ss_base_model_version", " ")], None),
    ] {
        assert_eq!(summary(notes).base_model.as_deref(), base_model, "{notes:?}");
    }
    let output = ("ss_output_name", "dog");
    for (notes, title) in [
        (&[("modelspec.title", "My dog "), output][..], Some("My dog")),
        (&[("modelspec.title", " "), output], Some("dog")),
        (&[("modelspec.title", "")], None),
    ] {
        assert_eq!(summary(notes).title.as_deref(), title, "{notes:?}");
    }
}

#[test]
fn a_summary_says_which_settings_the_file_has_a_use_for() {
    let lora: [Given<'_>; 2] = [("a.lora_down.weight", F16, &[4, 16]), ("a.lora_up.weight", F16, &[8, 4])];
    let small: [Given<'_>; 4] = [
        ("b.hada_w1_a", F16, &[8, 4]),
        ("b.hada_w1_b", F16, &[4, 16]),
        ("b.hada_w2_a", F16, &[8, 4]),
        ("b.hada_w2_b", F16, &[4, 16]),
    ];
    let large: [Given<'_>; 4] = [
        ("c.hada_w1_a", F16, &[640, 32]),
        ("c.hada_w1_b", F16, &[32, 640]),
        ("c.hada_w2_a", F16, &[640, 32]),
        ("c.hada_w2_b", F16, &[32, 640]),
    ];
    let full: [Given<'_>; 1] = [("d.diff", F16, &[8, 16])];
    let dora: [Given<'_>; 1] = [("a.dora_scale", F16, &[8, 1])];
    for (tensors, cut, magnitudes) in [
        ([&lora[..], &small].concat(), 0, 0),
        ([&lora[..], &large, &full].concat(), 2, 0),
        ([&lora[..], &dora, &full].concat(), 1, 1),
    ] {
        let summary = open(&tensors).unwrap().summary();
        assert_eq!((summary.cut, summary.magnitudes), (cut, magnitudes), "{:?}", summary.kinds);
    }
}

#[test]
fn the_example_is_a_stable_diffusion_lora() {
    block_on(async {
        for side in [Side::Content, Side::Style] {
            let mut sink = MemorySink::default();
            Example { side, rank: 4, dtype: F16 }.write(&mut sink).await.unwrap();
            let summary = Adapter::open(&sink.finish().await.unwrap(), None).await.unwrap().summary();
            assert_eq!(
                (summary.family.as_deref(), summary.modules, summary.scheme),
                (Some("SD 1.5"), 192, "kohya")
            );
            assert_eq!(summary.alphas[0].value, Some(2.0));
            assert_eq!(summary.trigger_words.len(), 1);
        }
    });
}
