export function offline(out: string, tsconfig: string, worker?: string): Promise<void>;
