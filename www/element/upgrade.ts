/**
 * What was set on an element before there was its class lies over the accessors of these `names`, and has to be set again. Lit sees
 * to its own properties.
 */
export function takeEarly<N extends string>(element: Record<N, unknown>, names: readonly N[]): void {
  for (const name of names) {
    if (!Object.hasOwn(element, name)) continue;
    const early = { [name]: element[name] };
    Reflect.deleteProperty(element, name);
    Object.assign(element, early);
  }
}
