/**
 * A second, independent reader and writer of safetensors for the tests: nothing here is shared with the product, so that a mistake there cannot hide
 * itself. Written from the format's description, for clarity rather than speed.
 */

export type Dtype = 'F16' | 'BF16' | 'F32';

export interface Tensor {
  dtype: Dtype;
  shape: number[];
  bytes: Uint8Array;
}

export interface Safetensors {
  metadata: Record<string, string>;
  tensors: Map<string, Tensor>;
}

export const WIDTH: Record<Dtype, number> = { F16: 2, BF16: 2, F32: 4 };

export const product = (shape: number[]): number => shape.reduce((all, one) => all * one, 1);

/** Reads a file and checks that every byte belongs to exactly one tensor. */
export function readSafetensors(file: Uint8Array): Safetensors {
  // What Node reads is a Buffer, whose slice() does not copy as a Uint8Array's does.
  const bytes = new Uint8Array(file.buffer, file.byteOffset, file.byteLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerLength = Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + headerLength)));
  const data = bytes.subarray(8 + headerLength);
  const tensors = new Map<string, Tensor>();
  const spans: [number, number][] = [];
  for (const [name, entry] of Object.entries<{ dtype: Dtype; shape: number[]; data_offsets: [number, number] }>(header)) {
    if (name === '__metadata__') continue;
    const { dtype, shape, data_offsets: [from, to] } = entry;
    if (!(dtype in WIDTH)) throw new Error(`${name}: dtype ${dtype}`);
    if (to - from !== product(shape) * WIDTH[dtype]) throw new Error(`${name}: ${to - from} bytes for [${shape.join(', ')}] ${dtype}`);
    spans.push([from, to]);
    tensors.set(name, { dtype, shape, bytes: data.subarray(from, to) });
  }
  let end = 0;
  for (const [from, to] of spans.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    if (from !== end) throw new Error(`a hole or an overlap at byte ${end}`);
    end = to;
  }
  if (end !== data.length) throw new Error(`${data.length - end} bytes after the last tensor`);
  const metadata: Record<string, string> = header.__metadata__ ?? {};
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string') throw new Error(`metadata ${key} is not a text`);
  }
  return { metadata, tensors };
}

/** The header of a file with these tensors in sequence, padded so that the data begins at a multiple of eight. */
export function headerOf(tensors: Iterable<[string, Omit<Tensor, 'bytes'>]>, metadata: Record<string, string> = {}): Uint8Array {
  // Without a prototype, so that a tensor may have any name.
  const header: Record<string, unknown> = Object.create(null);
  if (Object.keys(metadata).length > 0) header.__metadata__ = metadata;
  let at = 0;
  for (const [name, { dtype, shape }] of tensors) {
    const size = product(shape) * WIDTH[dtype];
    header[name] = { dtype, shape, data_offsets: [at, at + size] };
    at += size;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const length = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, 8);
  return bytes;
}

export function writeSafetensors({ metadata, tensors }: Safetensors): Uint8Array<ArrayBuffer> {
  const parts = [headerOf(tensors, metadata), ...[...tensors.values()].map((tensor) => tensor.bytes)];
  const file = new Uint8Array(parts.reduce((all, part) => all + part.length, 0));
  let at = 0;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}

/** The 16-bit words of a tensor; copied, because a tensor may begin at any byte. */
const words = (tensor: Tensor): Uint16Array =>
  new Uint16Array(tensor.bytes.slice().buffer);

export function decode(tensor: Tensor): Float64Array {
  switch (tensor.dtype) {
    case 'F32': return Float64Array.from(new Float32Array(tensor.bytes.slice().buffer));
    case 'BF16': return Float64Array.from(new Float32Array(Uint32Array.from(words(tensor), (word) => word * 65536).buffer));
    case 'F16': return Float64Array.from(words(tensor), halfToNumber);
  }
}

export function encode(values: ArrayLike<number>, dtype: Dtype): Uint8Array {
  switch (dtype) {
    case 'F32': return new Uint8Array(Float32Array.from(values).buffer);
    case 'BF16': return new Uint8Array(Uint16Array.from(values, numberToBrain).buffer);
    case 'F16': return new Uint8Array(Uint16Array.from(values, numberToHalf).buffer);
  }
}

/** `values` as they are after being stored once. */
export const rounded = (values: Float64Array, dtype: Dtype): Float64Array =>
  decode({ dtype, shape: [values.length], bytes: encode(values, dtype) });

function halfToNumber(word: number): number {
  const sign = word & 0x8000 ? -1 : 1;
  const exponent = (word >> 10) & 31;
  const fraction = word & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

const scratch = new Float64Array(1);
const scratchWords = new Uint32Array(scratch.buffer);
/** Rounds to the nearest integer, ties to even: adding 2^52 leaves no room for a fraction. */
const toInteger = (value: number): number => value + 2 ** 52 - 2 ** 52;

export function numberToHalf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(size)) return 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | toInteger(size * 2 ** 24);
  scratch[0] = size;
  const exponent = ((scratchWords[1] ?? 0) >>> 20) - 1023;
  // A mantissa that rounds up to 2048 carries into the exponent by itself.
  return sign | (((exponent + 15) << 10) + toInteger(size * 2 ** (10 - exponent)) - 1024);
}

const float = new Float32Array(1);
const floatWord = new Uint32Array(float.buffer);

/** Rounds by way of f32, as the product's numbers are f32; the tests' inputs are f32 already, so nothing is rounded twice there. */
function numberToBrain(value: number): number {
  float[0] = value;
  const word = floatWord[0] ?? 0;
  if (Number.isNaN(value)) return 0x7fc0;
  return ((word + 0x7fff + ((word >>> 16) & 1)) >>> 16) & 0xffff;
}

/** Whether every number in the data section is finite, by its bits. */
export function allFinite(file: Safetensors): boolean {
  for (const tensor of file.tensors.values()) {
    const half = words(tensor);
    const [mask, step, first] = tensor.dtype === 'F16' ? [0x7c00, 1, 0] : tensor.dtype === 'BF16' ? [0x7f80, 1, 0] : [0x7f80, 2, 1];
    for (let index = first; index < half.length; index += step) {
      if (((half[index] ?? 0) & mask) === mask) return false;
    }
  }
  return true;
}
