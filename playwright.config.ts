import { defineConfig } from '@playwright/test';

const port = Number(process.env.NP_LORA_PORT ?? 4173);
const baseURL = process.env.NP_LORA_URL ?? `http://127.0.0.1:${port}/`;

// A root user has no sandbox, and behind a closed network the browser's own services only wait.
const args = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];
if (process.getuid?.() === 0) args.push('--no-sandbox');
const chromium = process.env.NP_LORA_CHROMIUM;
const launch = (more: string[]) => ({ launchOptions: { args: [...args, ...more], ...(chromium ? { executablePath: chromium } : {}) } });

export default defineConfig({
  testDir: 'tests/browser',
  // A software graphics device takes seconds to compile one shader.
  timeout: 120_000,
  expect: { timeout: 60_000 },
  workers: 1,
  forbidOnly: Boolean(process.env.CI),
  reporter: 'list',
  use: { baseURL },
  projects: [
    { name: 'webgpu', use: launch(['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader']) },
    { name: 'cpu', use: launch([]) },
  ],
  ...(process.env.NP_LORA_URL ? {} : {
    webServer: { command: `node www/serve.mjs ${process.env.NP_LORA_DIST ?? 'dist'} --port ${port}`, url: baseURL, reuseExistingServer: false },
  }),
});
