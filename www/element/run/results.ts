/** The chunk of what was made, and of what compares it: fetched as soon as something could be. */

import { ComparePlace } from '../compare/place.ts';
import { define } from '../register.ts';
import { ResultView } from './result-view.ts';
import { ResultsView } from './results-view.ts';
import { StartOver } from './start-over.ts';

define({ 'np-lora-start-over': StartOver, 'np-lora-result': ResultView, 'np-lora-results': ResultsView, 'np-lora-compare': ComparePlace });
