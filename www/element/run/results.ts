/** The chunk with the results and the comparison: fetched as soon as there could be either. */

import { ComparePlace } from '../compare/place.ts';
import { define } from '../register.ts';
import { ResultView } from './result-view.ts';
import { ResultsView } from './results-view.ts';
import { StartOver } from './start-over.ts';

define({ 'np-lora-start-over': StartOver, 'np-lora-result': ResultView, 'np-lora-results': ResultsView, 'np-lora-compare': ComparePlace });
