/** What tests of links share: the pair on the servers, and what a card shows of a link. */

import { expect, type Locator, type Page } from '@playwright/test';
import { SD15_MODULES, makeLora, type Recipe } from './make.ts';
import type { Role } from './page.ts';
import { writeSafetensors, type Safetensors } from './safetensors.ts';

export const RECIPE: Recipe = { modules: SD15_MODULES, rank: 32, alpha: 16, dtype: 'F16', scheme: 'kohya', seed: 81, sharedDirections: 3 };
export const pair: [Safetensors, Safetensors] = [makeLora(RECIPE), makeLora({ ...RECIPE, seed: 82 })];
export const [subject, style] = pair.map(writeSafetensors) as [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>];

export const card = (page: Page, role: Role): Locator => page.getByRole('region', { name: role, exact: true });
export const loadButton = (page: Page, role: Role): Locator => card(page, role).getByRole('button', { name: /^Load from / });
export const isOpen = (page: Page, role: Role): Promise<void> => expect(card(page, role)).toContainText('read as needed');
