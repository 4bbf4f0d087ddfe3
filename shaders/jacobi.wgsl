// core·W = U·Σ by one-sided Jacobi, and W made orthonormal to the last digits. Twin: src/backend/cpu/jacobi.rs
//
// jacobi: one workgroup a job, and one sweep a dispatch, since a device gives up on one that takes seconds. In each round of
// a sweep every column has one partner (round-robin tournament), so the rotations of a round are independent; each pair has
// its own group of workers. The columns lie in storage memory, as a core of rank 256 does not fit the workgroup's. polish:
// one worker an element; y: the job.

struct Params {
    rank: u32,
    // Pairs in a round: half the rank, rounded up.
    pairs: u32,
    // Workers a pair: a power of two, pairs·team <= 256.
    team: u32,
    // Columns count as orthogonal if their cosine is at most this.
    orthogonal: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// rank×(2·rank) a job: row j is column j of core·W, then column j of W.
@group(0) @binding(1) var<storage, read_write> columns: array<f32>;
// rank a job.
@group(0) @binding(2) var<storage, read_write> sigma: array<f32>;
// WᵀW, which `gram` has made of the columns: rank×rank a job.
@group(0) @binding(3) var<storage, read> gram_of_w: array<f32>;
// Row j is column j of the better W, rank×rank a job.
@group(0) @binding(4) var<storage, read_write> w: array<f32>;
// Whether the last sweep has found nothing to do: one a job.
@group(0) @binding(5) var<storage, read_write> done: array<u32>;

var<workgroup> rotation: array<vec2f, 128>;
var<workgroup> rotated: u32;

// The columns of pair `pair` in round `round`: the last stays, the others move round the table. With an odd rank the
// one that would meet column `rank` has no partner.
fn partners(round: u32, pair: u32) -> vec2u {
    let seats = 2u * params.pairs - 1u;
    if pair == 0u {
        return vec2u(round % seats, seats);
    }
    let a = (round + pair) % seats;
    let b = (round + seats - pair) % seats;
    return vec2u(min(a, b), max(a, b));
}

@compute @workgroup_size(WORKERS)
fn jacobi(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) worker: u32) {
    let r = params.rank;
    let start = group.x * 2u * r * r;
    let pair = worker / params.team;
    let lane = worker % params.team;
    if worker == 0u {
        rotated = select(1u, 0u, done[group.x] != 0u);
    }
    if workgroupUniformLoad(&rotated) == 0u {
        return;
    }
    if worker == 0u {
        rotated = 0u;
    }
    for (var round = 0u; round < 2u * params.pairs - 1u; round++) {
        let both = partners(round, pair);
        let plays = pair < params.pairs && both.y < r;
        let x = start + both.x * 2u * r;
        let y = start + both.y * 2u * r;
        // (‖x‖², ‖y‖², x·y) of the columns of core·W, first by lanes.
        var sum = vec4f();
        if plays {
            for (var i = lane; i < r; i += params.team) {
                let a = columns[x + i];
                let b = columns[y + i];
                sum += vec4f(a * a, b * b, a * b, 0.0);
            }
        }
        partial[worker] = sum;
        workgroupBarrier();
        if plays && lane == 0u {
            for (var other = 1u; other < params.team; other++) {
                sum += partial[worker + other];
            }
            var turn = vec2f(1.0, 0.0);
            if abs(sum.z) > params.orthogonal * sqrt(sum.x) * sqrt(sum.y) {
                let zeta = (sum.y - sum.x) / (2.0 * sum.z);
                // 1/(|ζ| + √(1+ζ²)), for a large ζ without squaring it.
                let size = abs(zeta);
                let root = select(sqrt(1.0 + size * size), size, size > 1e8);
                let tangent = select(1.0, -1.0, zeta < 0.0) / (size + root);
                let cosine = 1.0 / sqrt(1.0 + tangent * tangent);
                turn = vec2f(cosine, cosine * tangent);
                // Devices may take the root loosely; thousands of rotations must not stretch anything.
                turn -= 0.5 * (dot(turn, turn) - 1.0) * turn;
                rotated = 1u;
            }
            rotation[pair] = turn;
        }
        workgroupBarrier();
        if plays && rotation[pair].y != 0.0 {
            let turn = rotation[pair];
            for (var i = lane; i < 2u * r; i += params.team) {
                let a = columns[x + i];
                let b = columns[y + i];
                columns[x + i] = turn.x * a - turn.y * b;
                columns[y + i] = turn.y * a + turn.x * b;
            }
        }
        storageBarrier();
    }
    if worker == 0u && rotated == 0u {
        done[group.x] = 1u;
    }
    for (var j = worker; j < r; j += WORKERS) {
        var sum = 0.0;
        for (var i = 0u; i < r; i++) {
            let value = columns[start + j * 2u * r + i];
            sum += value * value;
        }
        sigma[group.x * r + j] = sqrt(sum);
    }
}

// Newton-Schulz: W·(3·I − WᵀW)/2, which brings a nearly orthonormal W to the last digits. (In f64 nothing is left to do.)
@compute @workgroup_size(WORKERS)
fn polish(@builtin(global_invocation_id) id: vec3u) {
    let r = params.rank;
    if id.x >= r * r {
        return;
    }
    let start = id.y * 2u * r * r;
    let j = id.x / r;
    let i = id.x % r;
    var sum = 0.0;
    for (var l = 0u; l < r; l++) {
        // The small difference from the unit matrix, so that the sum of many is not rounded at 1.
        let beside = gram_of_w[(id.y * r + l) * r + j] - select(0.0, 1.0, l == j);
        sum += columns[start + l * 2u * r + r + i] * beside;
    }
    w[id.y * r * r + id.x] = columns[start + j * 2u * r + r + i] - 0.5 * sum;
}
