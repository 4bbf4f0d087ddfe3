// f32 -> F32, F16 or BF16 words, rounded to nearest even on integers. Twin: src/backend/cpu/encode.rs
//
// One worker a 32-bit word of the result, in strides of the whole grid; y: the job.

struct Params {
    // Values a job.
    count: u32,
    // 32-bit words a job.
    words: u32,
    // 0: F32, 1: F16, 2: BF16.
    format: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
// A job's factor: scale·2^exponent.
@group(0) @binding(2) var<storage, read> scales: array<f32>;
@group(0) @binding(3) var<storage, read> exponents: array<i32>;
@group(0) @binding(4) var<storage, read_write> words: array<u32>;
// What rounding added to each value, in the value's own units.
@group(0) @binding(5) var<storage, read_write> errors: array<f32>;

const INFINITY: u32 = 0x7f800000u;

// `bits` >> `shift`, to nearest, ties to even.
fn rounded(bits: u32, shift: u32) -> u32 {
    let half = (1u << (shift - 1u)) - 1u;
    return (bits + half + ((bits >> shift) & 1u)) >> shift;
}

fn to_f16(bits: u32) -> u32 {
    let sign = (bits >> 16u) & 0x8000u;
    let magnitude = bits & 0x7fffffffu;
    if magnitude >= 0x47800000u {
        return sign | 0x7c00u; // 65536 and more
    }
    if magnitude >= 0x38800000u {
        return sign | rounded(magnitude - (112u << 23u), 13u);
    }
    // Below 2^-14: an integer times 2^-24.
    let shift = 126u - (magnitude >> 23u);
    if shift > 24u {
        return sign;
    }
    return sign | rounded((magnitude & 0x7fffffu) | 0x800000u, shift);
}

// The word of value `at` of a job, beside the error it makes.
fn word_of(job: u32, at: u32) -> u32 {
    if at >= params.count {
        return 0u;
    }
    let place = job * params.count + at;
    let scale = scales[job];
    let exponent = exponents[job];
    let exact = scaled(values[place] * scale, exponent);
    let bits = bitcast<u32>(exact);
    var word = bits;
    var error = 0.0;
    if params.format == 1u {
        word = to_f16(bits);
        error = from_f16(word) - exact;
    } else if params.format == 2u {
        word = rounded(bits & 0x7fffffffu, 16u) | ((bits >> 16u) & 0x8000u);
        error = bitcast<f32>(word << 16u) - exact;
    }
    errors[place] = select(scaled(error, -exponent) / scale, 0.0, scale == 0.0);
    return word;
}

@compute @workgroup_size(WORKERS)
fn encode(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    for (var at = id.x; at < params.words; at += groups.x * WORKERS) {
        let target_word = id.y * params.words + at;
        if params.format == 0u {
            words[target_word] = word_of(id.y, at);
        } else {
            words[target_word] = word_of(id.y, 2u * at) | (word_of(id.y, 2u * at + 1u) << 16u);
        }
    }
}
