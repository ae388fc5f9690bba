// Package templating is the language of base job templates: what a platform team writes, and everybody's runs
// pass through.
//
// A template is a JSON Schema of variables and a job_configuration, a tree with placeholders. At save it is
// compiled once, and everything that can be known without values is checked; for each attempt of a run it is
// rendered with the values of all levels.
//
//	          Parse               Registry.Compile                     Compiled.Render
//	bytes ──────────▶ Template ─────────────────────▶ Compiled ─────────────────────────────▶ Rendered
//	                               │  readVariables: schema, defaults        │ merge: default < deployment < run < frozen
//	                               │  readFrozen                             │ resolve {{ berth.variables.NAME }} in values
//	                               │  Engine.Compile ▶ Program               │ job_configuration.env, then the rest
//	                               └  references against declarations        └ Program.Render
//
// ValidateDeployment and ValidateRun check values against the schema; Lint renders with defaults, examples
// and alternatives and lets a JobCheck judge the result. Package manifest, which knows Kubernetes, turns a
// Rendered into a Job; nothing here does.
//
// # Engines
//
// An Engine compiles a tree into a Program. compiler (tree.go) walks the tree and asks the engine for the
// node of each string:
//
//   - literal: no braces.
//   - whole: exactly one placeholder, which becomes the value itself, type and all; without a value its key is gone.
//   - partial: text and placeholders, which is text.
//   - actionLeaf, textManifest (gotemplate): Go template actions, run by internal/action.
//
// Which of `{{ image }}` and `{{ .image }}` is a placeholder and which an action is decided in one place,
// action.Scan. Placeholders beside actions are rewritten into calls, so that the parser of text/template sees
// nothing unusual; offsets are mapped back for messages.
//
// Any other engine says what a string means and leaves the tree to CompileTree (leaf.go), is registered with
// NewRegistry and held to package enginetest. The examples hold one to copy.
//
// # What must hold
//
//   - The same Input gives the same bytes. Objects are walked in the order of their keys, now is the run's scheduled time, ids are derived,
//     and nothing here reads a clock, a file, the network or the environment.
//   - Nothing that is given is changed, and what is returned shares nothing with it.
//   - Whoever writes a template can not hold or hurt the process: every step, byte and call is paid from a value.Budget before it is taken,
//     nesting is bounded before anything recurses, and an object can not come to hold itself.
//   - Everything wrong is said at once, as Problems: a code, a JSON pointer, line and column, what was expected, and what was likely meant.
package templating
