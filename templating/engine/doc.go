// Package engine is what stands between a template and the language in its strings.
//
// An Engine compiles a job_configuration into a Program, and a Program renders it with Values. Walking the
// tree, "no value", bounds and the collection of all problems are the same for every engine (tree.go); an
// engine only says what a string means. Two engines are here:
//
//	placeholder   {{ name }} and nothing else (placeholder_engine.go)
//	gotemplate    the default: placeholders, and Go template actions (gotemplate.go)
//
// A string compiles to one of these nodes:
//
//	literalNode    no braces
//	whole          exactly one placeholder: the value itself with its type; without a value the key is removed
//	partial        text and placeholders: text
//	actionLeaf     at least one action; a single action keeps the type of its result
//	textManifest   a job_manifest written as one string: rendered, then read as strict YAML
//
// action.Scan alone decides which braces are placeholders and which are actions.
//
// Another engine defines a LeafCompiler, leaves the tree to CompileTree, is registered with
// templating.NewRegistry and is tested with package enginetest; examples/custom-engine is one to copy.
package engine
