/** The sentences of a comparison, which come with it. */

import type { TargetName } from '../../core/types.ts';

export const targetName: Record<TargetName, string> = {
  content: 'Subject', style: 'Style', sum: 'Plain sum', bestSum: 'Plain sum, best strengths', fusion: 'NP-LoRA, best μ and strengths',
};

export const text = {
  intro: 'A LoRA that was made of this subject and this style, here or with another program: see what it has of the two, and at which strengths and μ.',
  file: 'Fused LoRA file',
  choose: 'Choose a fused file',
  another: 'Choose another',
  dropHere: 'or drop it here',
  waiting: 'Opening the file …',
  comparing: 'Comparing',
  cancel: 'Cancel',
  noFile: 'There was no LoRA file in that.',
  configTooLarge: 'The adapter_config.json is too large to be one, so it was not read.',
  stale: 'Compared with the settings before your last change.',
  again: 'Compare again',

  nothing: 'This file changes nothing.',
  unknownMu: 'Which μ it was made with cannot be told: for this pair, other strengths make the same difference, or none that shows.',
  targets: 'How far it is from …',
  distances: 'Distances from subject, style and sums',
  target: 'Target',
  subject: 'Subject',
  style: 'Style',
  mu: 'μ',
  distance: 'Distance',
  left: 'Left over',
  hint: 'Subject and style: their strengths. Distance: how large the difference is beside the target. Left over: how large it is beside the file.',
  blocks: 'Block by block',
  block: 'Block',
  noBlock: 'Other',
  modules: 'Modules',
  share: 'Share of the file',
  kind: 'What it is',
  layer: 'Layer',
  found: 'In the file',
  neither: 'Of neither',
  toSubject: 'Distance from the subject',
  toStyle: 'Distance from the style',
  toSum: 'Distance from the sum',
  allModules: 'Data of all layers',
  targetData: 'Data',
} as const;
