/** `np-lora`: the tool at a terminal. Everything about LoRAs is left to the library. */

import { isAbort } from '../core/abort.ts';
import { DEFAULT_SETTINGS } from '../core/defaults.ts';
import { defaultName } from '../core/naming.ts';
import { fileNameFor } from '../core/save.ts';
import { inert, toJson } from '../element/words/format.ts';
import { ProblemError, open, openFile, version, type Role } from '../headless/node.ts';
import { help, understand, type Order } from './arguments.ts';
import { Bar } from './bar.ts';
import { Usage, type Name } from './options.ts';
import { atTerminal, outlookText, problemText, reportText, summaryText } from './words.ts';

/** The exit codes that shells use: 128 plus the signal's number. */
const STOPPED = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

const CONFIGS = ['content-config', 'style-config'] as const satisfies Name[];

// The work is done even if its output cannot be written. A reader that wants only the beginning closes the pipe, which is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return;
  console.error(`np-lora: what was done cannot be told here: ${error.message}`);
  process.once('exit', () => { process.exitCode = 1; });
});
process.stderr.on('error', () => {});

process.exitCode = await main(process.argv.slice(2));

async function main(typed: string[]): Promise<number> {
  let order: Order | 'help' | 'version';
  try {
    order = understand(typed);
  } catch (thrown) {
    if (!(thrown instanceof Usage)) throw thrown;
    console.error(`np-lora: ${inert(thrown.message, 1000)}\nTry "np-lora --help".`);
    return 2;
  }
  if (order === 'help') {
    process.stdout.write(help());
    return 0;
  }
  if (order === 'version') {
    console.log(await version());
    return 0;
  }
  return run(order);
}

async function run(order: Order): Promise<number> {
  const stopper = new AbortController();
  let code = 0;
  for (const [signal, itsCode] of Object.entries(STOPPED)) {
    process.on(signal, () => {
      // A second signal ends the process at once, without waiting for the current module.
      if (stopper.signal.aborted) process.exit(itsCode);
      code = itsCode;
      stopper.abort();
    });
  }
  const bar = new Bar(process.stderr, process.stderr.isTTY && !order.on('quiet') && !order.on('json'));
  try {
    const { value, text } = await obey(order, stopper.signal, bar);
    bar.wipe();
    process.stdout.write(order.on('json') ? `${toJson(value)}\n` : text);
    return 0;
  } catch (thrown) {
    bar.wipe();
    if (isAbort(thrown) || stopper.signal.aborted) {
      console.error('np-lora: cancelled, nothing was written');
      return code;
    }
    if (!(thrown instanceof ProblemError)) throw thrown;
    const problem = atTerminal(thrown.problem);
    console.error(`np-lora: ${problemText(problem)}`);
    if (order.on('json')) process.stdout.write(`${toJson({ problem })}\n`);
    return 1;
  }
}

type Given = Record<Role, { file: File; config: File | null } | null>;

async function obey(order: Order, signal: AbortSignal, bar: Bar): Promise<{ value: unknown; text: string }> {
  const { command, settings } = order;
  const inputs = await inputsOf(order);
  const path = command === 'fuse' || command === 'convert' ? place(order, inputs) : '';
  const pair = await open(inputs, { signal });
  const onProgress = bar.show;
  switch (command) {
    case 'inspect': {
      const file = order.on('hash') && inputs.content ? inputs.content.file : null;
      const sha256 = file && await pair.hash(file, { signal });
      const tensors = file && await pair.hash(file, { of: 'tensors', signal });
      // A file that cannot be converted has no namings, which is an error only if a family was named.
      const { schemes, blocks } = await pair.fit(settings).catch((thrown: unknown) => {
        if (settings.family !== undefined) throw thrown;
        return { schemes: [], blocks: [] };
      });
      return {
        value: { ...pair.content, schemes, blocks, sha256, tensorsSha256: tensors },
        text: pair.content ? summaryText(pair.content, { schemes, blocks }, { sha256, tensors }) : '',
      };
    }
    case 'analyse': {
      const outlook = await pair.outlook(settings, { signal, onProgress });
      return { value: outlook, text: outlookText(outlook) };
    }
    case 'fuse':
    case 'convert': {
      const options = { signal, onProgress, path, overwrite: order.on('force') };
      const { report } = await pair[command](settings, options);
      return { value: report, text: reportText(report, path) };
    }
  }
}

async function inputsOf({ files, text }: Order): Promise<Given> {
  const [content = null, style = null] = await Promise.all(files.map(async (path, at) => {
    const config = text(CONFIGS[at]!);
    return { file: await openFile(path), config: config === null ? null : await openFile(config) };
  }));
  return { content, style };
}

/** The path of the result. */
function place({ settings, text }: Order, { content, style }: Given): string {
  return text('output') ?? fileNameFor(defaultName(content?.file ?? null, style?.file ?? null, { ...DEFAULT_SETTINGS, ...settings }));
}
