import { NpLoraFrame } from '../np-lora-frame.js';

const log = document.querySelector('#log');
// Where the tool has a site of its own: src: 'https://lora.example/embed.html'.
const tool = new NpLoraFrame(document.querySelector('#place'), { settings: { mu: 1, saveTo: 'page' } });

const said = {
  ready: () => 'the tool is there',
  inspect: ({ role, summary }) => `${role}: ${summary.modules} modules`,
  complete: ({ file, report }) => `${file.name}, ${report.fused} modules fused`,
  // Unless this is prevented, the page downloads the file.
  save: ({ file }) => `${file.name}, ${file.size} bytes`,
  error: ({ code }) => code,
  abort: () => 'nothing was saved',
};

for (const [name, say] of Object.entries(said)) {
  tool.addEventListener(name, ({ detail }) => {
    const line = document.createElement('li');
    // Names come from files of strangers: as text, never as markup.
    line.textContent = `${name} · ${say(detail)}`;
    log.append(line);
  });
}
