/**
 * The fields of a protobuf message, read in place: no object is made of any.
 * An acknowledgement comes from every Envoy for every change, and an Envoy
 * that comes back names all it holds, so each field must cost next to nothing.
 */

/** A field with bytes (text, bytes, messages): its number, and where in the message they are. */
type See = (number: number, from: number, to: number) => void;

/** Throws a RangeError where the bytes from `at` to `end` are no protobuf. */
export function eachField(message: Buffer, see: See, at = 0, end = message.length): void {
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = at < end ? message[at++] : undefined;
      if (byte === undefined) throw new RangeError('it ends in the middle of a number');
      // Beyond 2^53 the value is wrong, but nothing that long is read.
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError('a number has no end');
  };
  const skip = (length: number): void => {
    if (length > end - at) throw new RangeError('it ends in the middle of a field');
    at += length;
  };
  while (at < end) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    if (number === 0) throw new RangeError('a field has the number 0');
    switch (tag % 8) {
      case 0:
        varint();
        break;
      case 1:
        skip(8);
        break;
      case 2: {
        const length = varint();
        skip(length);
        see(number, at - length, at);
        break;
      }
      case 5:
        skip(4);
        break;
      default:
        throw new RangeError(`a field has the wire type ${tag % 8}`);
    }
  }
}
