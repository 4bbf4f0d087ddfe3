// Newton-Schulz: W·(3·I − WᵀW)/2, which brings a nearly orthonormal W to the last digits; the second half of
// src/backend/cpu/jacobi.rs, which needs it less in f64.
//
// One worker an element; y: the job. Also takes W out of the columns `jacobi` leaves.

struct Params {
    rank: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// rank×(2·rank) a job: the second half of row j is column j of W.
@group(0) @binding(1) var<storage, read> columns: array<f32>;
// WᵀW − made by `gram` of the columns − rank×rank a job.
@group(0) @binding(2) var<storage, read> gram_of_w: array<f32>;
// Row j is column j of the better W.
@group(0) @binding(3) var<storage, read_write> w: array<f32>;

@compute @workgroup_size(WORKERS)
fn polish(@builtin(global_invocation_id) id: vec3u) {
    let r = params.rank;
    if id.x >= r * r {
        return;
    }
    let j = id.x / r;
    let i = id.x % r;
    var sum = 0.0;
    for (var l = 0u; l < r; l++) {
        // The small difference from the unit matrix, so that the sum of many is not rounded at 1.
        let beside = gram_of_w[(id.y * r + l) * r + j] - select(0.0, 1.0, l == j);
        sum += columns[(id.y * r + l) * 2u * r + r + i] * beside;
    }
    w[id.y * r * r + id.x] = columns[(id.y * r + j) * 2u * r + r + i] - 0.5 * sum;
}
