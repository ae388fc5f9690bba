package newrun

import (
	"encoding/json"
	"fmt"

	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

const (
	// MaxJobVariables bounds the job variables of a run, in bytes of JSON: the run's own over those of its
	// deployment, with the stored variables that they refer to. Servers and workers hold them in memory for
	// each run that they handle.
	MaxJobVariables = 256 << 10
	// MaxVariable bounds the value of a stored variable, in bytes of JSON.
	MaxVariable = 64 << 10

	// environment is the job variable whose values in deployment and run are joined.
	environment = "env"
)

// TooLarge says by how much job variables exceed their bound, and what to do about it.
func TooLarge(size int) string {
	return fmt.Sprintf("%d bytes; at most %d are allowed: store large values where the job can read them, "+
		"and set their address here", size, MaxJobVariables)
}

// CheckVariable refuses a value of a stored variable that is too large.
func CheckVariable(value json.RawMessage, at string) error {
	if len(value) <= MaxVariable {
		return nil
	}
	return problem.Newf(problem.VariablesInvalid, "the stored variable is too large").
		At(at, "%d bytes; at most %d are allowed: store large values where the job can read them",
			len(value), MaxVariable)
}

// memberSizes is the size of each member of an object, with its name and what JSON puts around both.
type memberSizes map[string]int

func sizesOf(object json.RawMessage) (memberSizes, error) {
	members, err := jsondoc.Members(object)
	if err != nil {
		return nil, err
	}
	const punctuation = len(`"":,`)
	sizes := make(memberSizes, len(members))
	for name, value := range members {
		sizes[name] = len(name) + len(value) + punctuation
	}
	return sizes, nil
}

// mergedWith is the size of the object with own laid over it.
func (s memberSizes) mergedWith(own memberSizes) int {
	const braces = len(`{}`) - len(`,`) // no comma follows the last member
	total := braces
	for name, size := range s {
		if _, replaced := own[name]; !replaced || name == environment {
			total += size
		}
	}
	for _, size := range own {
		total += size
	}
	return total
}

// checkSize refuses job variables of a run that are too large once they are merged over the deployment's.
func (m *Maker) checkSize(own json.RawMessage, storedNames []string) error {
	sizes, err := sizesOf(own)
	if err != nil {
		return err
	}
	merged := m.variableSizes.mergedWith(sizes)
	stored := m.variables.size(storedNames)
	if merged+stored <= MaxJobVariables {
		return nil
	}
	detail := "with those of deployment %q, the job variables are too large"
	if stored > 0 {
		detail = "with those of deployment %q and the stored variables that they refer to, the job variables are too large"
	}
	return problem.Newf(problem.VariablesInvalid, detail, m.deployment.Name).
		At("/job_variables", "%s", TooLarge(merged+stored))
}

// size is the size of the named variables, as far as they were read.
func (s *StoredVariables) size(names []string) int {
	total := 0
	for _, name := range names {
		total += s.sizes[name]
	}
	return total
}

// keep remembers the value of a variable.
func (s *StoredVariables) keep(variable *store.Variable, value any) {
	s.values[variable.Name], s.sizes[variable.Name] = value, len(variable.Value)
}
