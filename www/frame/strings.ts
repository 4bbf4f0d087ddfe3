/** The frame's own texts; all others are the element's. */

export const text = {
  alone: 'This page is for the frames of other pages: its address must end in ?parent= and the origin of the page around it, as in ?parent=https://example.com.',
  noOrigin: 'Where sandbox has no allow-same-origin, the server that the tool comes from must send Access-Control-Allow-Origin: * with its files.',
  title: 'Fuse a subject LoRA with a style LoRA',
  silent: 'It did not answer. Is the address right, does the frame-ancestors of its server allow this page, and are both of the same version?',
  notObject: 'It is no object of names and values, or of too many.',
  tooMany: 'Too much at once: it waits for the answers to what it asked before.',
  strange: 'Its answer made no sense: it may be of another version.',
  isolated: 'This page is isolated (Cross-Origin-Embedder-Policy): the server of the tool must send that header too.',
  reloaded: 'It was loaded anew.',
  away: 'Its frame is not in the page any more.',
  address: 'The address of the frame must begin with http: or https:.',
  placeless: 'The frame was given no element to be put in: there was nothing where it was looked for.',
  originless: 'A page without an http(s) origin cannot speak with the frame.',
} as const;
