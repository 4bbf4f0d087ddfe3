/** The chunk of what was made: fetched as soon as something could be. */

import { define } from '../register.ts';
import { ResultView } from './result-view.ts';
import { ResultsView } from './results-view.ts';

define({ 'np-lora-result': ResultView, 'np-lora-results': ResultsView });
