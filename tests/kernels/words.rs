//! `decode` and `encode`.

use crate::bits;
use crate::common::{Random, Words, at_most, normal, values};
use crate::on_both::on_both;
use half::{bf16, f16};
use np_lora::backend::kernels::Kernels;
use np_lora::backend::{Dtype, Stored};
use pollster::block_on;

on_both! {
    every_finite_word_is_decoded_exactly
    odd_counts_are_decoded_exactly
    every_value_of_a_format_is_encoded_as_itself
    values_between_are_rounded_to_nearest_even
    too_large_values_become_infinite
    scaled_values_are_rounded_and_the_error_is_told
    more_values_than_a_dispatch_has_workers_are_all_taken
}

/// Infinite and not-a-number words are refused before they get here.
fn finite(code: u16, dtype: Dtype) -> Option<f32> {
    let value =
        if dtype == Dtype::F16 { f16::from_bits(code).to_f32() } else { bf16::from_bits(code).to_f32() };
    value.is_finite().then_some(value)
}

fn codes(dtype: Dtype) -> Vec<(u16, f32)> {
    (0..=u16::MAX).filter_map(|code| Some((code, finite(code, dtype)?))).collect()
}

fn every_finite_word_is_decoded_exactly<K: Kernels>(kernels: &K) {
    for dtype in [Dtype::F16, Dtype::BF16] {
        let all = codes(dtype);
        let bytes: Vec<u8> = all.iter().flat_map(|(code, _)| code.to_le_bytes()).collect();
        let expected: Vec<u32> = all.iter().map(|(_, value)| value.to_bits()).collect();
        let cols = if dtype == Dtype::F16 { 2048 } else { 255 };
        let rows = all.len() / cols;
        assert_eq!(rows * cols, all.len());
        let stored = Stored { bytes: &bytes, dtype, rows, cols };
        let straight = block_on(kernels.decode(&stored, false)).unwrap();
        assert!(bits(&straight) == expected, "{dtype}");
        let turned = block_on(kernels.decode(&stored, true)).unwrap();
        let expected: Vec<u32> = (0..all.len()).map(|at| expected[at % rows * cols + at / rows]).collect();
        assert!(bits(&turned) == expected, "{dtype} transposed");
    }
    let mut random = Random::new("f32");
    let mut words: Vec<f32> =
        (0..4094).map(|_| (random.normal() * 10f64.powf(70.0 * random.unit() - 35.0)) as f32).collect();
    words.extend([f32::from_bits(1), -f32::from_bits(0x7f_ffff)]);
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    let stored = Stored { bytes: &bytes, dtype: Dtype::F32, rows: 64, cols: 64 };
    assert!(bits(&block_on(kernels.decode(&stored, false)).unwrap()) == bits(&words));
}

fn odd_counts_are_decoded_exactly<K: Kernels>(kernels: &K) {
    for dtype in [Dtype::F16, Dtype::BF16, Dtype::F32] {
        for (rows, cols) in [(1, 1), (1, 3), (3, 1), (5, 7), (17, 23), (300, 1), (65, 129)] {
            let words = Words::new(&normal("odd", rows, cols), dtype);
            let straight = block_on(kernels.decode(&words.stored(), false)).unwrap();
            assert_eq!(straight, values(&words.matrix()), "{dtype} {rows}×{cols}");
            let turned = block_on(kernels.decode(&words.stored(), true)).unwrap();
            assert_eq!(turned, values(&words.matrix().transpose()), "{dtype} {rows}×{cols} transposed");
        }
    }
}

/// The words of encoded values, with what rounding added.
fn encoded<K: Kernels>(kernels: &K, values: &[f32], scale: f32, dtype: Dtype) -> (Vec<u16>, Vec<f32>) {
    let (bytes, errors) = block_on(kernels.encode(values, scale, dtype)).unwrap();
    assert_eq!((bytes.len(), errors.len()), (2 * values.len(), values.len()));
    (bytes.chunks_exact(2).map(|w| u16::from_le_bytes([w[0], w[1]])).collect(), errors)
}

fn narrow(value: f32, dtype: Dtype) -> u16 {
    if dtype == Dtype::F16 { f16::from_f32(value).to_bits() } else { bf16::from_f32(value).to_bits() }
}

/// A device may take an f32 below 2^-126 for zero.
fn normal_f32(value: f32) -> bool {
    value == 0.0 || value.abs() >= f32::MIN_POSITIVE
}

