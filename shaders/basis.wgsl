// A = diag(2^exponent)·L·Q: an orthonormal basis of the row space. Twin: src/backend/cpu/basis.rs
//
// Gram-Schmidt by panels of rows, always twice: `gram` gives a panel's inner products with all rows before it, take_out
// takes them out, one worker a column, and panel makes the panel's own rows orthonormal, one workgroup a job. All of that is done
// again for what it left ("twice is enough", for blocks: Barlow, Smoktunowicz 2013). The powers of two were taken out of
// the rows by `normalise`.

struct Params {
    rows: u32,
    cols: u32,
    // A row with less than this share left depends on the rows before it.
    dependent: f32,
    // The panel's first row, and how many there are: at most PANEL.
    first: u32,
    count: u32,
    // 0, and 1 when it is done again.
    round: u32,
}

const PANEL: u32 = 16u;

@group(0) @binding(0) var<uniform> params: Params;
// A on entry, Q on return: rows×cols a job.
@group(0) @binding(1) var<storage, read_write> q: array<f32>;
// rows×rows a job, lower triangular; zero on entry.
@group(0) @binding(2) var<storage, read_write> l: array<f32>;
// rows a job; becomes ZERO_ROW for a zero row.
@group(0) @binding(3) var<storage, read_write> exponents: array<i32>;
// What is left of each row, as a share of it; 0 for a dropped row.
@group(0) @binding(4) var<storage, read_write> pivots: array<f32>;
// Inner products of the rows before the panel with the panel's, first×count a job.
@group(0) @binding(5) var<storage, read> before: array<f32>;

// Where a row of L begins.
fn l_row(job: u32, row: u32) -> u32 {
    return (job * params.rows + params.first + row) * params.rows;
}

// Takes the rows before the panel out of it. x: the columns, y: the job.
@compute @workgroup_size(WORKERS)
fn take_out(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) worker: u32) {
    let job = group.y;
    let products = job * params.first * params.count;
    if group.x == 0u {
        for (var at = worker; at < params.first * params.count; at += WORKERS) {
            let i = at / params.first;
            let j = at % params.first;
            var taken = 0.0;
            if params.round == 0u {
                taken = before[products + j * params.count + i];
            } else {
                // The rows are combinations of what is left of them by now.
                for (var k = 0u; k <= i; k++) {
                    taken += l[l_row(job, i) + params.first + k] * before[products + j * params.count + k];
                }
            }
            l[l_row(job, i) + j] += taken;
        }
    }
    let x = group.x * WORKERS + worker;
    if x >= params.cols {
        return;
    }
    let start = job * params.rows * params.cols + x;
    // Every loop over these has all of them, so that they may lie in registers.
    var sums = array<f32, PANEL>();
    for (var j = 0u; j < params.first; j++) {
        let row = q[start + j * params.cols];
        let at = products + j * params.count;
        // Beyond the panel's last row sums are made of what comes next, and not used.
        for (var i = 0u; i < PANEL; i++) {
            sums[i] += before[at + i] * row;
        }
    }
    for (var i = 0u; i < PANEL; i++) {
        if i < params.count {
            q[start + (params.first + i) * params.cols] -= sums[i];
        }
    }
}

// Inner products of the row in hand with the panel's rows before it.
var<workgroup> along: array<f32, PANEL>;
// What was taken along them, and what was left of the row itself.
var<workgroup> taken: array<f32, PANEL>;
// The triangle of the second round.
var<workgroup> second: array<f32, PANEL * PANEL>;

fn square(worker: u32, row: u32) -> f32 {
    var sum = 0.0;
    for (var x = worker; x < params.cols; x += WORKERS) {
        sum += q[row + x] * q[row + x];
    }
    return sum_over_workers(worker, vec4f(sum, 0.0, 0.0, 0.0)).x;
}

// Takes the panel's rows 0..i out of row i, and adds what it took to `taken`. Worker w owns the columns w, w+256, … of
// every row, so what it reads of earlier rows it has written itself, and only the inner products cross workers.
fn orthogonalise(worker: u32, start: u32, i: u32) {
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
            taken[j + worker] += total[worker];
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
fn panel(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) worker: u32) {
    let job = group.x;
    let start = (job * params.rows + params.first) * params.cols;
    for (var i = 0u; i < params.count; i++) {
        let row = start + i * params.cols;
        let at = l_row(job, i);
        let place = job * params.rows + params.first + i;
        if worker < PANEL {
            taken[worker] = 0.0;
        }
        workgroupBarrier();
        orthogonalise(worker, start, i);
        if params.round == 0u {
            orthogonalise(worker, start, i);
        }
        let squared = square(worker, row);
        // Devices may take root and quotient loosely; one step of Newton's brings rows to their length in all digits.
        let rough = 1.0 / sqrt(squared);
        let recip = rough * (1.5 - 0.5 * squared * rough * rough);
        let left = select(0.0, squared * recip, squared > 0.0);

        var share = 0.0;
        if params.round == 0u {
            // The whole row's square is that of what was taken and what is left.
            var squares = 0.0;
            for (var j = worker; j < params.first; j += WORKERS) {
                squares += l[at + j] * l[at + j];
            }
            if worker < i {
                squares += taken[worker] * taken[worker];
            }
            let whole = sqrt(left * left + sum_over_workers(worker, vec4f(squares, 0.0, 0.0, 0.0)).x);
            share = left / whole;
            if worker == 0u && whole == 0.0 {
                exponents[place] = ZERO_ROW;
            }
        } else {
            share = pivots[place] * left;
        }
        let live = left > 0.0 && share > params.dependent;
        let norm = select(0.0, recip, live);
        for (var x = worker; x < params.cols; x += WORKERS) {
            q[row + x] *= norm;
        }
        // Column j of this row of the triangle.
        let j = min(worker, i);
        var value = select(taken[j], select(0.0, left, live), j == i);
        if params.round == 1u {
            if worker <= i {
                second[i * PANEL + j] = value;
            }
            workgroupBarrier();
            value = 0.0;
            for (var k = j; k <= i; k++) {
                value += l[at + params.first + k] * second[k * PANEL + j];
            }
        }
        storageBarrier();
        if worker <= i {
            l[at + params.first + j] = value;
        }
        if worker == 0u {
            pivots[place] = select(0.0, share, live);
        }
        workgroupBarrier(); // `taken` was being read
    }
}
