// Stored words -> f32. Twin: src/backend/cpu/decode.rs
//
// One worker a value, in strides of the whole grid; y: the job.

struct Params {
    rows: u32,
    cols: u32,
    // 32-bit words from one job to the next.
    stride: u32,
    // 0: F32, 1: F16, 2: BF16.
    format: u32,
    // 1: write cols×rows instead of rows×cols.
    transposed: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(2) var<storage, read_write> values: array<f32>;

fn value_at(start: u32, at: u32) -> f32 {
    if params.format == 0u {
        return bitcast<f32>(words[start + at]);
    }
    let half = (words[start + at / 2u] >> (16u * (at % 2u))) & 0xffffu;
    if params.format == 1u {
        return from_f16(half);
    }
    return bitcast<f32>(half << 16u);
}

@compute @workgroup_size(WORKERS)
fn decode(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let count = params.rows * params.cols;
    let start = id.y * params.stride;
    let target_start = id.y * count;
    for (var at = id.x; at < count; at += groups.x * WORKERS) {
        var source = at;
        if params.transposed == 1u {
            // at = column·rows + row of the result's cols×rows.
            source = (at % params.rows) * params.cols + at / params.rows;
        }
        values[target_start + at] = value_at(start, source);
    }
}
