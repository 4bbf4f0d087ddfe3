/** The texts of the outlook, which are loaded with its charts. */

import type { Role, Verdict } from '../../core/types.ts';
import { count, plural } from '../words/format.ts';
import { words, type Words } from '../words/language.ts';
import type { FigureName } from './figures.ts';

type ByRole = Record<Role, string>;

const subjectOrStyle: ByRole = { content: 'subject', style: 'style' };
const other = (role: Role): Role => (role === 'style' ? 'content' : 'style');

const english = {
  who: { ...subjectOrStyle },
  presetLabel: { content: 'Subject in', style: 'Style in' } as ByRole,
  pasteLabel: { content: 'Subject’s numbers', style: 'Style’s numbers' } as ByRole,

  figures: {
    overlap: { name: 'Overlap, times chance', low: 'as chance', high: 'far more' },
    kept: { name: 'Subject kept', low: 'little', high: 'all' },
    change: { name: 'Change', low: 'none', high: 'much' },
    balance: { name: 'Size, style : subject', low: 'subject', high: 'style' },
  } as Record<FigureName, { name: string; low: string; high: string }>,

  /** What the projection does to the pair; the shares are already formatted. */
  verdicts: {
    same: () => 'Both files make the same change to the model: fusing them adds nothing new. Choose another file for one of the two.',
    noContent: () => 'With these settings the subject changes nothing in the layers that both have: its strength is 0 there, or this is not the right file.',
    noStyle: () => 'With these settings the style changes nothing in the layers that both have: its strength is 0 there, or this is not the right file.',
    chance: ({ overlap, chance, change, taken }) => `These two have about as little in common as unrelated LoRAs (${overlap} against ${chance}). The projection takes away that little, ${taken} of the subject, and changes this pair by ${change}.`,
    apart: ({ overlap, chance }) => `These two hardly overlap (${overlap}; unrelated LoRAs: ${chance}): the result will be close to plain addition, whatever the μ.`,
    nothing: ({ overlap }) => `With these settings nothing is taken away and the result is plain addition. ${overlap} of the subject overlaps with the style.`,
    little: ({ change, taken }) => `At this μ the projection will change this pair by only ${change}: it takes away ${taken} of the subject.`,
    usual: ({ change, taken, overlap, chance }) => `The projection will change this pair by ${change}: it takes away ${taken} of the subject. The two overlap by ${overlap} (unrelated LoRAs: ${chance}).`,
    most: ({ change, taken }) => `The projection will take away nearly all of the subject: ${taken}. It changes this pair by ${change}; a smaller μ leaves more of the subject.`,
  } as Record<Exclude<Verdict, 'unknown'>, (shares: Shares) => string>,
  /** Leads for the overlap alone, and for several files, from the one with the smallest μ to the one with the largest. */
  leads: {
    overlapAlone: (overlap: string, chance: string, hardly: boolean) => `The two overlap by ${overlap} (unrelated LoRAs: ${chance}). ${hardly ? 'That is hardly anything: the file will do next to nothing.' : 'That part of the subject becomes the file.'}`,
    severalChange: (least: string, most: string, fromMu: string, toMu: string, both: boolean) => (fromMu === toMu
      ? `${both ? 'In this direction, at' : 'At'} μ ${fromMu} the projection will change this pair by ${least}.`
      : `${both ? 'In this direction, from' : 'From'} μ ${fromMu} to μ ${toMu} the projection will change this pair by ${least} to ${most}.`),
  },
  /** Explains that the slider's percentage is of a strength, and the others are of energies. */
  shares: {
    strength: (removed: string, taken: string) => `The slider’s ${removed} is of the overlap’s strength, which is ${taken} of its energy; overlap and what is taken from the subject are shares of energy.`,
  },
  weights: {
    outweighs: (heavier: Role, times: string) => `The ${subjectOrStyle[heavier]} outweighs the ${subjectOrStyle[other(heavier)]} ${times} to 1.`,
    equal: 'Both LoRAs are about equally strong.',
    larger: (larger: Role, times: string) => `The ${subjectOrStyle[larger]} is ${times} times as large as the ${subjectOrStyle[other(larger)]}, but neither drowns the other.`,
    balanced: (content: string, style: string) => `subject ${content}, style ${style}`,
  },
  /** Explains where the suggested μ comes from. */
  formula: {
    plain: (share: string) => `At this μ, what is left of the subject in the style’s own directions has at most ${share} of the style’s energy, so the style keeps its look. A rule of thumb of this tool, no law.`,
    of: (share: string) => `The smallest μ at which ‖ΔW꜀·V‖² / (1 + μ)² is at most ${share} of ‖ΔWₛ‖².`,
  },

  brushText: {
    title: 'By block',
    none: 'all on',
    reset: 'All blocks on',
    brush: 'Paint blocks with',
    brushes: { none: 'Nothing, just look', content: 'Subject strength', style: 'Style strength', mu: 'μ' },
    value: { content: 'Strength, 0 is off', style: 'Strength, 0 is off', mu: 'μ of the blocks' },
    general: 'the general one',
    hint: 'Drag over the map’s rows, or press Enter on one. A row that has the value already is reset.',
    all: 'All blocks',
    own: 'As painted',
    paste: 'Paste block weights',
    pasteHint: (numbers: readonly number[]) => `As LoRA Block Weight writes them, starting with the text encoder: ${numbers.join(' or ')} numbers.`,
    wrong: 'The count does not match this model’s blocks, or a number is not from −10 to 10: nothing was changed.',
    ownValues: 'Own',
    ownOf: (own: number, all: number) => `${count(own)} of ${count(all)} set`,
  },

  text: {
    none: 'Looking at the first layers…',
    noneMeasured: 'The layers that both have are of so high a rank that only the fusion itself will tell.',
    partial: (measured: number, all: number) => `Only ${count(measured)} of the ${count(all)} layers that both have could be measured beforehand, as the ranks of the others are too high: the fusion itself may come out otherwise. What follows is of ${measured === 1 ? 'that one' : 'those'} alone.`,
    balance: 'Balance the strengths',

    curve: 'What μ does',
    curveDrawing: 'The more of the overlap is removed, the less of the subject’s energy is kept, and the more the projection changes against plain addition. The numbers are under Data.',
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
    noCellYet: 'not looked at yet',
    readoutHint: 'Choose a field to see its layers.',
    close: 'Close',

    spectrum: 'Singular values',
    spectrumDrawing: 'Singular values of style, subject and fused update on a logarithmic axis, the largest first. The numbers are under Data.',
    along: 'Subject along the style',
    alongDrawing: 'For every direction of the style that is protected: how large it is in the style, and how much of the subject lies along it. The numbers are under Data.',
    angles: 'Angles in degrees',
    anglesHint: '0° shared, 90° nothing in common',
    anglesDrawing: 'Principal angles between the two row spaces, the smallest first. The numbers are under Data.',
    working: 'Working out the singular values…',
    style: 'Style',
    subject: 'Subject',
    fused: 'Fused',
    direction: 'direction',
    noDirections: 'The style has no direction here: nothing is protected.',

    data: 'Data',
    layerData: 'Data of all layers',
    csv: 'CSV',
    json: 'JSON',
    suggest: (mu: string) => `Use suggested μ ${mu}`,
    suggestHint: (removed: string) => `It removes ${removed}. Why this one?`,
    suggestNone: (share: string) => `Even in plain addition the subject has at most ${share} of the style’s energy in the style’s directions: choose μ by eye.`,
    suggestTaken: (mu: string) => `μ ${mu}, as suggested`,
    at: (mu: string) => `at μ ${mu}`,
    firstRows: (shown: number, all: number) => `the first ${count(shown)} of ${count(all)} rows`,
    moreInData: (number: number) => `${count(number)} more in the data.`,
    overlapBy: (share: string) => `overlap ${share}`,
    timesChance: (times: string, chance: string) => `(${times} × chance, ${chance})`,
    keptBy: (share: string) => `subject kept ${share}`,
    changeBy: (share: string) => `change ${share}`,
    ratio: { style: (times: string) => `style ${times} × subject`, content: (times: string) => `subject ${times} × style` } as Record<Role, (times: string) => string>,
    ranks: (content: number, style: number) => `rank ${count(content)} subject, ${count(style)} style`,
    effective: (rank: string) => `effective rank of the style ${rank}`,
    layers: (number: number) => plural(number, 'layer', 'layers'),
    listed: (number: number) => `${plural(number, 'layer is', 'layers are')} listed below.`,
    unmeasured: (number: number) => `${plural(number, 'layer', 'layers')} of a very high rank left out`,
    analysedAll: (number: number) => `${plural(number, 'layer', 'layers')} analysed`,
    analysedSome: (number: number, all: number) => `${count(number)} of ${count(all)} layers analysed, figures so far`,
  },

  /** The column headings of the tables. */
  column: {
    layer: 'Layer', layers: 'Layers', kind: 'Kind', outputs: 'Outputs', inputs: 'Inputs', contentRank: 'Subject’s rank', styleRank: 'Style’s rank',
    effectiveRank: 'Style’s effective rank', overlap: 'Overlap', chance: 'Chance', contentSize: 'Subject’s size', styleSize: 'Style’s size',
    removed: 'Removed', cosine: 'Cosine', degrees: 'Degrees',
  },
};

/** The shares that the verdicts mention. */
interface Shares {
  overlap: string;
  chance: string;
  change: string;
  /** The share of the subject that the projection removes. */
  taken: string;
}

export type OutlookWords = Words<typeof english>;

export const {
  who, presetLabel, pasteLabel, figures, verdicts, leads, shares, weights, formula, brushText, text, column,
}: OutlookWords = words('outlook', english);
