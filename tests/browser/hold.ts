/** Checks a saved file against the method, module by module. */

import { createHash } from 'node:crypto';
import { expect } from '@playwright/test';
import { compare, modulesOf, outline, type Module, type Settings } from './check.ts';
import { allFinite, type Dtype, type Safetensors } from './safetensors.ts';

type Modules = Map<string, Module>;

/** Checks every module of the result against the method: within one rounding to its format, and `bound`; and the hash in the metadata. */
export function check(fused: Safetensors, [content, style]: [Safetensors, Safetensors], settings: Settings, dtype: Dtype): void {
  expect(allFinite(fused)).toBe(true);
  // The hash that model sites call AutoV3.
  const hash = createHash('sha256');
  for (const { bytes } of fused.tensors.values()) hash.update(bytes);
  expect(fused.metadata.sshs_model_hash).toBe(hash.digest('hex'));
  checkModules(modulesOf(fused), [modulesOf(content), modulesOf(style)], settings, dtype);
}

/** Checks modules that have been brought to one naming. */
export function checkModules(found: Modules, [c, s]: [Modules, Modules], settings: Settings, dtype: Dtype): void {
  expect(outline(found, c, s)).toEqual([]);
  for (const { name, deviation, floor, change } of compare(found, c, s, settings, dtype)) {
    // f32 arithmetic is accurate to 1e-6. If f32 falls on the other side of a tie between two 16-bit numbers, one number in
    // thousands is off by one more step: far below a hundredth of the rounding of all of them.
    const bound = dtype === 'F32' ? 1e-6 : 1.01 * floor + 1e-5;
    expect(deviation, `${name} deviates by ${deviation}, one rounding alone by ${floor}`).toBeLessThan(bound);
    // A pair that the projection hardly changes would prove nothing.
    if (settings.mu > 0 && c.has(name) && s.has(name)) expect(change, name).toBeGreaterThan(10 * bound);
  }
}
