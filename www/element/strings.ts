/** Every sentence of the page in one place. Problems are worded in Rust (src/error.rs) or core/problem.ts. */

import type { Role, ScaleSource } from '../core/types.ts';

export const roleName: Record<Role, string> = { content: 'Subject', style: 'Style' };
export const roleHint: Record<Role, string> = {
  content: 'Who or what should be in the picture.',
  style: 'The look that should survive.',
};
export const fileLabel: Record<Role, string> = { content: 'Subject LoRA file', style: 'Style LoRA file' };
export const strengthLabel: Record<Role, string> = { content: 'Subject strength', style: 'Style strength' };
export const removeLabel: Record<Role, string> = { content: 'Remove subject file', style: 'Remove style file' };

export const configLabel: Record<Role, string> = {
  content: 'adapter_config.json of the subject', style: 'adapter_config.json of the style',
};
export const removeConfigLabel: Record<Role, string> = {
  content: 'Leave out the subject’s adapter_config.json', style: 'Leave out the style’s adapter_config.json',
};
export const linkLabel: Record<Role, string> = { content: 'Link to the subject LoRA', style: 'Link to the style LoRA' };
export const loadFrom = (host: string): string => `Load from ${host}`;
export const lookCosts = (size: string, hosts: string): string =>
  `What the projection will do can be shown before fusing. For that, up to ${size} are loaded from ${hosts}.`;
export const textStrengthLabel: Record<Role, string> = {
  content: 'Subject strength in text encoders', style: 'Style strength in text encoders',
};
export const scaleLabel: Record<Role, string> = { content: 'Scale of the subject', style: 'Scale of the style' };
export const partOf: Record<'subject' | 'style' | 'result', string> = { subject: 'subject', style: 'style', result: 'result' };

/** Where a file's scale comes from, behind the number. */
export const scaleSource: Record<ScaleSource, string> = {
  tensor: 'from alpha',
  config: 'from adapter_config.json',
  metadata: 'from the file’s notes',
  unknown: '– nothing in the file says',
  fixed: '– this kind has none',
  user: 'set by you',
};

export const undoText = {
  steps: 'Steps',
  undo: 'Undo',
  redo: 'Redo',
  undoHint: 'Takes back the last change of a setting (Ctrl+Z or ⌘Z)',
  redoHint: 'Makes it again (Ctrl+Shift+Z or ⇧⌘Z)',
  undone: 'Undone.',
  redone: 'Redone.',
} as const;

export const recipeText = {
  open: 'Open recipe',
  save: 'Save recipe',
  close: 'Dismiss',
  about: 'Recipe',
  opened: 'The settings of the recipe are in force.',
  tooLarge: 'That file is too large for a recipe, so it was not read.',
  onlyOne: 'Only one recipe is opened at a time; the first was taken.',
  from: 'The settings are those of',
  unnamed: 'It does not say which files it was made with.',
  swapped: 'It was made with these two files the other way round: swap subject and style.',
  other: 'this is not the file the recipe was made with, which is',
  missing: 'choose',
} as const;

