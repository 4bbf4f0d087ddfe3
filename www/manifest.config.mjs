/** For the analyzer that makes custom-elements.json: see www/package.mjs. */
export default { globs: ['www/element/np-lora.ts'], litelement: true, quiet: true, packagejson: false };
