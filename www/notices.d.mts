export function packageIn(folder: string, manifest: 'Cargo.toml' | 'package.json'): Promise<{ label: string; license: string; texts: string[] }>;
