/** The texts of the page around the element. Those in index.html have these names in `data-words`. */

export const english = {
  language: 'Language',
  title: 'NP-LoRA: fuse a subject with a style',
  checking: 'Checking',
  newVersion: 'A new version of this page is ready.',
  reload: 'Load it',
  afterRun: 'A new version of this page is ready. It can be loaded when the run is over.',
  discards: 'A new version of this page is ready. What is not saved goes when it is loaded.',
  otherTabs: 'A new version of this page is ready. It can be loaded when no other tab shows this site.',

  what: 'Fuses a subject LoRA with a style LoRA so that the style survives.',
  stays: 'Nothing leaves your machine.',
  how: 'How it works',
  inEvery: 'In every layer, the ',
  style: 'style',
  uses: ' uses some directions and leaves the rest alone.',
  the: 'The ',
  subject: 'subject',
  pushes: ' partly pushes along the same directions. That ',
  overlap: 'overlap',
  spoils: ' is what spoils a style when two LoRAs are simply added.',
  taken: 'A part of the overlap, as much as you choose, is taken away from the subject before the two are added.',
  honest: 'This keeps the style better, at some cost to the subject. If the two hardly overlap, it changes little, and the page says so.',
  drawing: 'A plane, the style’s directions. An arrow that rises from it, the subject. The arrow’s shadow on the plane, the overlap. A part of the shadow’s length is taken away from the arrow, which then stands steeper on the plane.',
  plane: 'style’s plane',
  takenAway: 'taken away',
  added: 'what is added',
  privacy: 'Privacy',
  examples: 'On your own page',
  interface: 'Interface',
  licences: 'Licences',
};

export type PageText = typeof english;
