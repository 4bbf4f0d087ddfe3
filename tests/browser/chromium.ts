/** How a Chromium is started here. */

/** A root user has no sandbox, and behind a closed network the browser's own services only wait. */
export const ARGS = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];
if (process.getuid?.() === 0) ARGS.push('--no-sandbox');

/** Which one; Playwright's own where none is named. */
export const EXECUTABLE = process.env.NP_LORA_CHROMIUM ? { executablePath: process.env.NP_LORA_CHROMIUM } : {};
