declare module 'fs-native-extensions' {
  /** Locks a file that is open for writing, for this descriptor alone; false where another one holds the lock. */
  export function tryLock(fd: number): boolean;
}