fn every_value_of_a_format_is_encoded_as_itself<K: Kernels>(kernels: &K) {
    for dtype in [Dtype::F16, Dtype::BF16] {
        let (words, given): (Vec<u16>, Vec<f32>) =
            codes(dtype).into_iter().filter(|(_, value)| normal_f32(*value)).unzip();
        let (encoded, errors) = encoded(kernels, &given, 1.0, dtype);
        assert!(encoded == words, "{dtype}");
        assert!(errors.iter().all(|&error| error == 0.0), "{dtype}");
    }
    for count in [1, 2, 3, 7, 255, 513] {
        let given = values(&normal("count", 1, count));
        let (bytes, errors) = block_on(kernels.encode(&given, 1.0, Dtype::F32)).unwrap();
        assert_eq!(bytes, given.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>());
        assert_eq!(errors, vec![0.0; count]);
        for dtype in [Dtype::F16, Dtype::BF16] {
            let (words, _) = encoded(kernels, &given, 1.0, dtype);
            assert_eq!(words, given.iter().map(|&v| narrow(v, dtype)).collect::<Vec<_>>());
        }
    }
}

fn values_between_are_rounded_to_nearest_even<K: Kernels>(kernels: &K) {
    for dtype in [Dtype::F16, Dtype::BF16] {
        let mut given = Vec::new();
        for (code, low) in codes(dtype) {
            let Some(high) = code.checked_add(1).and_then(|next| finite(next, dtype)) else { continue };
            // Exact: a neighbour's distance has few bits.
            let middle = ((f64::from(low) + f64::from(high)) / 2.0) as f32;
            let beside = [-1i32, 0, 1].map(|step| f32::from_bits(middle.to_bits().wrapping_add_signed(step)));
            given.extend(beside.into_iter().filter(|&value| normal_f32(value)));
        }
        assert!(given.len() > 150_000);
        let (words, errors) = encoded(kernels, &given, 1.0, dtype);
        for ((&value, &word), &error) in given.iter().zip(&words).zip(&errors) {
            assert_eq!(word, narrow(value, dtype), "{dtype} {value:e}");
            let added = f64::from(finite(word, dtype).unwrap()) - f64::from(value);
            // Near 2^-126 the error itself may be below what a device can hold.
            assert!(
                (f64::from(error) - added).abs() < f64::from(f32::MIN_POSITIVE),
                "{dtype} {value:e}: {error:e}"
            );
        }
    }
}

fn too_large_values_become_infinite<K: Kernels>(kernels: &K) {
    let below = f32::from_bits(65520f32.to_bits() - 1);
    let (words, _) = encoded(kernels, &[below, 65520.0, 65536.0, -1e30, f32::MAX], 1.0, Dtype::F16);
    assert_eq!(words, [0x7bff, 0x7c00, 0x7c00, 0xfc00, 0x7c00]);
    let below = f32::from_bits(0x7f7f_7fff);
    let (words, _) = encoded(kernels, &[below, f32::from_bits(0x7f7f_8000), -f32::MAX], 1.0, Dtype::BF16);
    assert_eq!(words, [0x7f7f, 0x7f80, 0xff80]);
    let (words, _) = encoded(kernels, &[1000.0, -1000.0], 100.0, Dtype::F16);
    assert_eq!(words, [0x7c00, 0xfc00]);
}

fn scaled_values_are_rounded_and_the_error_is_told<K: Kernels>(kernels: &K) {
    let given = values(&normal("scaled", 1, 5001));
    for dtype in [Dtype::F16, Dtype::BF16] {
        for scale in [0.375, 1.0 / 3.0, -1.7, 1e-3] {
            let (words, errors) = encoded(kernels, &given, scale, dtype);
            for ((&value, &word), &error) in given.iter().zip(&words).zip(&errors) {
                assert_eq!(word, narrow(value * scale, dtype), "{value} · {scale}");
                let added = f64::from(finite(word, dtype).unwrap()) / f64::from(scale) - f64::from(value);
                at_most((f64::from(error) - added).abs(), 2e-7 * f64::from(value.abs()), "error");
            }
        }
        let (words, errors) = encoded(kernels, &given, 0.0, dtype);
        assert!(
            words.iter().all(|&word| finite(word, dtype) == Some(0.0)) && errors.iter().all(|&e| e == 0.0)
        );
    }
    let (bytes, _) = block_on(kernels.encode(&given, 1.0 / 3.0, Dtype::F32)).unwrap();
    let third = given.iter().flat_map(|v| (v * (1.0f32 / 3.0)).to_le_bytes());
    assert_eq!(bytes, third.collect::<Vec<_>>());
}

fn more_values_than_a_dispatch_has_workers_are_all_taken<K: Kernels>(kernels: &K) {
    let count = 16_384 * 256 + 999;
    let given: Vec<f32> = (0..count).map(|at| at as f32).collect();
    let bytes: Vec<u8> = given.iter().flat_map(|value| value.to_le_bytes()).collect();
    let stored = Stored { bytes: &bytes, dtype: Dtype::F32, rows: 1, cols: given.len() };
    assert!(block_on(kernels.decode(&stored, false)).unwrap() == given);
    assert!(block_on(kernels.encode(&given, 1.0, Dtype::F32)).unwrap().0 == bytes);
}
