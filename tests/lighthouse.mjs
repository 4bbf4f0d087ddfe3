/**
 * `npm run lighthouse`: Google's Lighthouse on every page of the built site, as a phone on a slow network sees it. It is
 * fetched when it is run, being larger than all that the project needs otherwise.
 */

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { env, exit, getuid } from 'node:process';
import { promisify } from 'node:util';

const LIGHTHOUSE = 'lighthouse@13.5.0';
const PAGES = ['', 'how-it-works.html', 'privacy.html', 'examples.html', 'api.html'];
/** Performance depends on what else the machine does: the best of several runs is what the page can. */
const RUNS = 3;
const LEAST = { performance: 95, accessibility: 100, 'best-practices': 100 };

const server = spawn('node', ['www/serve.mjs', 'dist'], { stdio: ['ignore', 'pipe', 'inherit'] });
const [said] = await once(server.stdout, 'data');
const address = String(said).trim();
const sandbox = getuid?.() === 0 ? ' --no-sandbox' : '';

async function measure(page) {
  const { stdout } = await promisify(execFile)('npx', [
    '--yes', LIGHTHOUSE, address + page, '--quiet', '--output=json', `--only-categories=${Object.keys(LEAST)}`, `--chrome-flags=--headless=new${sandbox}`,
  ], { env: { ...env, CHROME_PATH: env.CHROME_PATH ?? env.NP_LORA_CHROMIUM ?? '' }, maxBuffer: 2 ** 28 });
  return JSON.parse(stdout);
}

/** The audits that count and found something. */
const found = ({ categories, audits }) => Object.entries(categories).flatMap(([category, { auditRefs }]) => auditRefs
  .filter(({ id, weight }) => weight > 0 && audits[id].score !== null && audits[id].score < 0.9)
  .map(({ id }) => `${category}: ${audits[id].title} ${audits[id].displayValue ?? ''}`));

let short = 0;
try {
  for (const page of PAGES) {
    const reports = [];
    const best = (category) => Math.round(100 * Math.max(...reports.map(({ categories }) => categories[category].score)));
    const missed = () => Object.entries(LEAST).filter(([category, least]) => best(category) < least);
    do reports.push(await measure(page));
    while (missed().length > 0 && reports.length < RUNS);
    short += missed().length;
    console.log((page || 'index.html').padEnd(20), Object.keys(LEAST).map((category) => `${category} ${best(category)}`).join(', '));
    if (missed().length > 0) console.log(found(reports.at(-1)).map((line) => `  ${line}`).join('\n'));
  }
} finally {
  server.kill();
}
exit(short > 0 ? 1 : 0);
