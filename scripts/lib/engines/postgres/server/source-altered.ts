import { OperatorError } from '../../../errors.ts';

/** A dump cannot go on beside those who alter tables; in another way it may. */
export class SourceAltered extends OperatorError {}
