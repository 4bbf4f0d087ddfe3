// core[p][j] = Σ_i up.l[i][p]·2^(up.exponent[i] + down.exponent[i] − E)·down.l[i][j]. Twin: src/backend/cpu/core.rs
//
// One worker an element; y: the job. Written by columns, each followed by its column of the unit matrix, as `jacobi`
// takes it.

struct Params {
    rank: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> up_l: array<f32>;
@group(0) @binding(2) var<storage, read> up_exponents: array<i32>;
@group(0) @binding(3) var<storage, read> down_l: array<f32>;
@group(0) @binding(4) var<storage, read> down_exponents: array<i32>;
// rank×(2·rank) a job: row j is column j of the core, then of the unit matrix.
@group(0) @binding(5) var<storage, read_write> columns: array<f32>;
// E, one a job.
@group(0) @binding(6) var<storage, read_write> largest: array<i32>;

// The power of two of term i; ZERO_ROW if either row is zero.
fn exponent(job: u32, i: u32) -> i32 {
    let up = up_exponents[job * params.rank + i];
    let down = down_exponents[job * params.rank + i];
    return select(up + down, ZERO_ROW, up == ZERO_ROW || down == ZERO_ROW);
}

@compute @workgroup_size(WORKERS)
fn core(@builtin(global_invocation_id) id: vec3u) {
    let r = params.rank;
    let job = id.y;
    if id.x >= r * r {
        return;
    }
    var most = ZERO_ROW;
    for (var i = 0u; i < r; i++) {
        most = max(most, exponent(job, i));
    }
    let p = id.x % r;
    let j = id.x / r;
    let start = job * r * r;
    var sum = 0.0;
    for (var i = max(p, j); i < r; i++) {
        let power = exponent(job, i);
        if power != ZERO_ROW {
            sum += up_l[start + i * r + p] * power_of_two(power - most) * down_l[start + i * r + j];
        }
    }
    let column = (job * r + j) * 2u * r;
    columns[column + p] = sum;
    columns[column + r + p] = select(0.0, 1.0, p == j);
    if id.x == 0u {
        largest[job] = select(most, 0, most == ZERO_ROW);
    }
}
