/** Checksums, eight bytes at a time. */

type Checksum = (bytes: Uint8Array, before?: number) => number;

/** `tables[k][byte]`: what a byte does to the checksum when `k` more bytes follow it. */
function makeTables(polynomial: number): readonly Uint32Array[] {
  const first = Uint32Array.from({ length: 256 }, (_, byte) => {
    let rest = byte;
    for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ polynomial : rest >>> 1;
    return rest;
  });
  const all = [first];
  for (let k = 1; k < 8; k++) all.push(all[k - 1].map(rest => (rest >>> 8) ^ first[rest & 255]));
  return all;
}

/** @param polynomial with its bits from the lowest power on. */
function checksumBy(polynomial: number): Checksum {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = makeTables(polynomial);
  return (bytes, before = 0) => {
    let rest = ~before;
    let at = 0;
    for (const last = bytes.length - 8; at <= last; at += 8) {
      const low = rest ^ (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24));
      rest =
        t7[low & 255] ^
        t6[(low >>> 8) & 255] ^
        t5[(low >>> 16) & 255] ^
        t4[low >>> 24] ^
        t3[bytes[at + 4]] ^
        t2[bytes[at + 5]] ^
        t1[bytes[at + 6]] ^
        t0[bytes[at + 7]];
    }
    for (; at < bytes.length; at++) rest = (rest >>> 8) ^ t0[(rest ^ bytes[at]) & 255];
    return ~rest >>> 0;
  };
}

/** That of zip archives and PNG files (ISO 3309, ITU-T V.42). `before`: of the bytes before these. */
export const crc32: Checksum = checksumBy(0xedb88320);

/** That of iSCSI (RFC 3720) and of TensorFlow's records, by Castagnoli's polynomial. */
export const crc32c: Checksum = checksumBy(0x82f63b78);
