/** The length of a packet in three bytes, and its place in the exchange in one. */
const HEAD_BYTES = 4;

/**
 * @param {number} sequence
 * @param {Buffer} payload
 */
export function packet(sequence, payload) {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUIntLE(payload.length, 0, HEAD_BYTES - 1);
  head.writeUInt8(sequence & 255, HEAD_BYTES - 1);
  return Buffer.concat([head, payload]);
}

/** Cuts what passes into the packets of MariaDB's protocol. */
export class Packets {
  /** @type {Buffer} */
  #kept = Buffer.alloc(0);
  #take;

  /** @param {(sequence: number, payload: Buffer) => void} take */
  constructor(take) {
    this.#take = take;
  }

  /** @param {Buffer} chunk */
  feed(chunk) {
    this.#kept = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    while (this.#kept.length >= HEAD_BYTES) {
      const end = HEAD_BYTES + this.#kept.readUIntLE(0, HEAD_BYTES - 1);
      if (this.#kept.length < end) return;
      const whole = this.#kept.subarray(0, end);
      this.#kept = this.#kept.subarray(end);
      this.#take(whole.readUInt8(HEAD_BYTES - 1), whole.subarray(HEAD_BYTES));
    }
  }
}
