/** Where the tool's own files are. The names are literals, so that bundlers find them, include the files and replace the addresses. */

export interface Program {
  /** The address of the wasm-bindgen module. */
  glue: string;
  wasm: string;
}

interface Assets {
  worker: string;
  /** The small program that only opens files and loads quickly; null: the whole program opens them, and is loaded at once. */
  reader: Program | null;
  whole: Program;
}

/** Where a host keeps the worker and the programs. */
export interface AssetOptions {
  /** A folder that holds all of these files under their original names. */
  assetBase?: string | URL | null | undefined;
  workerURL?: string | URL | null | undefined;
  /** The glue script of the whole program. If this or `wasmURL` is set, the whole program is loaded at once. */
  glueURL?: string | URL | null | undefined;
  wasmURL?: string | URL | null | undefined;
}

type Of<T> = { worker: T; reader: { glue: T; wasm: T }; whole: { glue: T; wasm: T } };

const NAMES: Of<string> = {
  worker: 'worker.js',
  reader: { glue: 'np_lora_reader.js', wasm: 'np_lora_reader_bg.wasm' },
  whole: { glue: 'np_lora.js', wasm: 'np_lora_bg.wasm' },
};

const here = (): Of<URL> => ({
  worker: new URL('./worker.js', import.meta.url),
  reader: { glue: new URL('./np_lora_reader.js', import.meta.url), wasm: new URL('./np_lora_reader_bg.wasm', import.meta.url) },
  whole: { glue: new URL('./np_lora.js', import.meta.url), wasm: new URL('./np_lora_bg.wasm', import.meta.url) },
});

function inFolder(base: string | URL): Of<URL> {
  const folder = new URL(base, globalThis.location?.href);
  if (!folder.pathname.endsWith('/')) folder.pathname += '/';
  const at = (name: string): URL => new URL(name, folder);
  const both = ({ glue, wasm }: Of<string>['whole']): Of<URL>['whole'] => ({ glue: at(glue), wasm: at(wasm) });
  return { worker: at(NAMES.worker), reader: both(NAMES.reader), whole: both(NAMES.whole) };
}

/** The absolute addresses: the one that the host names for a file, else the file in the host's folder, else the one beside this script. */
export function assetsFor({ assetBase, workerURL, glueURL, wasmURL }: AssetOptions): Assets {
  const { worker, reader, whole } = assetBase ? inFolder(assetBase) : here();
  const absolute = (url: string | URL): string => new URL(url, globalThis.location?.href).href;
  const both = ({ glue, wasm }: Of<URL>['whole']): Program => ({ glue: glue.href, wasm: wasm.href });
  return {
    worker: absolute(workerURL ?? worker),
    reader: glueURL || wasmURL ? null : both(reader),
    whole: { glue: absolute(glueURL ?? whole.glue), wasm: absolute(wasmURL ?? whole.wasm) },
  };
}
