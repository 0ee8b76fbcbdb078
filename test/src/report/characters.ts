import fc from 'fast-check';

/** Text of any characters, half of them from ASCII, where those are that markup escapes. */
export const anyText = fc.string({
  unit: fc
    .oneof(fc.nat(0x7f), fc.nat(0x10ffff))
    .filter(code => code < 0xd800 || code > 0xdfff)
    .map(code => String.fromCodePoint(code)),
});
