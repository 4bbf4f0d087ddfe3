// X·Yᵀ, p×q a job. Twin: src/backend/cpu/gram.rs
//
// One workgroup makes four neighbouring elements of a row: x: which four, y: the row, z: the job.

struct Params {
    // p and q, rows of X and of Y.
    x_rows: u32,
    y_rows: u32,
    // Values that are multiplied.
    cols: u32,
    // Values from one row to the next, and where in a row they begin; the same in X and Y.
    stride: u32,
    offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> products: array<f32>;

@compute @workgroup_size(WORKERS)
fn gram(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) worker: u32) {
    let job = group.z;
    let i = group.y;
    let first = 4u * group.x;
    let last = params.y_rows - 1u;
    let row = (job * params.x_rows + i) * params.stride + params.offset;
    // Beyond the last row the products are made of the last again and not written.
    let j = min(vec4u(first, first + 1u, first + 2u, first + 3u), vec4u(last));
    let rows = (job * params.y_rows + j) * params.stride + params.offset;
    var sum = vec4f();
    for (var at = worker; at < params.cols; at += WORKERS) {
        sum += x[row + at] * vec4f(y[rows.x + at], y[rows.y + at], y[rows.z + at], y[rows.w + at]);
    }
    let total = sum_over_workers(worker, sum);
    if worker < 4u && first + worker <= last {
        products[(job * params.x_rows + i) * params.y_rows + first + worker] = total[worker];
    }
}
