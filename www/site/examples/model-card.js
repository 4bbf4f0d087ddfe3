const button = document.querySelector('#fuse');
const place = document.querySelector('#place');
const tool = document.querySelector('np-lora');

button.addEventListener('click', async () => {
  button.disabled = true;
  const answer = await fetch('example-style.safetensors');
  tool.styleFile = new File([await answer.blob()], 'example-style.safetensors');
  place.hidden = false;
});
