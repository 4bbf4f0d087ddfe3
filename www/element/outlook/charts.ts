/** The chunk with the outlook, fetched when there is one to draw. */

import { define } from '../register.ts';
import { BrushBar } from './brush.ts';
import { Curve } from './curve.ts';
import { Data } from './data.ts';
import { OverlapMap } from './map.ts';
import { Modules } from './modules.ts';
import { Spectrum } from './spectrum.ts';
import { OutlookView } from './view.ts';

define({
  'np-lora-data': Data,
  'np-lora-brush': BrushBar,
  'np-lora-curve': Curve,
  'np-lora-overlap-map': OverlapMap,
  'np-lora-modules': Modules,
  'np-lora-spectrum': Spectrum,
  'np-lora-outlook-view': OutlookView,
});
