// A = diag(2^exponent)·L·Q: an orthonormal basis of the row space. Twin: src/backend/cpu/basis.rs
//
// Classical Gram-Schmidt, always twice, row by row; one workgroup a job. Worker w owns the columns w, w+256, … of every
// row, so what it reads of earlier rows it has written itself, and only the inner products cross workers.

struct Params {
    rows: u32,
    cols: u32,
    // A row with less than this share left depends on the rows before it.
    dependent: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// A on entry, Q on return: rows×cols a job.
@group(0) @binding(1) var<storage, read_write> q: array<f32>;
// rows×rows a job, lower triangular.
@group(0) @binding(2) var<storage, read_write> l: array<f32>;
// rows a job; ZERO_ROW for a zero row.
@group(0) @binding(3) var<storage, read_write> exponents: array<i32>;
// What is left of each row, as a share of it; 0 for a dropped row.
@group(0) @binding(4) var<storage, read_write> pivots: array<f32>;

// Inner products of the row in hand with all rows before it.
var<workgroup> along: array<f32, 256>;

fn largest(worker: u32, row: u32) -> f32 {
    var most = 0.0;
    for (var x = worker; x < params.cols; x += WORKERS) {
        most = max(most, abs(q[row + x]));
    }
    return max_over_workers(worker, most);
}

fn square(worker: u32, row: u32) -> f32 {
    var sum = 0.0;
    for (var x = worker; x < params.cols; x += WORKERS) {
        sum += q[row + x] * q[row + x];
    }
    return sum_over_workers(worker, vec4f(sum, 0.0, 0.0, 0.0)).x;
}

// Takes rows 0..i out of row i and adds what was taken to row i of L.
fn orthogonalise(worker: u32, start: u32, i: u32, l_row: u32) {
    let row = start + i * params.cols;
    // Four inner products at a time.
    for (var j = 0u; j < i; j += 4u) {
        var sum = vec4f();
        // Beyond the last earlier row the products are made of row 0 again and not used.
        let j1 = select(0u, j + 1u, j + 1u < i);
        let j2 = select(0u, j + 2u, j + 2u < i);
        let j3 = select(0u, j + 3u, j + 3u < i);
        let rows = vec4u(j, j1, j2, j3) * params.cols + start;
        for (var x = worker; x < params.cols; x += WORKERS) {
            sum += q[row + x] * vec4f(q[rows.x + x], q[rows.y + x], q[rows.z + x], q[rows.w + x]);
        }
        let total = sum_over_workers(worker, sum);
        if worker < 4u && j + worker < i {
            along[j + worker] = total[worker];
            l[l_row + j + worker] += total[worker];
        }
    }
    workgroupBarrier();
    for (var x = worker; x < params.cols; x += WORKERS) {
        var value = q[row + x];
        for (var j = 0u; j < i; j++) {
            value -= along[j] * q[start + j * params.cols + x];
        }
        q[row + x] = value;
    }
    workgroupBarrier();
}

@compute @workgroup_size(WORKERS)
fn basis(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) worker: u32) {
    let job = group.x;
    let start = job * params.rows * params.cols;
    for (var i = 0u; i < params.rows; i++) {
        let row = start + i * params.cols;
        let l_row = (job * params.rows + i) * params.rows;
        for (var j = worker; j < params.rows; j += WORKERS) {
            l[l_row + j] = 0.0;
        }
        // Workers 0 to 3 add to what others have just cleared.
        storageBarrier();

        let most = largest(worker, row);
        let exponent = exponent_of(most);
        for (var x = worker; x < params.cols; x += WORKERS) {
            q[row + x] = scaled(q[row + x], -exponent);
        }
        let own = sqrt(square(worker, row));
        orthogonalise(worker, start, i, l_row);
        orthogonalise(worker, start, i, l_row);
        let left = sqrt(square(worker, row));

        let live = most > 0.0 && left > params.dependent * own;
        let norm = select(0.0, 1.0 / left, live);
        for (var x = worker; x < params.cols; x += WORKERS) {
            q[row + x] *= norm;
        }
        if worker == 0u {
            l[l_row + i] = select(0.0, left, live);
            exponents[job * params.rows + i] = select(ZERO_ROW, exponent, most > 0.0);
            pivots[job * params.rows + i] = select(0.0, left / own, live);
        }
    }
}
