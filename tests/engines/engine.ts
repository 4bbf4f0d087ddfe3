/** Firefox and WebKitGTK, each with a profile of its own that is gone with it. */

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../browser/ports.ts';
import { eventually, overHttp, overMarionette, start, type Driver, type Program } from './driver.ts';

export type Name = 'firefox' | 'webkit';

/** The programs. `cargo xtask test` names them; what it names none of is not there. */
export const PROGRAMS: Record<Name, string | undefined> = { firefox: process.env.NP_LORA_FIREFOX, webkit: process.env.NP_LORA_WEBKIT };

export interface Engine {
  name: Name;
  driver: Driver;
  /** Where it saves what is downloaded. */
  downloads: string;
  /** Errors that the engine itself has printed: those of workers too, and of a page that has hardly begun. WebKit prints none. */
  printed(): string[];
  stop(): Promise<void>;
}

export async function startEngine(name: Name, { dark = false } = {}): Promise<Engine> {
  const folder = await mkdtemp(join(tmpdir(), `np-lora-${name}-`));
  const downloads = join(folder, 'home');
  await mkdir(downloads);
  const programs: Program[] = [];
  const stop = async (): Promise<void> => {
    for (const program of programs.reverse()) await program.kill();
    // What was killed may still be letting go of its files.
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  };
  try {
    const driver = await { firefox, webkit }[name]({ folder, downloads, dark, programs });
    return {
      name, driver, downloads, stop: async () => {
        await driver.end().catch(() => {});
        await stop();
      },
      printed: () => programs.flatMap((program) => program.printed().split('\n')).filter((line) => /^JavaScript error: (http|blob:http)/.test(line)),
    };
  } catch (thrown) {
    const printed = programs.map((program) => program.printed()).join('\n');
    await stop();
    throw new Error(`${name} could not be started:\n${printed}`, { cause: thrown });
  }
}

interface Start {
  folder: string;
  downloads: string;
  dark: boolean;
  /** What was started, to be ended in the other order. */
  programs: Program[];
}

async function firefox({ folder, downloads, dark, programs }: Start): Promise<Driver> {
  const preferences = {
    'marionette.port': 0, // any that is free; it writes down which
    'browser.dom.window.dump.enabled': true, // uncaught errors are printed
    'browser.download.folderList': 2,
    'browser.download.dir': downloads,
    'browser.download.alwaysOpenPanel': false, // it would take the keyboard from the page
    'layout.css.prefers-color-scheme.content-override': dark ? 0 : 1,
    // Nothing but the page is to be loaded.
    'app.normandy.enabled': false,
    'browser.safebrowsing.downloads.remote.enabled': false,
    'datareporting.policy.dataSubmissionEnabled': false,
    'services.settings.server': 'data:,',
  };
  const profile = join(folder, 'profile');
  await mkdir(profile);
  await writeFile(join(profile, 'user.js'), Object.entries(preferences).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`).join(''));
  // A home of its own: as root, Firefox would not start in somebody else's.
  programs.push(start(PROGRAMS.firefox!, ['--headless', '--no-remote', '--marionette', '--profile', profile], { HOME: folder }));
  const port = await eventually('Firefox', async () => Number(await readFile(join(profile, 'MarionetteActivePort'), 'utf8')) || Promise.reject(new Error('half written')));
  return overMarionette(port);
}

async function webkit({ folder, downloads, dark, programs }: Start): Promise<Driver> {
  // It draws on a screen only. Xvfb takes the first number that is free and says which.
  const screen = start('Xvfb', ['-displayfd', '1', '-screen', '0', '1600x1200x24', '-nolisten', 'tcp'], {});
  programs.push(screen);
  const display = await eventually('Xvfb', () => {
    const number = /^\d+$/m.exec(screen.printed())?.[0];
    return number ? Promise.resolve(number) : Promise.reject(new Error(screen.printed()));
  });
  const port = await freePort();
  programs.push(start(PROGRAMS.webkit!, [`--port=${port}`], {
    DISPLAY: `:${display}`, GDK_BACKEND: 'x11', GTK_THEME: dark ? 'Adwaita:dark' : 'Adwaita',
    // Downloads go into the home folder where none is set up for them.
    HOME: downloads, XDG_CONFIG_HOME: join(folder, 'config'), XDG_CACHE_HOME: join(folder, 'cache'), XDG_DATA_HOME: join(folder, 'data'),
  }));
  return overHttp(`http://127.0.0.1:${port}`, {});
}
