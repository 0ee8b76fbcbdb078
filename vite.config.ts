import { defineConfig } from 'vite';

/**
 * The program as a few files, with the packages that it takes but for those of native code: a process that loads hundreds of modules takes
 * a second before it does anything. It lies where the compiled sources would, as the code finds files from where it lies.
 */
export default defineConfig({
  logLevel: 'warn',
  ssr: { noExternal: true, external: ['fs-native-extensions', 'onnxruntime-common', 'onnxruntime-node', 'webgpu'] },
  build: {
    ssr: 'src/cli/main.ts',
    outDir: 'dist/src/cli',
    emptyOutDir: true,
    target: 'node20',
    license: { fileName: 'licenses.md' },
    rolldownOptions: { output: { entryFileNames: 'main.js', chunkFileNames: '[name]-[hash].js' } },
  },
});
