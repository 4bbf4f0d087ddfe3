// A = diag(2^exponent)·L·Q: an orthonormal basis of the row space. Twin: src/backend/cpu/basis.rs
//
// By panels of rows, always twice: `gram` gives a panel's inner products with all rows before it, take_out takes them out,
// one worker a column. Of the panel's own inner products factor makes a triangle, and apply makes the rows orthonormal with it,
// one worker a column (Cholesky QR); where the triangle does not bear that, panel does it row by row (Gram-Schmidt), one
// workgroup a job. All of it is done again for what it left ("twice is enough", for blocks: Barlow, Smoktunowicz 2013; for
// Cholesky: Yamamoto, Nakatsukasa, Yanagisawa, Fukaya 2015). The powers of two were taken out of the rows by `normalise`.

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
// Inner products of the panel's rows with each other, count×count a job.
@group(0) @binding(6) var<storage, read> own: array<f32>;
// The inverse of the panel's triangle, PANEL×PANEL a job; zero where it has no row or column.
@group(0) @binding(7) var<storage, read_write> inverse: array<f32>;
// Whether it bears being used: one a job.
@group(0) @binding(8) var<storage, read_write> sound: array<u32>;

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

// A row of which less than this share of the square is left by the panel's rows before it loses more digits in a Gram
// matrix than a second round brings back.
const BEARS: f32 = 1.0 / 64.0;

// 1/√x. Devices may take root and quotient loosely; one step of Newton's brings it to the last digits.
fn inverse_root(x: f32) -> f32 {
    let rough = 1.0 / sqrt(x);
    return rough * (1.5 - 0.5 * x * rough * rough);
}

// The panel's Gram matrix on its way to the triangle, the reciprocals of its diagonal, and its inverse.
var<workgroup> triangle: array<f32, PANEL * PANEL>;
var<workgroup> recips: array<f32, PANEL>;
var<workgroup> inverted: array<f32, PANEL * PANEL>;
var<workgroup> bears: u32;

@compute @workgroup_size(WORKERS)
fn factor(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) worker: u32) {
    let job = group.x;
    let i = worker / PANEL;
    let j = worker % PANEL;
    let inside = max(i, j) < params.count;
    let products = job * params.count * params.count;
    // On the diagonal, all of row i's square.
    let square = select(0.0, own[products + select(0u, i * params.count + j, inside)], inside);
    triangle[worker] = square;
    inverted[worker] = 0.0;
    if worker == 0u {
        bears = 1u;
    }
    workgroupBarrier();
    for (var k = 0u; k < params.count; k++) {
        // Of row k, what the rows before it have left.
        let left = triangle[k * PANEL + k];
        let recip = select(0.0, inverse_root(left), left > 0.0);
        if worker == k * PANEL + k {
            recips[k] = recip;
            if !(left > BEARS * square) {
                bears = 0u;
            }
        }
        workgroupBarrier();
        if j == k && i >= k {
            triangle[worker] *= recip;
        }
        workgroupBarrier();
        if i > k && j > k && j <= i {
            triangle[worker] -= triangle[i * PANEL + k] * triangle[j * PANEL + k];
        }
        workgroupBarrier();
    }
    // Column `worker` of the inverse.
    if worker < params.count {
        for (var row = worker; row < params.count; row++) {
            var sum = select(0.0, 1.0, row == worker);
            for (var k = worker; k < row; k++) {
                sum -= triangle[row * PANEL + k] * inverted[k * PANEL + worker];
            }
            inverted[row * PANEL + worker] = sum * recips[row];
        }
    }
    workgroupBarrier();
    // Rows that each lean a little on the one before lose as much together as one that nearly depends on another. A row of Q
    // is a sum of such parts, whose squares together say how much longer they are than it is.
    if worker < params.count {
        var parts = 0.0;
        for (var k = 0u; k <= worker; k++) {
            let part = inverted[worker * PANEL + k];
            parts += part * part * own[products + k * params.count + k];
        }
        if !(parts < 1.0 / BEARS) {
            bears = 0u;
        }
    }
    let at = l_row(job, min(i, params.count - 1u));
    let place = job * params.rows + params.first + min(i, params.count - 1u);
    // What is left of row i as a share of all of it, the part along the rows before the panel included.
    var share = 0.0;
    if inside && i == j {
        if params.round == 0u {
            var squares = square;
            for (var k = 0u; k < params.first; k++) {
                squares += l[at + k] * l[at + k];
            }
            share = triangle[worker] * select(0.0, inverse_root(squares), squares > 0.0);
        } else {
            share = pivots[place] * triangle[worker];
        }
        if !(share > params.dependent) {
            bears = 0u;
        }
    }
    if workgroupUniformLoad(&bears) == 0u {
        if worker == 0u {
            sound[job] = 0u;
        }
        return;
    }
    // Element (i, j) of the triangle: of the second round, of both together.
    var value = triangle[worker];
    if inside && j <= i && params.round == 1u {
        value = 0.0;
        for (var k = j; k <= i; k++) {
            value += l[at + params.first + k] * triangle[k * PANEL + j];
        }
    }
    storageBarrier();
    if inside && j <= i {
        l[at + params.first + j] = value;
    }
    if inside && i == j {
        pivots[place] = share;
    }
    inverse[job * PANEL * PANEL + worker] = inverted[worker];
    if worker == 0u {
        sound[job] = 1u;
    }
}

// x: the columns, y: the job.
@compute @workgroup_size(WORKERS)
fn apply(@builtin(global_invocation_id) id: vec3u) {
    let job = id.y;
    if id.x >= params.cols || sound[job] == 0u {
        return;
    }
    let start = (job * params.rows + params.first) * params.cols + id.x;
    // As in take_out: in registers.
    var values = array<f32, PANEL>();
    for (var i = 0u; i < PANEL; i++) {
        values[i] = q[start + min(i, params.count - 1u) * params.cols];
    }
    for (var i = 0u; i < PANEL; i++) {
        var sum = 0.0;
        for (var j = 0u; j < PANEL; j++) {
            sum += inverse[(job * PANEL + i) * PANEL + j] * values[j];
        }
        if i < params.count {
            q[start + i * params.cols] = sum;
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
    if worker == 0u {
        bears = sound[job];
    }
    if workgroupUniformLoad(&bears) != 0u {
        return;
    }
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
        let recip = inverse_root(squared);
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
