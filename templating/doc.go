// Package templating is the language of base job templates.
//
// A template is a JSON Schema of variables and a job_configuration, a tree with placeholders. It is compiled
// once, when it is saved, which finds everything that can be known without values; it is rendered for each
// attempt of a run with the values of all levels.
//
//	          Parse               Registry.Compile                     Compiled.Render
//	bytes ──────────▶ Template ─────────────────────▶ Compiled ─────────────────────────────▶ Rendered
//	                               │  readVariables: schema, defaults        │ merge: default < deployment < run < frozen
//	                               │  readFrozen                             │ resolve {{ berth.variables.NAME }} in values
//	                               │  Engine.Compile ▶ Program               │ job_configuration.env, then the rest
//	                               └  references against declarations        └ Program.Render
//
// ValidateDeployment and ValidateRun check values against the schema. Lint renders a template with its
// defaults, examples and alternatives and lets a JobCheck judge each result. A Cache keeps compiled versions.
//
// # Packages
//
//	templating            the public face: templates, values of all levels, lint, cache
//	├─ engine             what an engine implements; the two engines that Berth has
//	├─ enginetest         the tests that every engine must pass
//	├─ manifest           turns a Rendered into a Kubernetes Job; nothing else here knows Kubernetes
//	├─ language           what editors are told of templates: functions, ctx, the types of a Job, a JSON Schema
//	├─ preview            the Job of a template, and the effect of a change, before it is saved
//	└─ internal
//	   ├─ value           the data that templates work on, and the budget that work is paid from
//	   ├─ problem         errors with a code, a JSON pointer, line and column
//	   ├─ schema          JSON Schema: bounds, validation, messages
//	   ├─ action          the language of Go template actions
//	   └─ function        its functions
//
// # Invariants
//
//   - The same Input gives the same bytes. Objects are walked in the order of their keys, now is the run's
//     scheduled time, IDs are derived, and nothing here reads a clock, a file, the network or the environment.
//   - No argument is changed, and no result shares memory with one.
//   - A template author cannot block or exhaust the process: every step, byte and call is paid from a budget
//     before it is taken, nesting is bounded before anything recurses, and no object can contain itself.
//   - All problems are reported at once, each with its place and, where one is near, a suggestion.
package templating
