// UTF-8 as RFC 3629 4 has it, octet by octet: no overlong forms, no surrogates, nothing above U+10FFFF.

export const UTF8_VALID = 0;
const ONE_LEFT = 1;
const TWO_LEFT = 2;
const THREE_LEFT = 3;
const AFTER_E0 = 4;
const AFTER_ED = 5;
const AFTER_F0 = 6;
const AFTER_F4 = 7;

/** The state behind `octet`, -1 when the sequence cannot be valid.  Only UTF8_VALID may end a text. */
export function utf8Next(state: number, octet: number): number {
  if (state === UTF8_VALID) return firstOctet(octet);
  if (octet < 0x80 || octet > 0xbf) return -1;
  switch (state) {
    case ONE_LEFT:
      return UTF8_VALID;
    case TWO_LEFT:
      return ONE_LEFT;
    case THREE_LEFT:
      return TWO_LEFT;
    case AFTER_E0:
      return octet >= 0xa0 ? ONE_LEFT : -1;
    case AFTER_ED:
      return octet <= 0x9f ? ONE_LEFT : -1;
    case AFTER_F0:
      return octet >= 0x90 ? TWO_LEFT : -1;
    default:
      return octet <= 0x8f ? TWO_LEFT : -1;
  }
}

function firstOctet(octet: number): number {
  if (octet < 0x80) return UTF8_VALID;
  if (octet < 0xc2) return -1;
  if (octet < 0xe0) return ONE_LEFT;
  if (octet < 0xf0) return octet === 0xe0 ? AFTER_E0 : octet === 0xed ? AFTER_ED : TWO_LEFT;
  if (octet < 0xf5) return octet === 0xf0 ? AFTER_F0 : octet === 0xf4 ? AFTER_F4 : THREE_LEFT;
  return -1;
}
