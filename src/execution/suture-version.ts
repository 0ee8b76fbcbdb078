/** The version of suture: `package.json` says the same, and a test holds the two together. */
export const sutureVersion = '0.1.0';
