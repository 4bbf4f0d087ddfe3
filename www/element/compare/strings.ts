/** The texts of a comparison, which are loaded with it. */

import type { LikenessKind, SumKind, TargetName } from '../../core/types.ts';
import { count, plural } from '../words/format.ts';
import { words, type Words } from '../words/language.ts';

/** Strengths and shares, formatted for display. */
interface Shown {
  content: string;
  style: string;
  mu: string;
  neither: string;
}

const is = (close: boolean): string => (close ? 'This file is' : 'This file is closest to');
const SUMS: Record<SumKind, string> = { whole: 'the plain sum of the two', half: 'a plain sum at half strengths', some: 'a plain sum' };

const english = {
  targetName: {
    content: 'Subject', style: 'Style', sum: 'Plain sum', bestSum: 'Plain sum, best strengths', fusion: 'NP-LoRA, best μ and strengths',
  } as Record<TargetName, string>,
  kindName: {
    nothing: 'nothing', other: 'something else', alike: 'either', content: 'subject', style: 'style', overlap: 'overlap', sum: 'sum', fusion: 'NP-LoRA',
  } as Record<LikenessKind, string>,

  /** Says what a file is. `close`: the match is exact except for negligible differences. */
  likeness: {
    nothing: () => 'This file changes nothing.',
    other: ({ neither }: Shown) => `This file is made of something else: ${neither} of its energy is neither subject nor style.`,
    alike: ({ content, style }: Shown) => `Subject and style are the same change, so their shares cannot be told apart: this file is ${content} × subject, or ${style} × style.`,
    content: ({ content }: Shown) => `This file has nothing of the style: it is ${content} × subject.`,
    style: ({ style }: Shown) => `This file has nothing of the subject: it is ${style} × style.`,
    overlap: ({ content }: Shown) => `This file is the overlap by itself: what of the subject lies along the style, at strength ${content}.`,
    sum: ({ content, style }: Shown, close: boolean, kind: SumKind) => `${is(close)} ${SUMS[kind]}: ${content} × subject + ${style} × style.`,
    fusion: ({ content, style, mu }: Shown, close: boolean) => `${is(close)} what NP-LoRA gives at μ ≈ ${mu} (subject ${content}, style ${style}).`,
  } satisfies Record<LikenessKind, (...of: never[]) => string>,
  lost: {
    style: (share: string) => `It has lost ${share} of the style.`,
    content: (share: string) => `It has lost ${share} of the subject.`,
    both: (style: string, content: string) => `It has lost ${style} of the style and ${content} of the subject.`,
  },

  notes: {
    neither: (share: string) => `${share} of its energy is neither subject nor style.`,
    both: (found: number, all: number) => `${count(found)} of ${count(all)} shared`,
    content: (found: number, all: number) => `${count(found)} of ${count(all)} subject-only`,
    style: (found: number, all: number) => `${count(found)} of ${count(all)} style-only`,
    recipe: (made: string) => `By its own word it was made here of these two, with ${made}.`,
    recipeOfOverlap: 'By its own word it is their overlap, made here.',
    found: (parts: string) => `In the file: ${parts} modules.`,
    outside: (modules: number, share: string) => `${plural(modules, 'module is', 'modules are')} in neither of the two, with ${share} of its energy.`,
    skipped: (modules: number) => `${plural(modules, 'module', 'modules')} cannot be compared (DoRA, of a very high rank, or of a kind that depends on the base model).`,
    vectors: (changes: number) => `${plural(changes, 'change', 'changes')} of biases, norms and other weights not compared.`,
    cut: (modules: number) => `${plural(modules, 'module', 'modules')} of the file had to be cut to a rank first.`,
    unknownMu: 'Its μ cannot be told: for this pair, other strengths make the same difference, or μ makes none that shows.',
  },

  text: {
    intro: 'A LoRA that was made of this subject and this style, here or with another program: see what it has of the two, and at which strengths and μ.',
    file: 'Fused LoRA file',
    choose: 'Choose a fused file',
    another: 'Choose another',
    dropHere: 'or drop it here',
    waiting: 'Opening the file…',
    cancel: 'Cancel',
    noFile: 'There was no LoRA file in that.',
    configTooLarge: 'The adapter_config.json is too large to be one, so it was not read.',
    stale: 'Compared with the settings before your last change.',
    again: 'Compare again',

    targets: 'How far it is from…',
    distances: 'Distances from subject, style and sums',
    target: 'Target',
    subject: 'Subject',
    style: 'Style',
    mu: 'μ',
    distance: 'Distance',
    left: 'Left over',
    hint: 'Subject and style: their strengths. Distance: the difference relative to the target. Left over: relative to the file.',
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
    doing: (done: number, all: number) => `Comparing: ${count(done)} of ${count(all)} modules`,
    yes: 'yes',
    no: 'no',
  },
};

export type ComparisonWords = Words<typeof english>;

export const { targetName, kindName, likeness, lost, notes, text }: ComparisonWords = words('comparison', english);
