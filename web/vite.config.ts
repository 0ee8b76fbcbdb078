import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The page; with `--mode library`, `suture/web` as one file, to know its size. */
export default defineConfig(({ mode }) =>
  mode === 'library'
    ? {
        build: {
          outDir: at('../dist/web-library'),
          emptyOutDir: true,
          target: 'es2023',
          rolldownOptions: {
            input: at('../src/web/index.ts'),
            preserveEntrySignatures: 'strict',
            output: { entryFileNames: 'suture-web.js' },
          },
        },
      }
    : {
        base: './',
        worker: { format: 'es' },
        build: { outDir: at('../dist/web'), emptyOutDir: true, target: 'es2023', modulePreload: { polyfill: false } },
      },
);
