/**
 * The fields of a protobuf message, read one after the other without making
 * an object of it. An acknowledgement has three short fields and comes from
 * every Envoy for every change, so it must cost next to nothing.
 */

/** One field: its number, and its bytes where it has any (text, bytes, messages). */
interface Field {
  readonly number: number;
  readonly bytes: Buffer | undefined;
}

/** Throws a RangeError where the bytes are no protobuf. */
export function* fieldsOf(message: Buffer): Generator<Field> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = message[at++];
      if (byte === undefined) throw new RangeError('it ends in the middle of a number');
      // Beyond 2^53 the value is wrong, but nothing that long is read.
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError('a number has no end');
  };
  const take = (length: number): Buffer => {
    if (length > message.length - at) throw new RangeError('it ends in the middle of a field');
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    if (number === 0) throw new RangeError('a field has the number 0');
    switch (tag % 8) {
      case 0:
        varint();
        yield { number, bytes: undefined };
        break;
      case 1:
        take(8);
        yield { number, bytes: undefined };
        break;
      case 2:
        yield { number, bytes: take(varint()) };
        break;
      case 5:
        take(4);
        yield { number, bytes: undefined };
        break;
      default:
        throw new RangeError(`a field has the wire type ${tag % 8}`);
    }
  }
}
