// X·Yᵀ of rows of two matrices, p×q a job. Twin: src/backend/cpu/gram.rs
//
// One workgroup makes a square of elements, one a worker, so that what is read of a row serves a whole square. x: the
// square, from left to right, y: from top to bottom, z: the job.

struct Params {
    // p and q, rows of X and of Y.
    x_rows: u32,
    y_rows: u32,
    // Values that are multiplied.
    cols: u32,
    // Values from one row to the next, and where in a row they begin; the same in X and Y.
    stride: u32,
    offset: u32,
    // Rows that a job's matrix has in all, and which the first of X is; the same for Y.
    x_all: u32,
    x_from: u32,
    y_all: u32,
    y_from: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> products: array<f32>;

// Rows and columns of a square; SIDE·SIDE is WORKERS.
const SIDE: u32 = 16u;
// Values of each row that are at hand at a time, and from one row of them to the next: odd, so that neighbours are read
// from different banks.
const DEPTH: u32 = 64u;
const STEP: u32 = 65u;
// So many products are summed up by themselves, and so many sums of DEPTH products. Equal ones are rounded the same way every time, so that
// the error grows with how many are added up: four levels of short sums keep it small.
const RUN: u32 = 16u;
const BLOCK: u32 = 16u;

var<workgroup> of_x: array<f32, SIDE * STEP>;
var<workgroup> of_y: array<f32, SIDE * STEP>;

@compute @workgroup_size(WORKERS)
fn gram(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) worker: u32) {
    let job = group.z;
    let x_first = group.y * SIDE;
    let y_first = group.x * SIDE;
    // Which element of the square is this worker's.
    let i = worker / SIDE;
    let j = worker % SIDE;
    var total = 0.0;
    var block = 0.0;
    var sums = 0u;
    for (var start = 0u; start < params.cols; start += DEPTH) {
        workgroupBarrier(); // the last ones may still be being read
        for (var at = worker; at < SIDE * DEPTH; at += WORKERS) {
            let row = at / DEPTH;
            let column = start + at % DEPTH;
            let inside = column < params.cols;
            // Beyond the last row the last is taken again, and what comes of it not written.
            let x_row = job * params.x_all + params.x_from + min(x_first + row, params.x_rows - 1u);
            let y_row = job * params.y_all + params.y_from + min(y_first + row, params.y_rows - 1u);
            let place = params.offset + min(column, params.cols - 1u);
            of_x[row * STEP + at % DEPTH] = select(0.0, x[x_row * params.stride + place], inside);
            of_y[row * STEP + at % DEPTH] = select(0.0, y[y_row * params.stride + place], inside);
        }
        workgroupBarrier();
        var sum = 0.0;
        for (var first = 0u; first < DEPTH; first += RUN) {
            var run = 0.0;
            for (var k = first; k < first + RUN; k++) {
                run += of_x[i * STEP + k] * of_y[j * STEP + k];
            }
            sum += run;
        }
        block += sum;
        sums++;
        if sums % BLOCK == 0u {
            total += block;
            block = 0.0;
        }
    }
    if x_first + i < params.x_rows && y_first + j < params.y_rows {
        products[(job * params.x_rows + x_first + i) * params.y_rows + y_first + j] = total + block;
    }
}
