/**
 * Numbers that come as strings of digits, as oVirt's engine and vdsm-client send some of theirs. Only
 * what every language reads as the same number is one: no sign (but for -1 where that has a meaning),
 * space, exponent, fraction or digit outside ASCII.
 */

/** As long as the largest exact integer; leading zeros count. */
const digitsPattern = /^[0-9]{1,16}$/;

/** `readDigits("0500")` is 500; `readDigits("5x")` is undefined. **Fails**: never. */
export function readDigits(text: string): number | undefined {
  if (!digitsPattern.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** The same, and -1. **Fails**: never. */
export function readDigitsOrMinusOne(text: string): number | undefined {
  return text === "-1" ? -1 : readDigits(text);
}
