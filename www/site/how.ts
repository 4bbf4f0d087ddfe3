/** Makes the drawings of how-it-works.html follow its slider. Without this script they show the default. */

import { percent } from '../element/words/format.ts';
import { fromShare, muText } from '../element/words/mu.ts';

type Point = readonly [x: number, y: number];

/**
 * The coordinates of the drawings: the foot and tip of the subject's arrow and the way of its shadow; the origin, the style's tip and the overlap.
 */
const FOOT: Point = [160, 184];
const SUBJECT: Point = [340, 36];
const SHADOW: Point = [180, -20];
const ORIGIN: Point = [40, 192];
const STYLE: Point = [296, 136];
const OVERLAP: Point = [56, -96];

const along = ([x, y]: Point, [dx, dy]: Point, share: number): Point => [x + share * dx, y + share * dy];
const arrow = (from: Point, to: Point): string => `M${from.join(' ')} ${to.map((value) => Number(value.toFixed(1))).join(' ')}`;

/** The paths of all arrows when this share of the overlap is removed. */
function arrows(share: number): Record<string, string> {
  const kept = along(SUBJECT, SHADOW, -share);
  const sum = along(STYLE, OVERLAP, 1 - share);
  return { taken: arrow(SUBJECT, kept), kept: arrow(FOOT, kept), left: arrow(STYLE, sum), sum: arrow(ORIGIN, sum) };
}

const slider = document.querySelector<HTMLInputElement>('#share');
const said = document.querySelector('#said');
const place = document.querySelector<HTMLElement>('#try');

function draw(): void {
  if (!slider || !said) return;
  // The slider's steps include the default, μ = 0.5, which removes a third.
  const share = slider.valueAsNumber / Number(slider.max);
  for (const [id, d] of Object.entries(arrows(share))) {
    const path = document.getElementById(id);
    path?.setAttribute('d', d);
    // An arrow without length is hidden: its head would lie across its beginning.
    path?.toggleAttribute('hidden', (id === 'taken' && share === 0) || (id === 'left' && share === 1));
  }
  said.textContent = `μ ${muText(fromShare(share))} removes ${percent(share)}`;
  slider.setAttribute('aria-valuetext', said.textContent);
}

slider?.addEventListener('input', draw);
if (place) place.hidden = false;
draw();
