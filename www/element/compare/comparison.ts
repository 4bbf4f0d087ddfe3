/** The chunk with the comparison, which is fetched when somebody opens it. */

import { define } from '../register.ts';
import { CompareView } from './view.ts';

define({ 'np-lora-compare-view': CompareView });
