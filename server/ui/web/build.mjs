// Builds the scripts of the page: `node build.mjs [FOLDER]` (../dist unless told) bundles each entry into one file whose name
// holds a hash of its content, and writes beside them manifest.json (entry → file), parts.json (file → files that it imports) and licenses.txt (of the packages that are
// inside). The same sources give the same bytes. `node build.mjs --test` runs the tests.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const sources = readdirSync(here).filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"));
// An entry is a script that a page loads by itself; all others are parts of one.
const entries = ["live", "changes", "log", "template", "graph", "form"].filter((name) => sources.includes(`${name}.ts`));

if (process.argv[2] === "--test") await test();
else await bundle(process.argv[2] ?? join(here, "..", "dist"));

async function bundle(folder) {
  // Only the editor is in several files: what it compares texts with is loaded where it is first looked at.
  const results = [await pack(folder, entries.filter((name) => name !== "template"), false), await pack(folder, ["template"], true)];
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) if (/\.(js|json|txt)$/.test(name)) rmSync(join(folder, name));
  const manifest = {};
  const parts = {};
  for (const { outputFiles, metafile } of results) {
    const outputs = new Map(Object.entries(metafile.outputs).map(([path, output]) => [basename(path), output]));
    for (const file of outputFiles) {
      const name = basename(file.path);
      const { entryPoint, imports } = outputs.get(name);
      const entry = basename(entryPoint ?? "", ".ts");
      manifest[entries.includes(entry) ? entry : name] = name;
      const needed = imports.filter(({ kind }) => kind === "import-statement").map(({ path }) => basename(path));
      if (entries.includes(entry) && needed.length > 0) parts[name] = needed.sort();
      writeFileSync(join(folder, name), file.contents);
    }
  }
  writeFileSync(join(folder, "licenses.txt"), licenses(results.flatMap(({ metafile }) => Object.keys(metafile.inputs))));
  writeFileSync(join(folder, "parts.json"), text(parts));
  writeFileSync(join(folder, "manifest.json"), text(Object.fromEntries(Object.entries(manifest).sort()))); // last: it says that the rest is there
}

function text(document) {
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

function pack(folder, names, splitting) {
  return build({
    absWorkingDir: here,
    entryPoints: names.map((name) => `${name}.ts`),
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    outdir: folder,
    bundle: true,
    splitting,
    minify: true,
    format: "esm",
    target: "es2022",
    legalComments: "none",
    metafile: true,
    write: false,
  });
}

// licenses are the names, versions and licence texts of the packages whose code is in the bundle.
function licenses(inputs) {
  const packages = new Set();
  for (const input of inputs) {
    const found = input.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)\//);
    if (found) packages.add(found[1]);
  }
  return [...packages].sort().map((name) => {
    const folder = join(here, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
    if (!file) throw new Error(`${name} has no licence text`);
    return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
  }).join("\n────────\n\n");
}

async function test() {
  const folder = mkdtempSync(join(tmpdir(), "page-test-"));
  try {
    const tests = sources.filter((name) => name.endsWith(".test.ts"));
    await build({ absWorkingDir: here, entryPoints: tests, outdir: folder, outExtension: { ".js": ".mjs" }, bundle: true, platform: "node", format: "esm", logLevel: "error" });
    execFileSync(process.execPath, ["--test", ...tests.map((name) => join(folder, name.replace(/\.ts$/, ".mjs")))], { stdio: "inherit" });
  } catch (error) {
    process.exitCode = error.status ?? 1;
    if (error.status === undefined) throw error;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
