/** Every sentence of the page in one place. Problems are worded in Rust (src/error.rs) or core/problem.ts. */

import type { Role } from '../core/types.ts';

export const roleName: Record<Role, string> = { content: 'Subject', style: 'Style' };
export const roleHint: Record<Role, string> = {
  content: 'Who or what should be in the picture.',
  style: 'The look that should survive.',
};
export const fileLabel: Record<Role, string> = { content: 'Subject LoRA file', style: 'Style LoRA file' };
export const strengthLabel: Record<Role, string> = { content: 'Subject strength', style: 'Style strength' };
export const removeLabel: Record<Role, string> = { content: 'Remove subject file', style: 'Remove style file' };

export const text = {
  dropHere: 'or drop a .safetensors file here',
  choose: 'Choose file',
  replace: 'Replace',
  reading: 'Reading the header …',
  swap: 'Swap subject and style',
  example: 'Try it with an example',
  exampleHint: 'No LoRA at hand? A small made-up pair shows a whole run.',
  makingExample: 'Making an example …',
  bothTaken: 'Both places are taken: drop the file on the card that it should replace.',
  leftOut: 'Only one place was free, so only the first of these files was taken.',
  onlyTwo: 'More than two files came in; the first two were taken.',
  noFiles: 'There was no file in that.',

  strengthHint: 'As a loader would apply it: 0.7 means 0.7.',
  mu: 'How much of the overlap to remove',
  muExact: 'as μ',
  muLeft: 'plain addition',
  muRight: 'style fully protected',
  muHint: 'More keeps the style better, at some cost to the subject.',
  advanced: 'Advanced',
  directions: 'Style directions to protect',
  allDirections: 'All that the style has',
  countDirections: 'The strongest, by number',
  energyDirections: 'The strongest, by energy',
  directionCount: 'Number of directions',
  energyShare: 'Share of the energy, in %',
  dtype: 'Number format',
  dtypeAuto: 'As the inputs',
  layout: 'Layout',
  layoutCompatible: 'Most compatible',
  layoutCompact: 'Smallest file',
  backend: 'Backend',
  backendName: { auto: 'Auto', webgpu: 'WebGPU', cpu: 'CPU' },
  outputName: 'File name',

  fit: 'How the two fit',
  shared: 'Shared',
  sharedHint: 'fused',
  contentOnly: 'Only subject',
  styleOnly: 'Only style',
  onlyHint: 'passed through',
  noModules: 'None.',

  fuse: 'Fuse',
  cancel: 'Cancel',
  save: 'Save',
  saveReport: 'Save report',
  startOver: 'Start over',
  starting: 'Starting …',
  fusing: 'Fusing',
  checking: 'Checking what was written',
  stalled: 'Still working: this module takes longer than usual.',
  cancelled: 'Cancelled. Nothing was saved.',
  done: 'Fused and checked',
  doneHint: 'The file was read back and every value checked before it is offered here.',
  stale: 'Made with the settings before your last change. Fuse again to include it.',
  saved: 'Saved.',
  nothingLeaves: 'Nothing leaves your machine.',
  copyDetails: 'Copy details',
  copied: 'Copied',
} as const;
