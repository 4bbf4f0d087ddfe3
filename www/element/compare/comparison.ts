/** The chunk of the comparison: fetched when somebody wants one. */

import { define } from '../register.ts';
import { CompareView } from './view.ts';

define({ 'np-lora-compare-view': CompareView });
