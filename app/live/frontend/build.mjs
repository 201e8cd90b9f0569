// `npm run build` builds src into ../dist, the same bytes on every machine; `npm test` bundles test/*.test.ts and runs them.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = import.meta.dirname;
const dist = process.env.AECORE_LIVE_DIST ?? join(here, "..", "dist");
const ort = join(here, "node_modules", "onnxruntime-web", "dist");
const COMPONENTS = ["walk/walk", "denoise/denoise", "maps/maps"]; // share chunks, and are fetched by their addresses
const INLINE = ["tiles/tiles", "walk/filmstrip"]; // sent as text with the page, so that they work without /live

const common = {
  absWorkingDir: here,
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none",
  charset: "utf8",
  logLevel: "warning",
  metafile: true,
  loader: { ".css": "text" },
};

const hash = (bytes) => createHash("sha256").update(bytes).digest("hex").slice(0, 16);

// Copies the published runtime; its name is the hash of the content before compression, since gzip's bytes differ between
// versions of zlib.
function runtime() {
  const files = {};
  mkdirSync(join(dist, "runtime"), { recursive: true });
  for (const [key, source, ending, pack] of [
    ["ort", "ort.wasm.bundle.min.mjs", ".mjs", (text) => withoutSourceMap(text)],
    ["wasm", "ort-wasm-simd-threaded.wasm", ".wasm.gz", (bytes) => gzipSync(bytes, { level: 9 })],
  ]) {
    const bytes = readFileSync(join(ort, source));
    const name = `ort-${hash(bytes)}${ending}`;
    writeFileSync(join(dist, "runtime", name), pack(bytes));
    files[key] = name;
  }
  writeFileSync(join(dist, "runtime", "LICENSE"), readFileSync(join(here, "onnxruntime.LICENSE")));
  return files;
}

const withoutSourceMap = (bytes) => bytes.toString("utf8").replace(/\n\/\/# sourceMappingURL=.*\n?$/, "\n");

// Bundles src/ENTRY.ts for each entry; returns {name: file}.
async function bundle(entries, define, options = {}) {
  const { metafile } = await build({
    ...common,
    entryPoints: entries.map((entry) => join("src", `${entry}.ts`)),
    outdir: dist,
    entryNames: "[name]-[hash]",
    chunkNames: "engine-[hash]",
    define,
    ...options,
  });
  const named = Object.entries(metafile.outputs).filter(([, output]) => output.entryPoint);
  return Object.fromEntries(named.map(([path, { entryPoint }]) => [basename(entryPoint, ".ts"), basename(path)]));
}

async function main() {
  rmSync(dist, { recursive: true, force: true });
  const files = runtime();
  const define = { ORT: JSON.stringify(files.ort), WASM: JSON.stringify(files.wasm) };
  const alone = { ...define, WORKER: '""' };
  const { worker } = await bundle(["model/worker"], alone);
  const modules = await bundle(COMPONENTS, { ...define, WORKER: JSON.stringify(worker) }, { splitting: true });
  // Streamlit takes a text of one line for the name of a file: the banner makes it two.
  const inline = await bundle(INLINE, alone, { banner: { js: "// Built from app/live/frontend." } });
  const page = (await bundle(["maps/maps-alone"], alone))["maps-alone"];
  const manifest = { modules, worker, inline, alone: page, runtime: files };
  writeFileSync(join(dist, "manifest.json"), `${JSON.stringify(manifest, null, 1)}\n`);
}

// One bundle in one process: a process per file takes longer than the tests.
async function test() {
  const out = join(here, "node_modules", ".cache", "test.mjs");
  const files = readdirSync(join(here, "test")).filter((name) => name.endsWith(".test.ts"));
  await build({
    ...common,
    minify: false,
    platform: "node",
    stdin: { contents: files.map((name) => `import "./test/${name}";`).join("\n"), resolveDir: here },
    outfile: out,
    define: { ORT: '""', WASM: '""', WORKER: '""' },
  });
  process.exitCode = spawnSync(process.execPath, [out], { stdio: "inherit" }).status ?? 1;
}

await (process.argv.includes("--test") ? test() : main());
