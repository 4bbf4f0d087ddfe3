/** What is between the headings of api.html, from the element's manifest. */

import { elementOf, manifest } from '../manifest.mjs';

export const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** A description from a doc comment: code between backticks, and nothing else of Markdown. */
const prose = (text = '') => escape(text.replace(/\s*\n\s*/g, ' ')).replace(/`([^`]+)`/g, '<code>$1</code>');
const code = (text) => `<code>${escape(text)}</code>`;
const type = (text) => (text ? ` <span class="type">${code(text)}</span>` : '');
const parameters = ({ parameters: given = [] }) => given.map(({ name, type: of, default: otherwise }) => `${name}: ${of?.text ?? 'unknown'}${otherwise ? ` = ${otherwise}` : ''}`).join(', ');

const of = (kind, isStatic) => ({ members }) => members.filter((member) => member.kind === kind && Boolean(member.static) === isStatic);

/** The parts of the page: what is listed under a heading, and how an entry begins. */
const SECTIONS = [
  ['Attributes', 'Bad values never throw: they count as the default, strengths out of their range as the nearest in it.', ({ attributes }) => attributes, ({ name, type: of }) => code(name) + type(of?.text)],
  ['Properties', 'Every attribute is a property as well; the others, and <code>name</code>:', (element) => of('field', false)(element).filter(({ attribute }) => !attribute),
    ({ name, type: of, readonly }) => `${code(name)}${type(of?.text)}${readonly ? ' <span class="type">read only</span>' : ''}`],
  ['Methods', '', of('method', false), (method) => code(`${method.name}(${parameters(method)})`) + type(method.return?.type.text)],
  ['Events', 'None bubbles; all have a detail.', ({ events }) => events, ({ name, type: of }) => code(name) + type(of?.text)],
  ['Before the first element', 'Set on the class, which <code>customElements.get(\'np-lora\')</code> gives, by hosts that keep files elsewhere.', of('field', true),
    ({ name, type: of }) => code(name) + type(of?.text)],
  ['Questions to the class', '', of('method', true), (method) => code(`${method.name}(${parameters(method)})`) + type(method.return?.type.text)],
  ['Slots', 'For a host’s own words.', ({ slots }) => slots, ({ name }) => code(name)],
  ['Parts', 'For <code>::part()</code>.', ({ cssParts }) => cssParts, ({ name }) => code(name)],
  ['States', 'For <code>:state()</code>.', ({ cssStates }) => cssStates, ({ name }) => code(name)],
  ['Custom properties', 'With what they are where a host sets nothing.', ({ cssProperties }) => cssProperties, ({ name }) => code(name),
    ({ default: otherwise }) => code(otherwise)],
];

export async function api() {
  const element = elementOf(await manifest());
  return SECTIONS.map(([heading, words, entries, head, says = ({ description }) => prose(description)]) => `
    <h2>${heading}</h2>
    ${words && `<p>${words}</p>`}
    <dl>
${entries(element).map((entry) => `      <dt>${head(entry)}</dt><dd>${says(entry)}</dd>`).join('\n')}
    </dl>`).join('\n');
}
