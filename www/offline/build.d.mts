import type { Plugin } from 'esbuild';

export function offline(out: string, tsconfig: string, own?: { worker?: string; plugins?: Plugin[] }): Promise<void>;
