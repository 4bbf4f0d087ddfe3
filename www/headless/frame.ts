/** `np-lora/frame`: the tool in a frame, of a site that has a bundler. All of it is the script that other sites include. */

export { ProblemError } from '../core/problem.ts';
export type * from '../core/types.ts';
export { NpLoraFrame, type FrameOptions } from '../frame/host.ts';
export type { FrameEvents, Given, Opened, Wishes } from '../frame/talk.ts';
