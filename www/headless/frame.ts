/** `np-lora/frame`: the tool in a frame, for sites with a bundler. Other sites include it as a script. */

export { ProblemError } from '../core/problem.ts';
export type * from '../core/types.ts';
export { NpLoraFrame, type FrameOptions } from '../frame/host.ts';
export type { FrameEvents, Given, Opened, Wishes } from '../frame/talk.ts';
