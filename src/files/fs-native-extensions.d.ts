declare module 'fs-native-extensions' {
  /**
   * Locks an open file, for this descriptor alone; false where another one holds the lock. A shared lock needs a file that is open for
   * reading and keeps only those out that want it for themselves, any other needs one that is open for writing.
   */
  export function tryLock(fd: number, options?: { readonly shared?: boolean }): boolean;
}
