// What several kernels use. Put in front of each kernel's own text.
//
// Every matrix is row-major f32. A dispatch works on a batch of jobs of one shape: job j's matrix follows job j−1's.
// WGSL lets a device flush subnormals, round as it likes and assume that NaN and infinity never occur; so powers of two
// are taken out of the data first, and what must be exact is done on integers.

const WORKERS: u32 = 256u;

// Stands for "this row is zero" where a row's power of two is expected.
const ZERO_ROW: i32 = -100000;

// 2^power, 0 below the range of f32. power <= 127.
fn power_of_two(power: i32) -> f32 {
    return select(bitcast<f32>(u32(power + 127) << 23u), 0.0, power < -126);
}

// x·2^power in steps that stay in range as long as the result does. |power| <= 378.
fn scaled(x: f32, power: i32) -> f32 {
    let third = power / 3;
    return x * power_of_two(third) * power_of_two(third) * power_of_two(power - 2 * third);
}

// A finite F16 word. Subnormals are an integer times 2^-24, which no device flushes.
fn from_f16(half: u32) -> f32 {
    let exponent = (half >> 10u) & 31u;
    let mantissa = half & 1023u;
    let normal = bitcast<f32>(((exponent + 112u) << 23u) | (mantissa << 13u));
    let subnormal = f32(mantissa) * power_of_two(-24);
    let magnitude = select(normal, subnormal, exponent == 0u);
    return select(magnitude, -magnitude, (half & 0x8000u) != 0u);
}

// Power of two of a positive number: 2^e <= x < 2^(e+1).
fn exponent_of(x: f32) -> i32 {
    return i32((bitcast<u32>(x) >> 23u) & 255u) - 127;
}

// Values are gathered in two steps, first by so many workers: barriers cost more than additions.
const GATHERERS: u32 = 16u;

var<workgroup> partial: array<vec4f, WORKERS>;

// The sum over the workgroup of one vec4 from each worker, for all of them. Call in uniform control flow.
fn sum_over_workers(worker: u32, value: vec4f) -> vec4f {
    workgroupBarrier(); // an earlier result may still be being read
    partial[worker] = value;
    workgroupBarrier();
    if worker < GATHERERS {
        var sum = value;
        for (var other = worker + GATHERERS; other < WORKERS; other += GATHERERS) {
            sum += partial[other];
        }
        partial[worker] = sum;
    }
    workgroupBarrier();
    var sum = partial[0];
    for (var other = 1u; other < GATHERERS; other++) {
        sum += partial[other];
    }
    return sum;
}

// The largest of one value from each worker. Call in uniform control flow.
fn max_over_workers(worker: u32, value: f32) -> f32 {
    workgroupBarrier();
    partial[worker].x = value;
    workgroupBarrier();
    if worker < GATHERERS {
        var most = value;
        for (var other = worker + GATHERERS; other < WORKERS; other += GATHERERS) {
            most = max(most, partial[other].x);
        }
        partial[worker].x = most;
    }
    workgroupBarrier();
    var most = partial[0].x;
    for (var other = 1u; other < GATHERERS; other++) {
        most = max(most, partial[other].x);
    }
    return most;
}
