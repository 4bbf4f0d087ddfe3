/** The sentences of the page around the element. */

export const text = {
  newVersion: 'A new version of this page is ready.',
  reload: 'Load it',
  afterRun: 'A new version of this page is ready. It can be loaded when the run is over.',
  otherTabs: 'A new version of this page is ready. It can be loaded when no other tab shows this site.',
} as const;
