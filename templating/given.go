package templating

import (
	"slices"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/templating/engine"
	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/value"
)

// blockObject is how messages call a block in the form in which Prefect stores it.
const blockObject = "$ref to a block document"

// inValues walks the references that values hold in their strings, and blocks in the form in which Prefect
// stores them, {"$ref": {"block_document_id": ID}}.
func inValues(v any, pointer string, depth int, found func(pointer string, r Reference)) {
	if depth > value.MaxDepth {
		return // nothing that deep is ever rendered
	}
	switch v := v.(type) {
	case string:
		for _, r := range engine.ValueReferences(v) {
			found(pointer, r)
		}
	case []any:
		for i, item := range v {
			inValues(item, value.Pointer(pointer, strconv.Itoa(i)), depth+1, found)
		}
	case map[string]any:
		if ref, ok := v["$ref"].(map[string]any); ok && len(v) == 1 && ref["block_document_id"] != nil {
			found(pointer, Reference{Kind: ReferenceBlock, Name: blockObject})
			return
		}
		for _, key := range value.SortedKeys(v) {
			inValues(v[key], value.Pointer(pointer, key), depth+1, found)
		}
	}
}

// blockProblem refuses a reference to a block and says what to write instead.
func blockProblem(pointer, name string) Problem {
	p := problem.Errorf(CodeBlock, pointer, "%s: blocks are not supported", name)
	if of := environmentVariable(pointer); of != "" {
		return p.Suggest("write it in the env of the container in job_manifest: {name: %s, valueFrom: {secretKeyRef: "+
			"{name: SECRET, key: KEY}}}", of)
	}
	return p.Suggest("use a job variable, a stored variable ({{ berth.variables.NAME }}) or a Kubernetes Secret")
}

// environmentVariable is the name of the environment variable at a place; empty for other places.
func environmentVariable(pointer string) string {
	_, rest, ok := strings.Cut(pointer, "/env/")
	if !ok {
		return ""
	}
	isWhole := rest == "default"
	rest = strings.TrimPrefix(rest, "default/")
	name, more, _ := strings.Cut(rest, "/")
	if _, err := strconv.Atoi(name); isWhole || more != "" || err == nil || name == "" {
		return "NAME"
	}
	return name
}

// referencesIn refuses what job variables cannot refer to: blocks, and what the run at hand does not have.
func referencesIn(level map[string]any) Problems {
	problems := blocksIn(level)
	inValues(level, "", 0, func(pointer string, r Reference) {
		if r.Kind != ReferenceContext || len(problems) >= problem.MaxProblems {
			return
		}
		path := r.Path()
		if len(path) > 0 && path[0] == "worker" {
			problems = append(problems, problem.Errorf(CodeUndeclared, pointer,
				"%s: job variables are the same whichever worker takes the run", r.Name).
				Suggest("write {{ %s }} in the template", r.Name))
			return
		}
		if unknown, near := unknownContext(path); unknown != "" {
			p := problem.Errorf(CodeUndeclared, pointer, "%s: unknown field %q", r.Name, unknown)
			p.Suggestion = near
			problems = append(problems, p)
		}
	})
	return problems
}

// blocksIn refuses the blocks in job variables.
func blocksIn(level map[string]any) Problems {
	var problems Problems
	inValues(level, "", 0, func(pointer string, r Reference) {
		if r.Kind == ReferenceBlock && len(problems) < problem.MaxProblems {
			problems = append(problems, blockProblem(pointer, r.Name))
		}
	})
	return problems
}

// blockObjects refuses blocks in the form of objects. Those in strings are found when stored variables are
// filled in.
func blockObjects(level map[string]any) Problems {
	return slices.DeleteFunc(blocksIn(level), func(p Problem) bool { return !strings.HasPrefix(p.Message, blockObject) })
}

// checkDefaults looks at what the defaults of the template refer to. Blocks are refused; placeholders of the
// template stay the text they are, which is hardly what the name of a variable was written for.
func (c *Compiled) checkDefaults() Problems {
	var problems Problems
	for _, name := range value.SortedKeys(c.defaults) {
		place := value.Pointer("/variables/properties", name) + "/default"
		blocks := 0
		inValues(c.defaults[name], place, 0, func(pointer string, r Reference) {
			if len(problems) == problem.MaxProblems {
				return
			}
			if r.Kind == ReferenceBlock {
				blocks++
				problems = append(problems, blockProblem(pointer, r.Name))
				return
			}
			if _, declared := c.properties[r.Root()]; declared && r.Kind == ReferenceVariable {
				problems = append(problems, problem.Warningf(CodeImport, pointer,
					"{{ %s }} stays text: defaults are values, in which only stored variables are filled in", r.Name).
					Suggest("%s", meantByDefault(name, environmentVariable(pointer), r.Name)))
			}
		})
		if blocks > 0 {
			delete(c.defaults, name) // what follows from it has been said
		}
	}
	return problems
}

func meantByDefault(variable, environment, reference string) string {
	if variable == envVariable && environment != "" {
		return "write it in job_configuration, whose env is filled in: env: {" + environment + ": \"{{ " + reference + " }}\"}"
	}
	return "write {{ " + reference + " }} in job_configuration, where {{ " + variable + " }} is used"
}

// CheckParameters refuses references to the run at hand in parameters, which nothing fills in: the job would get them as
// text. Other placeholders may be text that a job wants.
func CheckParameters(parameters map[string]any) Problems {
	var problems Problems
	inValues(parameters, "", 0, func(pointer string, r Reference) {
		if r.Kind != ReferenceContext || len(problems) >= problem.MaxProblems {
			return
		}
		p := problem.Errorf(CodeParameters, pointer, "%s: parameters are not filled in", r.Name)
		if slices.Contains([]string{"ctx.run.scheduled_time", "ctx.run.date", "ctx.run.timezone"}, r.Name) {
			problems = append(problems, p.Suggest("the job has it as BERTH_SCHEDULED_TIME, BERTH_SCHEDULED_DATE and "+
				"BERTH_SCHEDULED_TIMEZONE; or write it in a job variable, such as env"))
			return
		}
		problems = append(problems, p.Suggest("write it in a job variable, such as env"))
	})
	return problems
}
