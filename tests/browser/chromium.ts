/** How Chromium is started for the tests. */

/**
 * Without a network, the browser's own services only wait. Its address bar is a page too, made anew for every window, which takes a fifth of a test's
 * processor time; the switch for that replaces Playwright's own switch, which is for sites on the web.
 */
export const ARGS = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run',
  '--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup'];
// The sandbox does not work for the root user.
if (process.getuid?.() === 0) ARGS.push('--no-sandbox');

/** The Chromium to start; Playwright's own if none is named. */
export const EXECUTABLE = process.env.NP_LORA_CHROMIUM ? { executablePath: process.env.NP_LORA_CHROMIUM } : {};
