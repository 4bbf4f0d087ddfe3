/** The look of everything: colours, type, the 8 px grid, and the few controls that all components share. */

import { css } from 'lit';

/**
 * The subject is warm and the style cool; orange and blue can be told apart with every kind of colour vision. Their mixture means overlap and is also
 * drawn as stripes of both, so that colour is never the only sign. All text has a contrast of at least 4.5:1.
 */
export const tokens = css`
  :host {
    color-scheme: light dark;
    --ink: var(--np-lora-ink, light-dark(#1c1b19, #edebe7));
    --muted: var(--np-lora-muted, light-dark(#5d5a55, #aaa69f));
    --page: var(--np-lora-page, light-dark(#f6f5f2, #151517));
    --surface: var(--np-lora-surface, light-dark(#ffffff, #1e1e21));
    --sunken: var(--np-lora-sunken, light-dark(#efede9, #29292d));
    --line: var(--np-lora-line, light-dark(#dbd8d2, #3a393d));
    --edge: var(--np-lora-edge, light-dark(#87837c, #7d7a76));
    --subject: var(--np-lora-subject, light-dark(#ae430b, #f49b68));
    --subject-soft: var(--np-lora-subject-soft, light-dark(#fbebe2, #38271e));
    --style: var(--np-lora-style, light-dark(#175fa5, #7cb8f2));
    --style-soft: var(--np-lora-style-soft, light-dark(#e4eef8, #1c2c3d));
    --overlap: var(--np-lora-overlap, light-dark(#6f4a7d, #c6a0d2));
    --danger: var(--np-lora-danger, light-dark(#a8201a, #ff9a90));
    --danger-soft: var(--np-lora-danger-soft, light-dark(#fcefee, #2d1f20));
    --good: var(--np-lora-good, light-dark(#1c6b45, #7fd0a6));
    --caution: var(--np-lora-caution, light-dark(#76560a, #e3c163));
    --radius: var(--np-lora-radius, 12px);
    --font: var(--np-lora-font, system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif);
    --mono: ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace;
    /* Where a page's own rem is another size than its text, it says so. */
    --rem: var(--np-lora-font-size, 1rem);
    --tiny: calc(0.75 * var(--rem));
    --small: calc(0.8125 * var(--rem));
    --body: calc(0.9375 * var(--rem));
    --large: calc(1.125 * var(--rem));
    --stripes: repeating-linear-gradient(-45deg, var(--subject) 0 5px, var(--style) 5px 10px);
    color: var(--ink);
    font: var(--body) / 1.5 var(--font);
  }
`;

export const base = css`
  *, *::before, *::after { box-sizing: border-box; }
  :host([hidden]) { display: none; }
  h2, h3, p, dl, dd, ul { margin: 0; padding: 0; }
  h2 { font-size: var(--large); font-weight: 650; line-height: 1.35; }
  h3 { font-size: var(--body); font-weight: 650; }
  ul { list-style: none; }
  .small { font-size: var(--small); }
  .muted { color: var(--muted); }
  .panel { background: var(--surface); border: 1px solid var(--line); border-radius: var(--radius); padding: 16px 24px; }
  .stranger { unicode-bidi: isolate; overflow-wrap: anywhere; }
  .refusal { color: var(--danger); font-size: var(--small); }
  .unseen {
    position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
  }
  button, .button {
    display: inline-flex; align-items: center; justify-content: center; gap: 8px; min-height: 40px; padding: 0 16px;
    font: inherit; font-weight: 550; color: var(--ink); background: var(--surface); border: 1px solid var(--edge);
    border-radius: 8px; cursor: pointer; white-space: nowrap;
  }
  button:hover:not(:disabled, [aria-disabled='true']), .button:hover { background: var(--sunken); }
  button.primary { color: var(--page); background: var(--ink); border-color: var(--ink); padding: 0 24px; }
  button.primary:hover:not(:disabled) { background: color-mix(in srgb, var(--ink) 85%, var(--page)); }
  button.plain, .button.plain { border-color: transparent; background: none; padding: 0 8px; min-height: 32px; color: var(--muted); font-size: var(--small); }
  button.plain:hover:not(:disabled, [aria-disabled='true']), .button.plain:hover { color: var(--ink); background: var(--sunken); }
  /* One with nothing to do keeps the keyboard's place, which a disabled one loses. */
  button:is(:disabled, [aria-disabled='true']) { opacity: 0.5; cursor: default; }
  :focus-visible { outline: 2px solid var(--ink); outline-offset: 2px; }
  .row { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; }
  input[type='text'], select {
    font: inherit; color: inherit; background: var(--surface); border: 1px solid var(--edge); border-radius: 8px;
    min-height: 40px; padding: 0 12px; max-width: 100%;
  }
  input:disabled, select:disabled { opacity: 0.6; }
  ::placeholder { color: var(--muted); opacity: 1; }
  summary { cursor: pointer; border-radius: 4px; }
  @container (max-width: 568px) { .panel { padding: 16px; } }
  @media (forced-colors: active) {
    button.primary { border-width: 2px; }
    button[aria-disabled='true'] { color: GrayText; border-color: GrayText; opacity: 1; }
  }
  @media (prefers-reduced-motion: reduce) { * { transition: none !important; animation: none !important; } }
  .ending { font-weight: 400; color: var(--muted); }
  .warnings { display: grid; gap: 8px; }
  progress { appearance: none; width: 100%; height: 8px; border: 0; border-radius: 4px; background: var(--sunken); overflow: hidden; display: block; }
  progress::-webkit-progress-bar { background: var(--sunken); }
  progress::-webkit-progress-value { background: var(--overlap); }
  progress::-moz-progress-bar { background: var(--overlap); }
  @media (forced-colors: active) { progress { appearance: auto; } }
`;

/** A slider whose track is painted with --track. */
export const slider = css`
  input[type='range'] {
    appearance: none; width: 100%; height: 32px; margin: 0; background: none; cursor: pointer; --thumb: 20px;
  }
  input[type='range']::-webkit-slider-runnable-track { height: 8px; border-radius: 4px; background: var(--track); }
  input[type='range']::-moz-range-track { height: 8px; border-radius: 4px; background: var(--track); }
  input[type='range']::-webkit-slider-thumb {
    appearance: none; width: var(--thumb); height: var(--thumb); margin-top: calc((8px - var(--thumb)) / 2);
    border-radius: 50%; background: var(--surface); border: 2px solid var(--ink);
  }
  input[type='range']::-moz-range-thumb {
    width: var(--thumb); height: var(--thumb); border-radius: 50%; background: var(--surface); border: 2px solid var(--ink);
  }
  input[type='range']:disabled { opacity: 0.6; cursor: default; }
  /* The ring goes around the thumb: around the whole track it would strike through the label above. */
  input[type='range']:focus-visible { outline: none; }
  input[type='range']:focus-visible::-webkit-slider-thumb { outline: 2px solid var(--ink); outline-offset: 3px; }
  input[type='range']:focus-visible::-moz-range-thumb { outline: 2px solid var(--ink); outline-offset: 3px; }
  @media (forced-colors: active) { input[type='range'] { appearance: auto; } input[type='range']:focus-visible { outline: 2px solid; } }
`;
