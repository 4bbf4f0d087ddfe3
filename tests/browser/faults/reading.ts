/** Chosen files that change or disappear on disk. */

import { rename, rm, truncate, writeFile } from 'node:fs/promises';
import { expect, test } from '@playwright/test';
import { fuseButton, give, programComplete } from '../page.ts';
import { writeSafetensors } from '../safetensors.ts';
import { arm, bendWorker, held, holdProgram, letGo, letProgram } from './bend.ts';
import { pressFuse, type Fault, type Scene } from './scene.ts';

/** Gives the pair as files on disk. */
async function onDisk({ page, pair }: Scene, complete = true): Promise<[subject: string, style: string]> {
  const paths: [string, string] = [test.info().outputPath('cat.safetensors'), test.info().outputPath('ink.safetensors')];
  for (const [index, role] of (['Subject', 'Style'] as const).entries()) {
    await writeFile(paths[index]!, writeSafetensors(pair[index]!));
    await give(page, role, paths[index]!);
  }
  await expect(fuseButton(page)).toBeEnabled();
  if (complete) await programComplete(page);
  return paths;
}

const CHOOSE_AGAIN = /(changed while it was being read|could not be read)\..*[Cc]hoose it again.*cat\.safetensors/s;

/** `spoils` changes the subject before the run, or after this many tensors have been read. */
const spoilt = (name: string, after: number | null, spoils: (subject: string, scene: Scene) => Promise<void>): Fault => ({
  name,
  before: (page) => bendWorker(page),
  happens: async (scene) => {
    const [subject] = await onDisk(scene);
    if (after === null) {
      await spoils(subject, scene);
      return pressFuse(scene);
    }
    await arm(scene.page, 'input', after);
    await pressFuse(scene);
    await held(scene.page);
    await spoils(subject, scene);
    await letGo(scene.page);
  },
  ends: 'refused',
  says: CHOOSE_AGAIN,
});

const other = ({ pair: [content] }: Scene): Uint8Array<ArrayBuffer> => writeSafetensors({ ...content, metadata: { format: 'other' } });

export const READING: Fault[] = [
  spoilt('an input is written anew before the run', null, (subject, scene) => writeFile(subject, other(scene))),
  spoilt('an input is written anew in the middle of the run', 8, (subject, scene) => writeFile(subject, other(scene))),
  spoilt('an input is replaced in the middle of the run', 8, async (subject, scene) => {
    await writeFile(`${subject}.new`, other(scene));
    await rename(`${subject}.new`, subject);
  }),
  spoilt('an input is cut off in the middle of the run', 8, (subject) => truncate(subject, 100_000)),
  spoilt('an input is deleted before the run', null, (subject) => rm(subject)),
  spoilt('an input is deleted in the middle of the run', 8, (subject) => rm(subject)),
  {
    name: 'an input is deleted before the whole program has opened it',
    before: holdProgram,
    happens: async (scene) => {
      const [subject] = await onDisk(scene, false);
      await rm(subject);
      letProgram(scene.page);
      await pressFuse(scene);
    },
    ends: 'refused',
    says: CHOOSE_AGAIN,
  },
  {
    name: 'an input is deleted while the result is checked',
    before: (page) => bendWorker(page),
    happens: async (scene) => {
      const [subject] = await onDisk(scene);
      await arm(scene.page, 'result');
      await pressFuse(scene);
      await held(scene.page);
      await rm(subject);
      await letGo(scene.page);
    },
    ends: 'refused',
    says: CHOOSE_AGAIN,
  },
  {
    name: 'an input is deleted when the result is there',
    happens: async (scene) => {
      const [subject, style] = await onDisk(scene);
      await pressFuse(scene);
      await expect(scene.page.getByRole('heading', { name: 'Fused and checked' })).toBeVisible();
      await rm(subject);
      await rm(style);
    },
    ends: 'fused',
    says: /Fused and checked/,
  },
];
