const tool = document.querySelector('np-lora');
const log = document.querySelector('#log');

const said = {
  inspect: ({ role, summary }) => `${role}: ${summary.modules} modules`,
  complete: ({ file, report }) => `${file.name}, ${report.fused} modules fused`,
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
