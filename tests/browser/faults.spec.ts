/**
 * Everything that is known to go wrong while the page works: one entry for each fault, in the files of `faults/`. After each fault nothing unverified
 * is offered, the person reads what happened and what to do, the next good pair fuses without a reload, and no error reaches the window: `standsUp`
 * in faults/scene.ts.
 */

import { test } from '@playwright/test';
import { CANCELLING } from './faults/cancelling.ts';
import { GRAPHICS } from './faults/graphics.ts';
import { LEAVING } from './faults/leaving.ts';
import { LOADING } from './faults/loading.ts';
import { READING } from './faults/reading.ts';
import { SAVING } from './faults/saving.ts';
import { setScene, standsUp, type Fault } from './faults/scene.ts';
import { WORKER } from './faults/worker.ts';
import { WRITING } from './faults/writing.ts';
import { DEVICE_ONLY, FIRST_RUN } from './page.ts';

const FAULTS: [part: string, faults: Fault[]][] = [
  ['the program does not load', LOADING],
  ['the person cancels', CANCELLING],
  ['the worker fails', WORKER],
  ['the result cannot be written', WRITING],
  ['the files change', READING],
  ['the result cannot be saved', SAVING],
  ['the page goes away, or there are two', LEAVING],
  ['the graphics device fails', GRAPHICS],
];

test.setTimeout(2 * FIRST_RUN);

for (const [part, faults] of FAULTS) {
  test.describe(`${part} (${faults.length} faults)`, () => {
    for (const fault of faults) {
      test(fault.name, fault.onDevice ? DEVICE_ONLY : {}, async ({ page }) => {
        const scene = await setScene(page, fault);
        await fault.happens(scene);
        await standsUp(scene, fault);
      });
    }
  });
}
