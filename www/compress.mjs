/** `node www/compress.mjs <dir>`: beside every file that gains by it a .br and a .gz, for servers that send them as they are. */

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { argv } from 'node:process';
import { brotliCompressSync, gzipSync } from 'node:zlib';

const PACKED = { '.br': (content) => brotliCompressSync(content), '.gz': (content) => gzipSync(content, { level: 9 }) };

const dir = argv[2] ?? 'dist';
const entries = await readdir(dir, { recursive: true, withFileTypes: true });
for (const entry of entries.filter(({ name }) => /\.(html|js|css|svg|json|txt|wasm)$/.test(name))) {
  const path = join(entry.parentPath, entry.name);
  const content = await readFile(path);
  for (const [ending, pack] of Object.entries(PACKED)) await writeFile(path + ending, pack(content));
}