export const text = {
  dropHere: 'or drop a .safetensors file here',
  choose: 'Choose file',
  pasteLink: 'or paste a Hugging Face link',
  openLink: 'Open link',
  readingLink: 'Reading …',
  offerHint: 'Nothing has been asked of this host yet. Loading reads the file’s header; the rest comes when it is needed.',
  loadAgain: 'Load again',
  from: 'From',
  readAsNeeded: 'read as needed',
  look: 'Show it',
  replace: 'Replace',
  readConfig: 'Add adapter_config.json',
  configTooLarge: 'That file is too large for an adapter_config.json, so it was not read.',
  configNeedsFile: 'An adapter_config.json only says how strong a LoRA is: choose the LoRA first.',
  configWhich: 'Drop the adapter_config.json on the card that it belongs to.',
  unknownFamily: 'Unknown model family',
  title: 'Title',
  madeFor: 'Made for',
  rankOf: 'Rank',
  scale: 'Scale',
  notStored: 'not stored',
  scaleByUser: 'set by you under Advanced',
  numbers: 'Numbers',
  triggerWords: 'Trigger words',
  autoV2: 'AutoV2',
  hashing: 'being worked out …',
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
  kindOfResult: 'What to make',
  fusionResult: 'Fused LoRA',
  overlapResult: 'Overlap only',
  severalResult: 'Several files, to compare',
  severalHint: 'One file for each μ of this list. The slider above has no effect here.',
  mus: 'μ of the files',
  musHint: 'With commas between them; ∞ or inf is the end of the slider.',
  plainToo: 'Plain addition too, to compare with',
  bothDirections: 'Both directions',
  bothDirectionsHint: 'The same μ once more with the files in each other’s place, as after Swap: the style becomes the subject.',
  overlapHint: 'A LoRA by itself that takes the overlap away where you load it, so that μ can be tuned there. For programs that stack LoRAs and take negative strengths: ComfyUI, Forge, A1111.',
  noEffect: 'μ and the strengths have no effect on the overlap: you give them where you load it.',
  overlapUse: 'Load subject and style at strengths of your choice, and this file at the strength below, times the subject’s: the three are the fusion, at any μ.',
  overlapStrength: 'Strength of this file, times the subject’s',
  advanced: 'Advanced',
  directions: 'Style directions to protect',
  allDirections: 'All that the style has',
  countDirections: 'The strongest, by number',
  energyDirections: 'The strongest, by energy',
  directionCount: 'Number of directions',
  energyShare: 'Share of the energy, in %',
  dtype: 'Number format',
  dtypeAuto: 'As the inputs',
  auto: 'Auto',
  asInputs: 'As the inputs',
  projection: 'Projection',
  strengths: 'Strengths',
  result: 'Result',
  sameStrength: 'the same',
  scaleAuto: 'As the file says',
  scaleAlpha: 'From an alpha of my own',
  scaleStabilised: 'rsLoRA: alpha / √rank',
  alpha: 'Alpha',
  naming: 'Naming',
  rank: 'Rank',
  rankExact: 'Exact',
  rankNumber: 'At most a number',
  rankEnergy: 'By energy kept',
  rankMost: 'Highest rank',
  rankShare: 'Energy to keep, in %',
  denseRank: 'Rank for full differences',
  denseRankHint: 'Updates that have no exact low rank are cut to it.',
  leaveSources: 'Leave the sources’ names out of the file',
  leaveSourcesHint: 'Otherwise its notes say what it was made from.',
  family: 'Model family',
  chooseFamily: 'Choose …',
  directionOnly: 'Fuse DoRA without its magnitudes (direction only)',
  directionOnlyHint: 'The magnitudes need the base model. Without them the result differs from what was trained.',
  blocks: 'Strengths of single blocks',
  blocksHint: 'Strengths multiply those above; μ takes the place of the one above.',
  ownMu: 'μ',
  block: 'Block',
  modules: 'Modules',
  on: 'On',
  allOn: 'all on',
  resetBlocks: 'All on',
  layout: 'Layout',
  layoutCompatible: 'Most compatible',
  layoutCompact: 'Smallest file',
  backend: 'Backend',
  backendName: { auto: 'Auto', webgpu: 'WebGPU', cpu: 'CPU' },
  outputName: 'File name',

  fit: 'How the two fit',
  shared: 'Shared',
  sharedHint: { fusion: 'fused', overlap: 'where they overlap' },
  contentOnly: 'Only subject',
  styleOnly: 'Only style',
  onlyHint: { fusion: 'passed through', overlap: 'no part of it' },
  noModules: 'None.',
  willBeWritten: 'Will be written',
  leftOutTitle: 'Left out',
  everyTensor: 'Tensors',
  tensorsTotal: 'In the file',
  tensorsFused: 'Fused',
  tensorsPassed: 'Passed through',
  tensorsOutside: 'Not part of the overlap',
  tensorsRefused: 'Refused',
  tensorsLeftOut: 'Of no module',
  fileHead: 'File',

  outlook: 'What the projection will do',
  outlookComing: 'Looking at the pair …',
  outlookFailed: 'The figures about this pair could not be loaded. Fusing works without them.',
  tryAgain: 'Try again',

  compare: 'Compare a fused file with these two',
  compareComing: 'Getting ready …',
  compareFailed: 'What compares files could not be loaded. Everything else works without it.',

  fuse: { fusion: 'Fuse', overlap: 'Make the overlap' },
  convert: 'Convert this file',
  convertTitle: 'Only this file? It can be converted',
  convertHint: 'Writes the same LoRA under other names, in another number format or with a smaller rank, for example for ComfyUI. To fuse, choose the second file.',
  converting: 'Converting',
  cancel: 'Cancel',
  save: 'Save',
  saveReport: 'Save report',
  saveAll: 'Save all',
  details: 'Details',
  changes: 'Changes',
  subjectKept: 'Subject kept',
  size: 'Size',
  startOver: 'Start over',
  starting: 'Starting …',
  fusing: { fusion: 'Fusing', overlap: 'Making the overlap' },
  measuring: 'Finding the ranks',
  checking: 'Checking what was written',
  stalled: 'Still working: this module takes longer than usual.',
  cancelled: 'Cancelled. Nothing was saved.',
  done: { fusion: 'Fused and checked', overlap: 'Made and checked' },
  doneConverting: 'Converted and checked',
  energyKept: 'Energy kept where a module was cut',
  median: 'Median',
  worst: 'Worst',
  worstModule: 'Worst module',
  modelHash: 'AutoV3',
  doneFilesHint: 'Every file was read back and every value checked before it is offered here. Changes: what the projection does, against plain addition.',
  doneHint: 'The file was read back and every value checked before it is offered here.',
  stale: {
    fusion: 'Made with the settings before your last change. Fuse again to include it.',
    overlap: 'Made with the settings before your last change. Make it again to include it.',
  },
  staleConversion: 'Made before your last change of files or settings.',
  became: {
    written: 'Saved.',
    downloading: 'Handed to your browser’s downloads. If no file arrives, allow downloads for this page and press Save again.',
    handed: 'Handed to the page around this tool.',
    closed: 'Not saved. The result is still here: press Save again.',
  },
  becameAll: {
    written: 'All saved.',
    downloading: 'Handed to your browser’s downloads. If not all files arrive, allow this page several downloads and press Save all again.',
    handed: 'Handed to the page around this tool.',
    closed: 'Not saved. The files are still here: press Save all again.',
  },
  nothingLeaves: 'Nothing leaves your machine.',
  copyDetails: 'Copy details',
  copied: 'Copied',
} as const;

export const fuseFiles = (count: number): string => (count === 1 ? text.fuse.fusion : `Fuse ${count} files`);
export const fusingFiles = (count: number): string => `Fusing ${count} files`;
export const doneFiles = (count: number): string => `${count} files fused and checked`;
/** `size`: of all of them. */
export const filesTogether = (count: number, size: string): string => `${count} files, about ${size} together.`;
