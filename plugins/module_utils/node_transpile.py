"""Configurations in TypeScript that a program would compile at every start, compiled once.

What a program reads as JavaScript needs no compiler beside it. Standard library alone: this runs
in the build container.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Run = Callable[[Sequence[str], Path, Mapping[str, str]], tuple[int, str, str]]

_COMPILE = r"""
const fs = require('fs')
const path = require('path')
const {builtinModules, createRequire} = require('module')
const [file, packageType] = process.argv.slice(1)
const ts = createRequire(file)('typescript')

const isFile = name => fs.statSync(name, {throwIfNoEntry: false})?.isFile() ?? false
const isPackage = (name, from) => {
  const parts = name.split('/').slice(0, name.startsWith('@') ? 2 : 1)
  for (let at = path.dirname(from); ; at = path.dirname(at)) {
    if (fs.existsSync(path.join(at, 'node_modules', ...parts))) return true
    if (at === path.dirname(at)) return false
  }
}
// CommonJS wherever node takes it by the name, as there a file may be required without its suffix.
const source = fs.readFileSync(file, 'utf8')
const esm = file.endsWith('.mts') || packageType === 'module' || source.includes('import.meta')
const compilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: esm ? ts.ModuleKind.ESNext : ts.ModuleKind.CommonJS,
  esModuleInterop: true,
}
const written = {}
const left = []

const visit = (name, output) => {
  if (output in written) return
  if (isFile(output)) return left.push(output)
  const {outputText} = ts.transpileModule(
    fs.readFileSync(name, 'utf8'), {fileName: name, compilerOptions})
  written[output] = outputText
  for (const {fileName: wanted} of ts.preProcessFile(outputText, true, true).importedFiles) {
    if (wanted.startsWith('.')) {
      const target = path.resolve(path.dirname(name), wanted)
      const there = esm ? [target] : ['', '.js', '.json', '/index.js'].map(end => target + end)
      if (there.some(found => isFile(found) && !/\.[cm]?tsx?$/.test(found))) continue
      const stem = target.replace(/\.js$/, '')
      const sources = esm && stem === target ? [] : [`${stem}.ts`, `${target}/index.ts`]
      const found = sources.find(isFile)
      if (found) visit(found, found.replace(/\.ts$/, '.js'))
      else left.push(wanted)
    } else if (!wanted.startsWith('node:') && !builtinModules.includes(wanted) &&
               !isPackage(wanted, name)) {
      left.push(wanted)
    }
  }
}

const output = file.replace(/\.m?ts$/, esm ? '.mjs' : '.js')
visit(file, output)
// The module that is required is the configuration itself, as if it had been written so.
if (!esm) written[output] += 'if (exports.default !== undefined) module.exports = exports.default\n'
if (!left.length) {
  for (const name in written) fs.writeFileSync(name, written[name])
  fs.unlinkSync(file)
}
console.log(JSON.stringify(left))
"""
"""Writes a configuration, and what it requires of the sources, as JavaScript with the project's own
compiler, or prints what it requires and node would not find."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """What became of the configurations: those that stay in TypeScript, and why."""

    kept: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def compile_configurations(
    directory: Path, names: Sequence[str], package_type: str, run: Run, node: str
) -> Compiled:
    """Write the configurations in ``directory`` that ``names`` (globs) match as JavaScript.

    One that is there as JavaScript as well is removed: programs prefer the other.
    """
    kept: list[str] = []
    warnings: list[str] = []
    for path in sorted({path for name in names for path in directory.glob(name)}):
        if any(path.with_suffix(suffix).is_file() for suffix in (".js", ".mjs", ".cjs")):
            path.unlink()
            continue
        code, output, errors = run((node, "-e", _COMPILE, str(path), package_type), directory, {})
        left = json.loads(output) if not code else []
        if code:
            said = [line for line in errors.splitlines() if "Error" in line] or [errors.strip()]
            warnings.append(f"{path.name} could not be compiled, and is at every start: {said[0]}")
        elif left:
            warnings.append(
                f"{path.name} is compiled at every start, and its compiler is shipped: as"
                f" JavaScript it would not find {', '.join(left)}. Write it in JavaScript for a"
                " far smaller image"
            )
        if code or left:
            kept.append(path.name)
    return Compiled(tuple(kept), tuple(warnings))
