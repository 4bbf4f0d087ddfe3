//! What a device says its kernels took.

use crate::common::{Words, gpu, normal};
use np_lora::backend::gpu::Gpu;
use np_lora::backend::{Backend, Batch, Blend, Cut, Dtype, Job};
use pollster::block_on;

#[test]
fn every_dispatch_is_timed_by_the_device_where_that_was_asked_for() {
    let words = |seed: &str, rows, cols| Words::new(&normal(seed, rows, cols), Dtype::F16);
    let (a_s, b_s, a_c) = (words("a_s", 20, 300), words("b_s", 200, 20), words("a_c", 4, 300));
    let job =
        Job { style_down: a_s.stored(), style_up: b_s.stored(), content_down: a_c.stored(), scale: 1.0 };
    let blends = [Blend::without(0.5)];
    let batch = Batch { jobs: &[job], cut: Cut::All, blends: &blends, output: Dtype::F16 };

    let timed = block_on(Gpu::timed(true)).unwrap();
    block_on(timed.project(&batch)).unwrap();
    let spent = timed.spent().expect("a device with a clock");
    let dispatches: Vec<_> = spent.iter().map(|(&name, spent)| (name, spent.dispatches)).collect();
    // Two panels, each twice; rows are normalised, and the content.
    let expected = [
        ("apply", 4),
        ("blend", 1),
        ("decode", 2),
        ("encode", 1),
        ("factor", 4),
        ("gram", 9),
        ("normalise", 2),
        ("panel", 4),
        ("take_out", 2),
    ];
    assert_eq!(dispatches, expected);
    // A clock may be too coarse for some of them.
    let seconds: f64 = spent.values().map(|spent| spent.seconds).sum();
    assert!(seconds > 0.0 && seconds < 60.0, "{spent:?}");
    assert!(timed.spent().expect("the same clock").is_empty(), "the sums begin anew");

    let gpu = gpu();
    block_on(gpu.project(&batch)).unwrap();
    assert_eq!(gpu.spent(), None);
}
