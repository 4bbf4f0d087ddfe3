export function offline(out: string, tsconfig: string): Promise<void>;
