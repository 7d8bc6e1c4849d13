import type { Candidate } from './candidate.ts';
import { CLUSTERS } from './rivals-clusters.ts';
import { PIPELINES } from './rivals-pipelines.ts';
import { TOOLS } from './rivals-tools.ts';

/** What one would use instead. A further tool is a further row. */
export const RIVALS: readonly Candidate[] = [...PIPELINES, ...TOOLS, ...CLUSTERS];
