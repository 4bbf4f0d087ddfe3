import { defineConfig } from '@playwright/test';
import { ARGS, EXECUTABLE } from './tests/browser/chromium.ts';

const port = Number(process.env.NP_LORA_PORT ?? 4173);
const baseURL = process.env.NP_LORA_URL ?? `http://127.0.0.1:${port}/`;

const launch = (more: string[]) => ({ launchOptions: { args: [...ARGS, ...more], ...EXECUTABLE } });

export default defineConfig({
  testDir: 'tests/browser',
  // A software graphics device takes seconds to compile one shader.
  timeout: 120_000,
  expect: { timeout: 60_000 },
  // Most of a test is waiting for a page: running two at a time takes two thirds of the time, even on two cores.
  workers: 2,
  forbidOnly: Boolean(process.env.CI),
  reporter: 'list',
  // Answers of a service worker bypass page.route(); the service worker has tests of its own.
  use: { baseURL, serviceWorkers: 'block' },
  projects: [
    // Each of these is one long file and would be waited for alone if begun last. Playwright does not start these browsers: it has
    // builds of its own of both, and these are the ones that people have.
    { name: 'firefox', testDir: 'tests/engines' },
    { name: 'webkit', testDir: 'tests/engines' },
    // The tags are defined in tests/browser/page.ts.
    { name: 'webgpu', grep: /@device/, use: launch(['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader']) },
    { name: 'cpu', grepInvert: /@device-only/, use: launch([]) },
    { name: 'package', testDir: 'tests/package', use: launch([]) },
  ],
  ...(process.env.NP_LORA_URL ? {} : {
    webServer: { command: `node www/serve.mjs ${process.env.NP_LORA_DIST ?? 'dist'} --port ${port}`, url: baseURL, reuseExistingServer: false },
  }),
});
