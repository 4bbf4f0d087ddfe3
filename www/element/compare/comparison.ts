/** The chunk of the comparison: fetched when somebody wants one. */

import { Data } from '../outlook/data.ts';
import { define } from '../register.ts';
import { CompareView } from './view.ts';

define({ 'np-lora-data': Data, 'np-lora-compare-view': CompareView });
