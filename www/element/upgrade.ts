/**
 * Sets properties again that were set on an element before its class was defined, and that now hide the accessors of these `names`. Lit does this for
 * its own properties.
 */
export function takeEarly<N extends string>(element: Record<N, unknown>, names: readonly N[]): void {
  for (const name of names) {
    if (!Object.hasOwn(element, name)) continue;
    const early = { [name]: element[name] };
    Reflect.deleteProperty(element, name);
    Object.assign(element, early);
  }
}
