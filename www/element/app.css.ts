/** The layout of the element's parts. */

import { css } from 'lit';

export const app = css`
  /* Its own width decides how it lies, not the window's: it may stand in a column. What fits itself to its content finds none and
     gets the narrowest. */
  :host { display: block; min-width: 0; container-type: inline-size; contain-intrinsic-inline-size: 320px; }
  /* Said here and not of the host, which a page's own rules outdo: what it hands down of its text's look ends here. */
  .app {
    display: grid; grid-template-columns: minmax(0, 1fr); gap: 16px;
    color: var(--ink); font: var(--body) / 1.5 var(--font); letter-spacing: normal; word-spacing: normal; word-break: normal;
    text-align: start; text-align-last: auto; text-indent: 0; text-shadow: none; text-transform: none; white-space: normal;
    -webkit-text-fill-color: currentcolor; -webkit-text-stroke: 0;
  }
  /* What a page puts in runs as the page does. */
  :host(:dir(rtl)) slot { direction: rtl; }
  .files { display: grid; grid-template-columns: minmax(0, 1fr) auto minmax(0, 1fr); gap: 8px; align-items: stretch; }
  .swap { align-self: center; width: 40px; padding: 0; border-radius: 50%; border-color: var(--line); }
  .swap svg { width: 20px; height: 20px; fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round; }
  .recipe { display: flex; align-items: start; justify-content: space-between; gap: 8px 16px; font-size: var(--small); }
  .recipe .remark { color: var(--caution); }
  .invite { display: flex; flex-wrap: wrap; align-items: center; justify-content: center; gap: 8px 16px; padding: 8px 0; text-align: center; }
  @container (max-width: 568px) {
    .files { grid-template-columns: minmax(0, 1fr); justify-items: center; }
    .files > * { width: 100%; }
    .files > .swap { width: 40px; transform: rotate(90deg); }
    .invite button { width: 100%; }
  }
`;
