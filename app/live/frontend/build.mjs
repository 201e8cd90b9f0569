// Builds src into ../dist, the same bytes on every machine: `npm run build`; `npm test` bundles and runs test/*.test.ts.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = import.meta.dirname;
const dist = process.env.AECORE_LIVE_DIST ?? join(here, "..", "dist");
const ort = join(here, "node_modules", "onnxruntime-web", "dist");
const COMPONENTS = ["walk", "denoise", "maps"];

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

// The runtime as it is published, named by the content before compression: gzip's bytes differ between versions of zlib.
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

async function bundle(entries, define, splitting) {
  const { metafile } = await build({
    ...common,
    entryPoints: entries.map((name) => join("src", `${name}.ts`)),
    outdir: dist,
    entryNames: "[name]-[hash]",
    chunkNames: "engine-[hash]",
    splitting,
    define,
  });
  const named = Object.entries(metafile.outputs).filter(([, output]) => output.entryPoint);
  return Object.fromEntries(named.map(([path, { entryPoint }]) => [basename(entryPoint, ".ts"), basename(path)]));
}

async function main() {
  rmSync(dist, { recursive: true, force: true });
  const files = runtime();
  const define = { ORT: JSON.stringify(files.ort), WASM: JSON.stringify(files.wasm) };
  const { worker } = await bundle(["worker"], { ...define, WORKER: '""' }, false);
  const modules = await bundle(COMPONENTS, { ...define, WORKER: JSON.stringify(worker) }, true);
  const alone = (await bundle(["maps-alone"], { ...define, WORKER: '""' }, false))["maps-alone"];
  const manifest = { modules, worker, alone, runtime: files };
  writeFileSync(join(dist, "manifest.json"), `${JSON.stringify(manifest, null, 1)}\n`);
}

async function test() {
  const out = join(here, "node_modules", ".cache", "test");
  rmSync(out, { recursive: true, force: true });
  const entries = readdirSync(join(here, "test")).filter((name) => name.endsWith(".test.ts"));
  await build({
    ...common,
    minify: false,
    platform: "node",
    entryPoints: entries.map((name) => join("test", name)),
    outdir: out,
    define: { ORT: '""', WASM: '""', WORKER: '""' },
  });
  const files = readdirSync(out).map((name) => join(out, name));
  process.exitCode = spawnSync(process.execPath, ["--test", ...files], { stdio: "inherit" }).status ?? 1;
}

await (process.argv.includes("--test") ? test() : main());
