/** Defines `<np-lora>` and its parts. Besides the chunks that come later, this is the only module of the element whose import has a side effect. */

import { Advanced } from './controls/advanced.ts';
import { Blocks } from './controls/blocks.ts';
import { Checksum } from './files/checksum.ts';
import { Controls } from './controls/controls.ts';
import { FileCard } from './files/file-card.ts';
import { LeftOut } from './files/left-out.ts';
import { LinkBox, LinkOffer } from './files/link-box.ts';
import { MuSlider } from './controls/mu-slider.ts';
import { NpLora } from './np-lora.ts';
import { OutlookPlace } from './outlook/place.ts';
import { PairFitView } from './files/pair-fit.ts';
import { ProblemView } from './parts/problem-view.ts';
import { define } from './register.ts';
import { RunPanel } from './run/run-panel.ts';
import { SettingsBar } from './controls/settings-bar.ts';

define({
  'np-lora-problem': ProblemView,
  'np-lora-link': LinkBox,
  'np-lora-offer': LinkOffer,
  'np-lora-checksum': Checksum,
  'np-lora-card': FileCard,
  'np-lora-pair-fit': PairFitView,
  'np-lora-outlook': OutlookPlace,
  'np-lora-mu': MuSlider,
  'np-lora-blocks': Blocks,
  'np-lora-advanced': Advanced,
  'np-lora-controls': Controls,
  'np-lora-settings-bar': SettingsBar,
  'np-lora-left-out': LeftOut,
  'np-lora-run': RunPanel,
  'np-lora': NpLora,
});

export { NpLora };
