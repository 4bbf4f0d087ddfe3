// Which of the style's directions are protected, and their projector P = W_k·W_kᵀ. Twin: src/backend/cpu/cut.rs
//
// choose: one workgroup a job sorts the singular values and decides k. projector: one worker an element; y: the job.

struct Params {
    rank: u32,
    // A direction counts if σ > tolerance·σ_1.
    tolerance: f32,
    // At most this many.
    count: u32,
    // The part of the energy that may be given up: 1 − share.
    spare: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// rank a job, not sorted.
@group(0) @binding(1) var<storage, read> sigma: array<f32>;
// rank a job; 0 where the row of Q is zero.
@group(0) @binding(2) var<storage, read> pivots: array<f32>;
// Row j is the right singular vector of σ_j, rank×rank a job.
@group(0) @binding(3) var<storage, read> w: array<f32>;
// The singular values in descending order, and which they were.
@group(0) @binding(4) var<storage, read_write> sorted: array<f32>;
@group(0) @binding(5) var<storage, read_write> order: array<u32>;
// (k, number of live rows) a job.
@group(0) @binding(6) var<storage, read_write> counts: array<vec2u>;
@group(0) @binding(7) var<storage, read_write> projectors: array<f32>;

// σ² in units of σ_1², which cannot leave the range.
fn energy_of(start: u32, i: u32) -> f32 {
    let share = sorted[start + i] / sorted[start];
    return share * share;
}

@compute @workgroup_size(WORKERS)
fn choose(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) worker: u32) {
    let r = params.rank;
    let start = group.x * r;
    for (var at = worker; at < r; at += WORKERS) {
        let own = sigma[start + at];
        var place = 0u;
        for (var other = 0u; other < r; other++) {
            let value = sigma[start + other];
            place += select(0u, 1u, value > own || (value == own && other < at));
        }
        sorted[start + place] = own;
        order[start + place] = at;
    }
    storageBarrier();
    if worker != 0u {
        return;
    }
    var lives = 0u;
    var rank = 0u;
    var energy = 0.0;
    for (var i = 0u; i < r; i++) {
        lives += select(0u, 1u, pivots[start + i] > 0.0);
        if sorted[start + i] > params.tolerance * sorted[start] {
            rank += 1u;
            energy += energy_of(start, i);
        }
    }
    // Gives up directions from the weakest on: sums from the small end are accurate.
    var k = rank;
    var given = 0.0;
    while k > 0u {
        given += energy_of(start, k - 1u);
        if given > params.spare * energy {
            break;
        }
        k -= 1u;
    }
    counts[group.x] = vec2u(min(k, params.count), lives);
}

@compute @workgroup_size(WORKERS)
fn projector(@builtin(global_invocation_id) id: vec3u) {
    let r = params.rank;
    if id.x >= r * r {
        return;
    }
    let i = id.x / r;
    let j = id.x % r;
    let k = counts[id.y].x;
    var sum = 0.0;
    if k == counts[id.y].y {
        // Nothing is cut: the basis itself, exactly.
        sum = select(0.0, 1.0, i == j && pivots[id.y * r + i] > 0.0);
    } else {
        for (var at = 0u; at < k; at++) {
            let column = (id.y * r + order[id.y * r + at]) * r;
            sum += w[column + i] * w[column + j];
        }
    }
    projectors[id.y * r * r + id.x] = sum;
}
