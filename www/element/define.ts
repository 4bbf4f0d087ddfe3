/** Defines `<np-lora>` and its parts. Importing this file is the only side effect of the element. */

import { Advanced } from './advanced.ts';
import { Blocks } from './blocks.ts';
import { Checksum } from './checksum.ts';
import { ComparePlace } from './compare.ts';
import { Controls } from './controls.ts';
import { FileCard } from './file-card.ts';
import { LeftOut } from './left-out.ts';
import { LinkBox, LinkOffer } from './link-box.ts';
import { MuSlider } from './mu-slider.ts';
import { NpLora } from './np-lora.ts';
import { OutlookPlace } from './outlook.ts';
import { PairFitView } from './pair-fit.ts';
import { ProblemView } from './problem-view.ts';
import { define } from './register.ts';
import { ResultView } from './result-view.ts';
import { ResultsView } from './results-view.ts';
import { RunPanel } from './run-panel.ts';
import { SettingsBar } from './settings-bar.ts';
import { StartOver } from './start-over.ts';

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
  'np-lora-compare': ComparePlace,
  'np-lora-left-out': LeftOut,
  'np-lora-start-over': StartOver,
  'np-lora-result': ResultView,
  'np-lora-results': ResultsView,
  'np-lora-run': RunPanel,
  'np-lora': NpLora,
});

export { NpLora };
