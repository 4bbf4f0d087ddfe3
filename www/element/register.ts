/** Defines custom elements. If a page loads the script twice, the first definitions stay. */

import type { LitElement } from 'lit';
import { followers } from './words/language.ts';

export function define(elements: Record<string, typeof LitElement>): void {
  for (const [name, element] of Object.entries(elements)) {
    if (customElements.get(name)) continue;
    element.addInitializer((part) => part.addController?.({
      hostConnected: () => {
        followers.add(part as LitElement);
        // The element may have been disconnected while the language changed.
        (part as LitElement).requestUpdate();
      },
      hostDisconnected: () => followers.delete(part as LitElement),
    }));
    customElements.define(name, element);
  }
}
