import { useEffect, useRef } from 'react';

// Once, wherever the application begins: import '/np-lora/element.js';

export function Fuse({ style, onFused }) {
  const tool = useRef(null);

  useEffect(() => {
    const element = tool.current;
    const done = ({ detail }) => onFused(detail.file, detail.report);
    element.addEventListener('complete', done);
    return () => element.removeEventListener('complete', done);
  }, [onFused]);

  return <np-lora ref={tool} mu={0.5} styleFile={style} />;
}
