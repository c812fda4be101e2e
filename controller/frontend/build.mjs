// Bundles the page's own files: `node build.mjs OUTPUT_FOLDER`.
// Every name carries a hash of its content; manifest.json says which name an asset has now.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "esbuild";
import { ICONS } from "./src/icons.mjs";

const output = process.argv[2];
if (!output) {
  throw new Error("say where to: node build.mjs OUTPUT_FOLDER");
}
rmSync(output, { recursive: true, force: true });
mkdirSync(output, { recursive: true });
const manifest = {};

function keep(name, text) {
  const [stem, ending] = name.split(/\.(?=[^.]*$)/);
  const hashed = `${stem}-${createHash("sha256").update(text).digest("hex").slice(0, 10)}.${ending}`;
  writeFileSync(join(output, hashed), text);
  manifest[name] = hashed;
}

const features = readdirSync("src/css")
  .filter((name) => name.endsWith(".css") && name !== "base.css")
  .sort();
const common = {
  bundle: true,
  minify: true,
  outdir: output,
  entryNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  publicPath: "/static/built/",
  loader: { ".woff2": "file", ".svg": "file" },
  target: ["chrome109", "firefox115", "safari15.6"],
  metafile: true,
  logLevel: "warning",
};
const bundles = [
  await build({ ...common, entryPoints: ["src/app.js", "src/plots.js"], format: "iife" }),
  await build({
    ...common,
    stdin: {
      contents: ["base.css", ...features].map((name) => `@import "./src/css/${name}";`).join("\n"),
      loader: "css",
      resolveDir: ".",
      sourcefile: "app.css",
    },
    entryNames: "app-[hash]",
  }),
];
for (const { metafile } of bundles) {
  for (const [path, { entryPoint }] of Object.entries(metafile.outputs)) {
    const name = basename(path);
    if (entryPoint !== undefined || name.endsWith(".css") || name.endsWith(".woff2") || name.endsWith(".svg")) {
      manifest[name.replace(/-[A-Z0-9]{8}(?=\.[^.]*$)/, "")] = name;
    }
  }
}

const symbols = ICONS.map((name) => {
  const svg = readFileSync(`node_modules/lucide-static/icons/${name}.svg`, "utf8");
  const inside = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>"));
  return `<symbol id="${name}" viewBox="0 0 24 24">${inside.replace(/\s+/g, " ").trim()}</symbol>`;
});
keep("icons.svg", `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>\n`);

writeFileSync(
  join(output, "manifest.json"),
  JSON.stringify(Object.fromEntries(Object.entries(manifest).sort()), null, 1) + "\n",
);
