// Weighs the content against its part along the protected directions: keep·A_c + added·(C·P)·Q with C = A_c·Qᵀ (made by
// `gram`).
// Twin: src/backend/cpu/project.rs
//
// normalise: one workgroup takes a power of two out of A_c, or of one of its rows. combine: C·P, one worker an element. blend: one
// worker a column and eight rows. y (blend: z): the job.

struct Params {
    // r_c, rows of the content.
    rows: u32,
    // n.
    cols: u32,
    // r_s, rows of the basis.
    rank: u32,
    keep: f32,
    added: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> content: array<f32>;

// One a workgroup; 0 where its values are zero.
@group(0) @binding(2) var<storage, read_write> exponents: array<i32>;

@compute @workgroup_size(WORKERS)
fn normalise(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) worker: u32,
) {
    let own = group.y * groups.x + group.x;
    let count = params.rows * params.cols;
    let start = own * count;
    var most = 0.0;
    for (var at = worker; at < count; at += WORKERS) {
        most = max(most, abs(content[start + at]));
    }
    most = max_over_workers(worker, most);
    let exponent = select(0, exponent_of(most), most > 0.0);
    for (var at = worker; at < count; at += WORKERS) {
        content[start + at] = scaled(content[start + at], -exponent);
    }
    if worker == 0u {
        exponents[own] = exponent;
    }
}

// C, rows×rank a job.
@group(0) @binding(3) var<storage, read> along: array<f32>;
// P, rank×rank a job.
@group(0) @binding(4) var<storage, read> projectors: array<f32>;
// C·P, rows×rank a job.
@group(0) @binding(5) var<storage, read_write> inside: array<f32>;

@compute @workgroup_size(WORKERS)
fn combine(@builtin(global_invocation_id) id: vec3u) {
    let r = params.rank;
    if id.x >= params.rows * r {
        return;
    }
    let i = id.x / r;
    let j = id.x % r;
    var sum = 0.0;
    for (var l = 0u; l < r; l++) {
        sum += along[(id.y * params.rows + i) * r + l] * projectors[(id.y * r + l) * r + j];
    }
    inside[id.y * params.rows * r + id.x] = sum;
}

// Q, rank×cols a job.
@group(0) @binding(6) var<storage, read> q: array<f32>;
// C·P as `combine` left it.
@group(0) @binding(7) var<storage, read> coefficients: array<f32>;

@compute @workgroup_size(WORKERS)
fn blend(@builtin(global_invocation_id) id: vec3u) {
    let r = params.rank;
    let x = id.x;
    if x >= params.cols {
        return;
    }
    let first = id.y * 8u;
    // Every loop over these has all eight, so that they may lie in registers: beyond the last row it is taken again.
    var sums = array<f32, 8>();
    for (var j = 0u; j < r; j++) {
        let direction = q[(id.z * r + j) * params.cols + x];
        for (var i = 0u; i < 8u; i++) {
            let row = min(first + i, params.rows - 1u);
            sums[i] += coefficients[(id.z * params.rows + row) * r + j] * direction;
        }
    }
    for (var i = 0u; i < 8u; i++) {
        let added = params.added * sums[i];
        // Addition is to be exact: then not even a negative zero may change.
        if first + i < params.rows && (params.keep != 1.0 || added != 0.0) {
            let at = (id.z * params.rows + first + i) * params.cols + x;
            content[at] = params.keep * content[at] + added;
        }
    }
}
