/** How a Chromium is started here. */

/**
 * Behind a closed network the browser's own services only wait. Its address bar is a page as well, made anew with every window: a
 * fifth of a test's processor time; that switch takes the place of Playwright's own, which is for sites on the web.
 */
export const ARGS = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run',
  '--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup'];
// A root user has no sandbox.
if (process.getuid?.() === 0) ARGS.push('--no-sandbox');

/** Which one; Playwright's own where none is named. */
export const EXECUTABLE = process.env.NP_LORA_CHROMIUM ? { executablePath: process.env.NP_LORA_CHROMIUM } : {};
