/** The sentences of the outlook, which come with its charts. */

import type { Role } from '../../core/types.ts';

export const who: Record<Role, string> = { content: 'subject', style: 'style' };

export const presetLabel: Record<Role, string> = { content: 'Subject in', style: 'Style in' };
export const pasteLabel: Record<Role, string> = { content: 'Subject’s numbers', style: 'Style’s numbers' };

export const brushText = {
  title: 'Single blocks',
  none: 'all on',
  reset: 'All blocks on',
  brush: 'Paint blocks with',
  brushes: { none: 'Nothing, just look', content: 'Subject strength', style: 'Style strength', mu: 'μ' },
  value: { content: 'Strength, 0 is off', style: 'Strength, 0 is off', mu: 'μ of the blocks' },
  general: 'the general one',
  hint: 'Drag over the map’s rows, or press Enter on one. A row that has the value already is wiped.',
  all: 'All blocks',
  own: 'As painted',
  paste: 'Paste block weights',
  pasteHint: 'As LoRA Block Weight writes them, from the text encoder on. Numbers in a row:',
  or: 'or',
  wrong: 'These are not as many numbers as this model has blocks, or not numbers from −10 to 10.',
  ownValues: 'Own',
} as const;

export const text = {
  none: 'The first layers are being looked at …',
  balance: 'Balance the strengths',
  suggest: 'Suggest μ',
  suggestHint: 'A rule of thumb.',

  curve: 'What μ does',
  curveDrawing: 'The subject’s energy that is kept falls, the projection’s change against plain addition rises, the more of the overlap is removed. The numbers are under Data.',
  kept: 'Subject kept',
  change: 'Change',
  removes: 'removes',
  marker: 'μ on the curve',

  map: 'Layer by layer',
  colourBy: 'Colour by',
  block: 'Block',
  all: 'All',
  noBlock: 'Other',
  noCell: 'none',
  readoutHint: 'Point at a field to read its figures; choose it to see its layers.',
  close: 'Close',
  chooseLayer: 'Choose a layer to see its singular values.',

  spectrum: 'Singular values',
  spectrumDrawing: 'Singular values of style, subject and fused update on a logarithmic axis, the largest first. The numbers are under Data.',
  along: 'Subject along the style',
  alongDrawing: 'For every direction of the style that is protected: how large it is in the style, and how much of the subject lies along it. The numbers are under Data.',
  angles: 'Angles in degrees',
  anglesHint: '0° shared, 90° nothing in common',
  anglesDrawing: 'Principal angles between the two row spaces, the smallest first. The numbers are under Data.',
  working: 'The singular values are being worked out …',
  style: 'Style',
  subject: 'Subject',
  fused: 'Fused',
  direction: 'direction',
  noDirections: 'The style has no direction here: nothing is protected.',

  data: 'Data',
  layerData: 'Data of all layers',
  csv: 'CSV',
  json: 'JSON',
} as const;
